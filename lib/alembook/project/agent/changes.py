"""What a revision changed, table by table, counted by the server in the revision's own transaction.

The counters are the transaction's: what other sessions write meanwhile is not in them. Rows of a savepoint that was
rolled back are (PostgreSQL manual 27.2.2). They do not survive a commit inside the revision, and a TRUNCATE sets them
back to nothing: then what was changed is not known.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Optional, Tuple

from .door import rows

#: Returns: transaction id (NULL: none assigned), track_counts, then per changed table: oid, schema, table, rows
#: inserted, updated, deleted so far by this transaction (with what earlier ones have not handed on yet); one row at
#: least. Reads catalogues only.
COUNTS = """SELECT pg_current_xact_id_if_assigned()::text, current_setting('track_counts'), t.*
  FROM (SELECT 1) AS one LEFT JOIN (
    SELECT c.oid::bigint, n.nspname, c.relname, pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
           pg_stat_get_xact_tuples_updated(c.oid) AS updated, pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  ) AS t ON t.inserted + t.updated + t.deleted > 0"""
TRUNCATE = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)

Counts = Dict[str, Dict[str, int]]
_Row = Tuple[int, int, int]
_NAMES = ("inserted", "updated", "deleted")


class Changes:
    """Counts what one revision changes.

    Args:
        dbapi: the driver's connection, inside the revision's transaction, before its first statement.
    """

    def __init__(self, dbapi: Any) -> None:
        self._transaction, _, self._before, _ = _read(dbapi)

    def counted(self, dbapi: Any) -> Optional[Counts]:
        """Returns "schema.table" -> rows inserted, updated, deleted; None when the server did not count them all."""
        transaction, is_on, after, names = _read(dbapi)
        if transaction != self._transaction or not is_on:
            return None
        found: Counts = {}
        for table, counts in after.items():
            before = self._before.get(table, (0, 0, 0))
            difference = [now - then for now, then in zip(counts, before)]
            if any(difference):
                found[names[table]] = dict(zip(_NAMES, difference))
        return found


def _read(dbapi: Any) -> Tuple[Optional[str], bool, Dict[int, _Row], Dict[int, str]]:
    found = rows(dbapi, COUNTS)
    tables = [row[2:] for row in found if row[2] is not None]
    counts = {int(oid): (int(ins), int(upd), int(gone)) for oid, _, _, ins, upd, gone in tables}
    names = {int(oid): "{}.{}".format(schema, table) for oid, schema, table, _, _, _ in tables}
    return found[0][0], found[0][1] == "on", counts, names
