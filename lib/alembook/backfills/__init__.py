"""Moving data in batches beside a running application: declared in files, run by an engine that survives a kill."""

from alembook.backfills.declaration import SQL, Backfill, Call

__all__ = ["SQL", "Backfill", "Call"]
