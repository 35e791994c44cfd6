"""Sequences that give columns their values, and whether the next value each gives is ahead of its table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import layout, scan

#: Columns of a measured table of sequences.
DTYPES = {
    "schema": "str",
    "table": "str",
    "column": "str",
    "sequence": "str",
    "is_behind": "bool",
    "why": "str",
}

#: Why a sequence could not be judged: a matter of rights, known before.
MAY_NOT_READ = "the role may not read the sequence"


def read(connection: connections.Connection, tables: Collection[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Returns "schema.table" -> rows of ``sequences.sql``, of rows of ``tables.sql``. Raises errors.QueryFailed."""
    names = {row["oid"]: f"{row['schema']}.{row['table']}" for row in tables}
    query = statements.load(__package__, "sequences.sql")
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connections.rows(connection, query, {"tables": list(names)}) if names else []:
        found.setdefault(names[row["table_oid"]], []).append(row)
    return found


def standing(
    layouts: Collection[layout.Layout], counted: Mapping[str, scan.Found], sequences: Mapping[str, Any]
) -> pd.DataFrame:
    """Returns one row per column that takes its values from a sequence, and sequence; several tables may share one.

    Args:
        layouts: the tables.
        counted: what they came to, by "schema.table".
        sequences: as ``read`` returned them.

    Returns:
        schema, table, column, sequence (str), is_behind (bool: the next value it gives is one the table has or has
        passed), why (str: it could not be judged).
    """
    rows = []
    for each in layouts:
        for row in sequences.get(each.name, []):
            why = _unjudged(row, counted[each.name])
            is_behind = not why and _is_behind(row, counted[each.name].ends)
            rows.append((each.schema, each.table, row["column"], row["sequence"], is_behind, why))
    return pd.DataFrame(rows, columns=list(DTYPES)).astype(DTYPES)


def _unjudged(row: Mapping[str, Any], found: scan.Found) -> str:
    if not row["may_read"]:
        return MAY_NOT_READ
    is_read = row["column"] in found.ends
    return "" if is_read else found.unread or "its column is not compared with the time before"


def _is_behind(row: Mapping[str, Any], ends: Mapping[str, tuple[int | None, int | None]]) -> bool:
    lowest, highest = ends[row["column"]]
    if lowest is None or highest is None:
        return False
    return bool(row["next"] <= highest if row["ascends"] else row["next"] >= lowest)
