"""Looking at backfills without touching them: what the ledger says, and what is pending now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from psycopg2 import sql

from alembook import errors
from alembook.backfills import batch, keyed, ledger
from alembook.backfills.declaration import Backfill
from alembook.postgres import connection as connections
from alembook.postgres import statements

#: Columns of the table of states and their dtypes.
DTYPES = {
    "name": "str",
    "table": "str",
    "after": "str",
    "before": "str",
    "status": "str",
    "pending": "Int64",
    "rows_done": "Int64",
    "batches": "Int64",
    "run_id": "str",
    "updated_at": "datetime64[us, UTC]",
    "reason": "str",
}


def read(connection: connections.Connection, backfills: Iterable[Backfill], *, schema: str | None) -> pd.DataFrame:
    """Returns the state of every backfill, one row each in the order given.

    Args:
        connection: read-only is enough; nothing is created.
        backfills: what the project declares.
        schema: the ledger's; None when nothing is kept in the target.

    Returns:
        name, table, after, before (str), status (str: "not started", running, failed, done as the ledger says), pending
        (Int64, rows, counted now; missing where it cannot be counted, and reason says why), rows_done, batches (Int64,
        of the latest run), run_id (str), updated_at (UTC), reason (str).

    Raises:
        errors.QueryFailed: the ledger cannot be read.
    """
    kept = _kept(connection, schema)
    lines = [_line(connection, backfill, kept.get(backfill.name, {})) for backfill in backfills]
    return pd.DataFrame(lines, columns=list(DTYPES)).astype(DTYPES)


def _kept(connection: connections.Connection, schema: str | None) -> dict[str, Mapping[str, Any]]:
    if schema is None or not ledger.exists(connection, schema):
        return {}
    query = sql.SQL(statements.load(__package__, "progress_read.sql")).format(schema=sql.Identifier(schema))
    return {row["name"]: row for row in connections.rows(connection, query)}


def _line(connection: connections.Connection, backfill: Backfill, row: Mapping[str, Any]) -> dict[str, Any]:
    pending, reason = _pending(connection, backfill)
    return {
        "name": backfill.name,
        "table": backfill.table,
        "after": backfill.after,
        "before": backfill.before,
        "status": row.get("status", "not started"),
        "pending": pending,
        "rows_done": row.get("rows_done"),
        "batches": row.get("batches"),
        "run_id": row.get("run_id", ""),
        "updated_at": row.get("updated_at"),
        "reason": reason,
    }


def _pending(connection: connections.Connection, backfill: Backfill) -> tuple[int | None, str]:
    """Returns the rows pending, or None and why: before `after` and past `before` they often cannot be counted."""
    try:
        return batch.pending(connection, keyed.read(connection, backfill)), ""
    except errors.QueryFailed as error:
        return None, batch.reason(error)
    except errors.BackfillFailed as error:
        return None, error.what
