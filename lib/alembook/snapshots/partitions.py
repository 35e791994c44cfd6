"""Which tables are parts of a partitioned one, and what the whole comes to.

Rows are counted leaf by leaf. What a leaf's sums are, measured by one key over the same columns, adds up to what one
table of all those rows would have come to: so a whole can be compared with a later one that is cut otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots.layout import Layout
from alembook.snapshots.scan import Found

#: Columns of a table of partitions, and how each is read back from CSV.
DTYPES = {"root": "str", "leaf": "str"}


def none() -> pd.DataFrame:
    """Returns the table of partitions of a database without any."""
    return pd.DataFrame(columns=list(DTYPES)).astype(DTYPES)


def read(
    connection: connections.Connection, tables: Collection[Mapping[str, Any]], leave_out_schemas: Collection[str] = ()
) -> pd.DataFrame:
    """Returns one row per leaf, measured or not, and one with the leaf "" per partitioned table that has none.

    Args:
        connection: any.
        tables: rows of ``tables.sql``.
        leave_out_schemas: schemas whose partitioned tables are not told.

    Returns:
        root, leaf (str, "schema.table"; the root is the uppermost one), by root and leaf.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    rows = connections.rows(connection, statements.load(__package__, "roots.sql"))
    found: dict[str, list[str]] = {_name(row): [] for row in rows if row["schema"] not in leave_out_schemas}
    for row in tables:
        if row["root"] in found:
            found[row["root"]].append(_name(row))
    lines = [(root, leaf) for root, leaves in sorted(found.items()) for leaf in sorted(leaves) or [""]]
    return pd.DataFrame(lines, columns=list(DTYPES)).astype(DTYPES)


def leaves(partitions: pd.DataFrame) -> dict[str, list[str]]:
    """Returns root -> its leaves, of a table as ``read`` returns it."""
    found: dict[str, list[str]] = {}
    for root, leaf in zip(partitions["root"], partitions["leaf"], strict=True):
        found.setdefault(root, []).extend([leaf] if leaf else [])
    return found


def wholes(
    partitions: pd.DataFrame, layouts: Collection[Layout], counted: Mapping[str, Found]
) -> Iterator[tuple[Layout, Found]]:
    """Yields each partitioned table as one, and what it came to; those whose leaves do not add up are left out.

    Args:
        partitions: as ``read`` returns it.
        layouts: the tables that were measured, as they were read.
        counted: what they came to, by "schema.table".
    """
    read = {each.name: each for each in layouts if not counted[each.name].unread}
    for root, names in leaves(partitions).items():
        parts = [read[name] for name in names if name in read]
        if not parts or len(parts) < len(names) or any(_shape(each) != _shape(parts[0]) for each in parts):
            continue
        schema, _, table = root.partition(".")
        yield replace(parts[0], schema=schema, table=table), _sum(counted[name] for name in names)


def _shape(layout: Layout) -> tuple[Any, ...]:
    """Returns what must be alike for two leaves' sums to add up: without a key the order of the columns too."""
    columns = [(column.name, column.meaning) for column in layout.columns]
    return layout.key, tuple(sorted(columns) if layout.key else columns)


def _sum(parts: Iterator[Found]) -> Found:
    whole = Found()
    for each in parts:
        whole.rows += each.rows
        whole.size_bytes += each.size_bytes
        whole.keys += each.keys
        for own, theirs in ((whole.present, each.present), (whole.sums, each.sums)):
            for column, value in theirs.items():
                own[column] = own.get(column, 0) + value
    return whole


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['schema']}.{row['table']}"
