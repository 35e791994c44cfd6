"""One pass over one piece of a table: what is asked for, and how the answers of the pieces add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar

from psycopg2 import sql
from psycopg2.extensions import quote_ident

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots.expressions import Column
from alembook.snapshots.layout import Layout

#: A piece's least and largest size: 64 and 256 MB of heap. Small ones share work evenly; each costs some milliseconds.
PIECE_PAGES = 8192
_LARGEST_PAGES = 32_768
#: So many pieces for each connection.
_EACH = 4
#: Tables up to so many pages are asked for together, so many at a time: the server's answer takes longer than the pass.
SMALL_PAGES = 32
_SMALL_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A range of pages of a table.

    Attributes:
        first: first page.
        end: first page of the next piece; None where the table ends.
        columns: columns read.
        ends: those whose lowest and highest value are asked for.
    """

    layout: Layout
    first: int
    end: int | None
    columns: tuple[Column, ...]
    ends: tuple[str, ...] = ()

    @property
    def hashed(self) -> list[tuple[int, Column]]:
        """Returns the columns outside the key, with their numbers from 1."""
        return [(n, each) for n, each in enumerate(self.columns, start=1) if each.name not in self.layout.key]

    @property
    def ended(self) -> list[tuple[int, Column]]:
        """Returns the columns whose ends are asked for, with their numbers from 1."""
        return [(n, each) for n, each in enumerate(self.columns, start=1) if each.name in self.ends]


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
        self.rows += answer["rows"]
        self.size_bytes = max(self.size_bytes, answer["size_bytes"])
        self.keys += int(answer["keys"] or 0)
        for column, present in zip(piece.columns, answer["present"], strict=True):
            self.present[column.name] = self.present.get(column.name, 0) + present
        for (_, column), total in zip(piece.hashed, answer["sums"], strict=True):
            self.sums[column.name] = self.sums.get(column.name, 0) + int(total or 0)
        for (_, column), low, high in zip(piece.ended, answer["lows"], answer["highs"], strict=True):
            then = self.ends.get(column.name, (None, None))
            lows = [int(value) for value in (then[0], low) if value is not None]
            highs = [int(value) for value in (then[1], high) if value is not None]
            self.ends[column.name] = (min(lows, default=None), max(highs, default=None))


def pieces(layout: Layout, ends: Sequence[str] = (), workers: int = 1) -> Iterator[Piece]:
    """Yields the pieces of a table; the last has no end, for the catalogue only estimates where it is.

    Args:
        layout: the table.
        ends: columns whose lowest and highest value are asked for.
        workers: how many connections read them; one reads large pieces, several share a table evenly.
    """
    size = _LARGEST_PAGES if workers == 1 else layout.pages // (_EACH * workers)
    for first, end in spans(layout.pages, max(min(size, _LARGEST_PAGES), PIECE_PAGES)):
        yield Piece(layout=layout, first=first, end=end, columns=layout.columns, ends=tuple(ends))


class _Part(Protocol):
    """A piece of a table, whatever is asked of it."""

    @property
    def layout(self) -> Layout:
        """Returns the table."""


Part = TypeVar("Part", bound=_Part)


def together(pieces: Iterable[Part]) -> Iterator[list[Part]]:
    """Yields what is asked for in one statement: a piece, or several small tables."""
    small: list[Part] = []
    for piece in pieces:
        if piece.layout.pages > SMALL_PAGES:
            yield [piece]
            continue
        small.append(piece)
        if len(small) == _SMALL_AT_ONCE:
            yield small
            small = []
    if small:
        yield small


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


def read(connection: connections.Connection, asked: Sequence[Piece]) -> list[dict[str, Any]]:
    """Returns the answer of one pass over each piece, in one statement.

    Args:
        connection: inside the transaction, under ``pinned_settings.sql``.
        asked: what to read.

    Raises:
        errors.QueryFailed: the server refused it or ended it.
    """
    query = "\nUNION ALL\n".join(_query(connection, number, piece) for number, piece in enumerate(asked))
    return sorted(connections.rows(connection, query), key=lambda row: int(row["number"]))


def _query(connection: connections.Connection, number: int, piece: Piece) -> str:
    """Returns the statement for a piece: as plain text, for it is made anew for each of many small tables."""
    table = piece.layout.identifier.as_string(connection)
    identity = piece.layout.identity().as_string(connection)
    columns = [f", {quote_ident(each.name, connection)} AS c{n}" for n, each in enumerate(piece.columns, start=1)]
    hashes = (column.form.format(column=f"read.c{n}", seed="read.seed") for n, column in piece.hashed)
    is_keyed = bool(piece.layout.key)
    return _statement().format(
        number=number,
        name=sql.Literal(table).as_string(connection),
        table=table,
        piece=where(piece.first, piece.end).as_string(connection),
        seed=identity if is_keyed else "0::pg_catalog.int8",
        columns="".join([*columns, "" if is_keyed else f", {identity} AS whole"]),
        keys="read.seed" if is_keyed else "read.whole",
        present=", ".join(f"count(read.c{n})" for n, _ in enumerate(piece.columns, start=1)),
        sums=", ".join(f"sum({each})" for each in hashes),
        lows=", ".join(f"min(read.c{n})" for n, _ in piece.ended),
        highs=", ".join(f"max(read.c{n})" for n, _ in piece.ended),
    )


@cache
def _statement() -> str:
    """Returns ``pass.sql`` without its header, which would be sent once for each table."""
    lines = statements.load(__package__, "pass.sql").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))


def count(connection: connections.Connection, piece: Piece) -> dict[str, Any]:
    """Returns rows of a piece and size of its table without reading a column. Raises as ``read``."""
    table = piece.layout.identifier
    name = sql.Literal(table.as_string(connection))
    span = where(piece.first, piece.end)
    query = sql.SQL(statements.load(__package__, "count.sql")).format(table=table, name=name, piece=span)
    answer = {"keys": 0, "present": [], "sums": [], "lows": [], "highs": []}
    return {**connections.rows(connection, query)[0], **answer}
