"""What is told about rows that differ: kind, columns and, where they may be shown, keys and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import buckets
from alembook.snapshots.layout import Layout

#: Columns of a table of differing rows.
DTYPES = {"schema": "str", "table": "str", "row": "int64", "kind": "str", "key": "str", "column": "str"}
#: What is added where values may be shown.
VALUES = ("left", "right")
_ORDER = {"missing": 0, "extra": 1, "changed": 2}
_AT_ONCE = 5_000
#: A value is shown up to so many characters.
_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MayShow:
    """What may be told about a row besides how it differs.

    Attributes:
        keys: the values of its key.
        values: the values that differ; of a row that is on one side only, all of them.
    """

    keys: bool = False
    values: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One row on one side.

    Attributes:
        key: text of its key; "" unless it may be shown, and for a table without one.
        row: text of the whole row; None unless values may be shown.
        hashes: of the columns outside the key; None where one is NULL.
        values: their texts; empty unless they may be shown.
    """

    key: str
    row: str | None
    hashes: tuple[int | None, ...]
    values: tuple[str | None, ...]


def read(
    connection: connections.Connection, layout: Layout, places: Sequence[str], may_show: MayShow
) -> dict[str, Detail]:
    """Returns rows by where they are.

    Args:
        connection: inside the snapshot the places were found in, under ``pinned_settings.sql``.
        layout: reduced to what both sides have.
        places: ctids.
        may_show: what is asked for.

    Raises:
        errors.QueryFailed: the server refused a query, or a connection was lost.
    """
    found = {}
    for first in range(0, len(places), _AT_ONCE):
        query = _query(layout, list(places[first : first + _AT_ONCE]), may_show)
        for place, key, row, hashes, values in connections.tuples(connection, query):
            found[place] = Detail(key=key or "", row=row, hashes=tuple(hashes), values=tuple(values))
    return found


def _query(layout: Layout, places: list[str], may_show: MayShow) -> sql.Composed:
    named = layout.values() if layout.key else ()
    texts = [_text(sql.Identifier("read", f"c{n}")) for n, _ in enumerate(named, start=1)]
    every = sql.SQL(", ").join(sql.Identifier(each.name) for each in layout.columns)
    return sql.SQL(statements.load(__package__, "row_details.sql")).format(
        places=sql.Literal(places),
        seed=buckets.identity(layout),
        columns=buckets.columns(layout),
        table=layout.identifier,
        key=key_text(layout) if may_show.keys else sql.SQL("NULL::pg_catalog.text"),
        row=_text(sql.SQL("ROW({})").format(every)) if may_show.values else sql.SQL("NULL::pg_catalog.text"),
        hashes=sql.SQL(", ").join(buckets.hashes(layout)),
        values=sql.SQL(", ").join(texts if may_show.values else []),
    )


def _text(value: sql.Composable) -> sql.Composable:
    return sql.SQL('pg_catalog."left"({}::pg_catalog.text, {})').format(value, sql.Literal(_CHARACTERS))


def key_text(layout: Layout) -> sql.Composable:
    """Returns the expression of a row's key as text; NULL for a table without one."""
    parts = [sql.Identifier(name) for name in layout.key]
    if len(parts) == 1:
        return sql.SQL("{}::pg_catalog.text").format(parts[0])
    return (
        sql.SQL("ROW({})::pg_catalog.text").format(sql.SQL(", ").join(parts))
        if parts
        else sql.SQL("NULL::pg_catalog.text")
    )


def tell(
    layout: Layout,
    rows: Iterable[tuple[str, str | None, str | None]],
    left: dict[str, Detail],
    right: dict[str, Detail],
    may_show: MayShow,
) -> pd.DataFrame:
    """Returns the rows that differ, as a table.

    Args:
        layout: of both sides.
        rows: (kind, where it is on the left, where on the right).
        left: what ``read`` returned of the places on the left.
        right: the same of the right.
        may_show: what was asked for.

    Returns:
        One row per row that is on one side only, and one per column of a row that changed: schema, table (str), row
        (int64: its number in its table, from 1), kind ("missing" on the right, "extra" there, "changed"), key (str: its
        text; "" unless it may be shown, and for a table without one), column (str; "" for a whole row). Where values
        may be shown also left and right (str: the value, or the whole row, up to 10,000 characters; None for NULL,
        and where the row is not). By kind, then key.
    """
    known = [(kind, left.get(here or ""), right.get(there or "")) for kind, here, there in rows]
    ordered = sorted(known, key=lambda each: _place(*each))
    told = [
        {"schema": layout.schema, "table": layout.table, "row": number, **line}
        for number, each in enumerate(ordered, start=1)
        for line in _lines(layout, *each)
    ]
    return frame(told, may_show)


def frame(rows: Sequence[dict[str, Any]], may_show: MayShow) -> pd.DataFrame:
    """Returns rows as the table ``tell`` describes."""
    values = dict.fromkeys(VALUES, "object") if may_show.values else {}
    return pd.DataFrame(rows, columns=[*DTYPES, *values], dtype="object").astype({**DTYPES, **values})


def _place(kind: str, left: Detail | None, right: Detail | None) -> tuple[int, int, str]:
    key = next(each.key for each in (left, right) if each)
    return _ORDER[kind], len(key), key


def _lines(layout: Layout, kind: str, left: Detail | None, right: Detail | None) -> Iterator[dict[str, Any]]:
    if left is None or right is None:
        key = next(each.key for each in (left, right) if each)
        values = {"left": left and left.row, "right": right and right.row}
        yield {"kind": kind, "key": key, "column": "", **values}
        return
    for number, column in enumerate(layout.values()):
        if left.hashes[number] != right.hashes[number]:
            values = {"left": _at(left.values, number), "right": _at(right.values, number)}
            yield {"kind": kind, "key": left.key, "column": column.name, **values}


def _at(values: tuple[str | None, ...], number: int) -> str | None:
    return values[number] if values else None
