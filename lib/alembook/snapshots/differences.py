"""Which rows of a table differ between two databases: found by hashes, without pulling rows to find them.

Two passes over a table that differs, whatever the number of differences: sums by groups of keys on both sides, then the
hashes of the rows in those groups that differ. Rows are paired by the hash of their key. A table without a key is a
multiset of rows: a row is missing or extra as often as its number differs, and never changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pandas as pd
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots.layout import Layout

#: Columns of a table of differing rows.
DTYPES = {"schema": "str", "table": "str", "kind": "str", "columns": "str", "key": "str"}
_ROWS_IN_BUCKET = 64
_MOST_BUCKETS = 65_536
#: So many hashes are held of one side at a time.
_HASHES_AT_ONCE = 400_000

_Row = tuple[tuple[int, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One table in one of the databases.

    Attributes:
        connection: inside a snapshot, under ``pinned_settings.sql``.
        layout: reduced to what both sides have; the same columns and key, in the same order, on both.
        rows: how many it has.
    """

    connection: connections.Connection
    layout: Layout
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is asked of both sides: the columns that differ, and into how many groups keys fall."""

    columns: tuple[str, ...]
    mask: int
    with_keys: bool


def find(left: Side, right: Side, columns: Sequence[str], *, limit: int, with_keys: bool) -> tuple[pd.DataFrame, bool]:
    """Returns the rows that differ, and whether these are all of them.

    Args:
        left: what should be there.
        right: what is there.
        columns: columns outside the key whose sums differ; the others are known to be equal row by row.
        limit: stop when so many were found.
        with_keys: return the keys' values.

    Returns:
        One row per row that differs: schema, table, kind ("missing" on the right, "extra" there, "changed"), columns
        (those that changed, comma between; "" for the other kinds), key (its text; "" unless asked for, and for a table
        without one). By kind, then key.

    Raises:
        errors.QueryFailed: the server refused a query, or a connection was lost.
    """
    mask = _mask(max(left.rows, right.rows))
    question = _Question(columns=tuple(columns) if left.layout.key else (), mask=mask, with_keys=with_keys)
    found: list[tuple[str, ...]] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        here, there = pool.map(partial(_sums, question=question), (left, right))
        chunks = list(_chunks(here, there, at_once=_HASHES_AT_ONCE // (len(question.columns) + 1)))
        for done, chunk in enumerate(chunks, start=1):
            ours, theirs = pool.map(partial(_rows, question=question, buckets=chunk), (left, right))
            found += _paired(ours, theirs, question.columns)
            if len(found) >= limit:
                is_whole = done == len(chunks) and len(found) == limit
                return _frame(left.layout, found[:limit]), is_whole
    return _frame(left.layout, found), True


def _mask(rows: int) -> int:
    buckets = 1
    while buckets < min(rows // _ROWS_IN_BUCKET, _MOST_BUCKETS):
        buckets *= 2
    return buckets - 1


def _sums(side: Side, question: _Question) -> dict[int, tuple[int, ...]]:
    """Returns group of keys -> rows, sum of keys, sum of hashes."""
    read = [side.layout.column(name) for name in question.columns]
    seed = sql.SQL("read.seed")
    hashed: sql.Composable = sql.SQL("0::pg_catalog.int8")
    if len(read) == 1:
        hashed = sql.SQL("coalesce({}, 0)").format(read[0].hash(sql.Identifier("read", "c1"), seed))
    elif read:
        values = [each.value(sql.Identifier("read", f"c{n}")) for n, each in enumerate(read, start=1)]
        record = sql.SQL("pg_catalog.hash_record_extended(ROW({}), {})")
        hashed = record.format(sql.SQL(", ").join(values), seed)
    query = sql.SQL(statements.load(__package__, "bucket.sql")).format(**_source(side, question), hash=hashed)
    found = connections.rows(side.connection, query)
    return {row["bucket"]: (row["rows"], int(row["keys"]), int(row["hashes"] or 0)) for row in found}


def _source(side: Side, question: _Question) -> dict[str, sql.Composable]:
    columns: list[sql.Composable] = [
        sql.SQL(", {} AS {}").format(sql.Identifier(name), sql.Identifier(f"c{n}"))
        for n, name in enumerate(question.columns, start=1)
    ]
    if question.with_keys:
        columns += [
            sql.SQL(", {} AS {}").format(sql.Identifier(name), sql.Identifier(f"k{n}"))
            for n, name in enumerate(side.layout.key, start=1)
        ]
    return {
        "seed": side.layout.identity(),
        "columns": sql.Composed(columns),
        "table": side.layout.identifier,
        "mask": sql.Literal(question.mask),
    }


def _chunks(
    left: dict[int, tuple[int, ...]], right: dict[int, tuple[int, ...]], *, at_once: int
) -> Iterator[list[int]]:
    """Yields the groups that differ, so many at a time as hold about ``at_once`` rows."""
    chunk: list[int] = []
    rows = 0
    for bucket in sorted(set(left) | set(right)):
        one, other = left.get(bucket), right.get(bucket)
        if one == other:
            continue
        chunk.append(bucket)
        rows += max(each[0] for each in (one, other) if each)
        if rows >= at_once:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _rows(side: Side, question: _Question, buckets: Sequence[int]) -> dict[tuple[int, int], _Row]:
    """Returns (hash of the key, its number among equal ones) -> hashes of the columns, text of the key."""
    seed = sql.SQL("read.seed")
    hashes = [
        sql.SQL(", {}").format(side.layout.column(name).hash(sql.Identifier("read", f"c{n}"), seed))
        for n, name in enumerate(question.columns, start=1)
    ]
    query = sql.SQL(statements.load(__package__, "bucket_rows.sql")).format(
        **_source(side, question),
        buckets=sql.Literal(list(buckets)),
        hashes=sql.Composed(hashes),
        key=_key_text(side.layout) if question.with_keys else sql.SQL("NULL::pg_catalog.text"),
    )
    found = sorted(
        (row[0], tuple(value or 0 for value in row[2:]), row[1] or "")
        for row in connections.tuples(side.connection, query)
    )
    numbered: dict[tuple[int, int], _Row] = {}
    for key_hash, values, text in found:
        number = 0
        while (key_hash, number) in numbered:
            number += 1
        numbered[key_hash, number] = values, text
    return numbered


def _key_text(layout: Layout) -> sql.Composable:
    parts = [
        sql.SQL("{}::pg_catalog.text").format(sql.Identifier("read", f"k{n}")) for n, _ in enumerate(layout.key, 1)
    ]
    if len(parts) < 2:
        return parts[0] if parts else sql.SQL("NULL::pg_catalog.text")
    return sql.SQL("ROW({})::pg_catalog.text").format(sql.SQL(", ").join(parts))


def _paired(
    left: dict[tuple[int, int], _Row], right: dict[tuple[int, int], _Row], columns: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """Yields (kind, columns, key) of each row that differs."""
    for pair, (values, text) in left.items():
        if pair not in right:
            yield "missing", "", text
        elif right[pair][0] != values:
            changed = [c for c, one, other in zip(columns, values, right[pair][0], strict=True) if one != other]
            yield "changed", ", ".join(changed), text
    for pair, (_, text) in right.items():
        if pair not in left:
            yield "extra", "", text


def _frame(layout: Layout, found: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    order = ["missing", "extra", "changed"]
    rows = sorted(found, key=lambda row: (order.index(row[0]), len(row[2]), row[2]))
    named = [(layout.schema, layout.table, *row) for row in rows]
    return pd.DataFrame(named, columns=list(DTYPES)).astype(DTYPES)
