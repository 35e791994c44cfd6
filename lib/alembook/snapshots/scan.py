"""One pass over one piece of a table: what is asked for, and how the answers of the pieces add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots.expressions import Column
from alembook.snapshots.layout import Layout

#: A piece's size: 64 MB of heap. Smaller tables are one piece.
PIECE_PAGES = 8192
#: A SELECT may return 1,664 columns (PostgreSQL manual, appendix K); each of ours needs up to four.
_COLUMNS_AT_ONCE = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A range of pages of a table, for some of its columns.

    Attributes:
        first: first page.
        end: first page of the next piece; None where the table ends.
        columns: columns read in this piece; keys and rows are counted where ``counts`` is true.
    """

    layout: Layout
    first: int
    end: int | None
    columns: tuple[Column, ...]
    counts: bool = True


@dataclass(slots=True, kw_only=True)
class Found:
    """What the pieces of one table came to.

    Attributes:
        rows: of the table itself.
        keys: sum of the hashes of the keys; of the whole rows where the table has no key.
        present: column -> values that are not NULL.
        sums: column -> sum of hashes, each seeded with its row's key where there is one.
        ends: column -> (lowest, highest) of columns whose ends were asked for.
        unread: why there are no checksums; "" when there are.
    """

    rows: int = 0
    size_bytes: int = 0
    keys: int = 0
    present: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    ends: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)
    unread: str = ""

    def add(self, piece: Piece, answer: Mapping[str, Any]) -> None:
        """Adds what a pass over a piece answered."""
        if piece.counts:
            self.rows += answer["rows"]
            self.size_bytes = max(self.size_bytes, answer["size_bytes"])
            self.keys += int(answer["keys"] or 0)
        for number, column in enumerate(piece.columns, start=1):
            name = column.name
            self.present[name] = self.present.get(name, 0) + answer[f"n{number}"]
            if f"h{number}" in answer:
                self.sums[name] = self.sums.get(name, 0) + int(answer[f"h{number}"] or 0)
            if f"lo{number}" in answer:
                then = self.ends.get(name, (None, None))
                lows = [value for value in (then[0], answer[f"lo{number}"]) if value is not None]
                highs = [value for value in (then[1], answer[f"hi{number}"]) if value is not None]
                self.ends[name] = (min(lows, default=None), max(highs, default=None))


def pieces(layout: Layout) -> Iterator[Piece]:
    """Yields the pieces of a table; the last has no end, for the catalogue only estimates where it is."""
    parts = [layout.columns[n : n + _COLUMNS_AT_ONCE] for n in range(0, len(layout.columns), _COLUMNS_AT_ONCE)] or [()]
    for first, end in spans(layout.pages, PIECE_PAGES):
        for number, columns in enumerate(parts):
            yield Piece(layout=layout, first=first, end=end, columns=columns, counts=number == 0)


def spans(pages: int, size: int) -> Iterator[tuple[int, int | None]]:
    """Yields (first page, first page of the next span) of spans of pages; None where the table ends."""
    firsts = range(0, max(pages, 1), size)
    for first in firsts:
        yield first, first + size if first != firsts[-1] else None


def where(first: int, end: int | None) -> sql.Composable:
    """Returns the condition that a row is in a span of pages."""
    bounds = [f"ctid >= '({first},0)'"] if first else []
    bounds += [f"ctid < '({end},0)'"] if end is not None else []
    return sql.SQL(" AND ".join(bounds) or "TRUE")


def read(connection: connections.Connection, piece: Piece, ends: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the answer of one pass.

    Args:
        connection: inside the transaction, under ``pinned_settings.sql``.
        piece: what to read.
        ends: columns whose lowest and highest value are asked for.

    Raises:
        errors.QueryFailed: the server refused it or ended it.
    """
    query = sql.SQL(statements.load(__package__, "pass.sql")).format(
        name=sql.Literal(piece.layout.identifier.as_string(connection)),
        table=piece.layout.identifier,
        piece=where(piece.first, piece.end),
        seed=piece.layout.identity() if piece.layout.key else sql.SQL("0::pg_catalog.int8"),
        columns=_columns(piece),
        aggregates=_aggregates(piece, ends),
    )
    return connections.rows(connection, query)[0]


def count(connection: connections.Connection, piece: Piece) -> dict[str, Any]:
    """Returns rows of a piece and size of its table without reading a column. Raises as ``read``."""
    table = piece.layout.identifier
    name = sql.Literal(table.as_string(connection))
    span = where(piece.first, piece.end)
    query = sql.SQL(statements.load(__package__, "count.sql")).format(table=table, name=name, piece=span)
    return {**connections.rows(connection, query)[0], "keys": 0}


def _columns(piece: Piece) -> sql.Composable:
    named = [
        sql.SQL(", {} AS {}").format(sql.Identifier(column.name), sql.Identifier(f"c{number}"))
        for number, column in enumerate(piece.columns, start=1)
    ]
    return sql.Composed(
        [*named, sql.SQL(", {} AS whole").format(piece.layout.identity())] if _wants_rows(piece) else named
    )


def _wants_rows(piece: Piece) -> bool:
    return piece.counts and not piece.layout.key


def _aggregates(piece: Piece, ends: Sequence[str]) -> sql.Composable:
    asked: list[sql.Composable] = []
    if piece.counts:
        asked.append(sql.SQL(", sum(read.whole) AS keys" if _wants_rows(piece) else ", sum(read.seed) AS keys"))
    for number, column in enumerate(piece.columns, start=1):
        reference = sql.Identifier("read", f"c{number}")
        asked.append(sql.SQL(f", count({{}}) AS n{number}").format(reference))
        if column.name not in piece.layout.key:
            hashed = column.hash(reference, sql.SQL("read.seed"))
            asked.append(sql.SQL(f", sum({{}}) AS h{number}").format(hashed))
        if column.name in ends:
            asked.append(sql.SQL(f", min({{0}}) AS lo{number}, max({{0}}) AS hi{number}").format(reference))
    return sql.Composed(asked)
