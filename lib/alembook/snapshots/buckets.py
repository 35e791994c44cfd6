"""A table's rows by groups of keys: what tells whether two tables are equal, and where they are not, in one pass.

A row's seed is the hash of its key, or of the whole row where there is no key. Its group is given by the seed's lowest
bits, and its own hash is over all of its columns, each seeded with seed and column, so that a value in another row or
another column counts. What is compared are sums of 64-bit hashes. A difference goes unseen with a chance of about 2^-64
for each group, or 2^-32 where all that differs are numbers or points in time, whose hashes have no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import scan
from alembook.snapshots.layout import Layout

#: Group -> (rows, sum of hashes).
Sums = dict[int, tuple[int, int]]
#: A statement reads so many pages of 8 kB: 256 MB.
SPAN_PAGES = 32_768
#: More groups than fit into a core's cache cost more than they tell (measured: docs/verification.md).
_MOST_BITS = 11
#: Rows in a page that are worth a group of their own.
_PAGES_IN_BUCKET = 2
#: An odd constant that differs from its multiples in every bit (2^64 divided by the golden ratio).
_SPREAD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups of keys.

    Attributes:
        bits: of the seed that make a group; there are 2 ** bits groups.
        asked: only these; None for all.
    """

    bits: int
    asked: tuple[int, ...] | None = None

    @classmethod
    def for_pages(cls, pages: int) -> Groups:
        """Returns the groups that suit a table of so many pages."""
        return cls(bits=min((pages // _PAGES_IN_BUCKET).bit_length(), _MOST_BITS))

    def among(self, seed: sql.Composable) -> sql.Composable:
        """Returns the condition that a row is in one of the groups asked for: for few groups a bit of each."""
        if self.asked is None:
            return sql.SQL("TRUE")
        if self.bits <= _MOST_BITS:
            bits = bytearray(self.mask // 8 + 1)
            for bucket in self.asked:
                bits[bucket // 8] |= 1 << bucket % 8
            form = sql.SQL("pg_catalog.get_bit(pg_catalog.decode({}, 'hex'), ({}) & {}) = 1")
            return form.format(sql.Literal(bits.hex()), seed, sql.Literal(self.mask))
        asked = sql.Literal(list(self.asked))
        return sql.SQL("(({}) & {})::pg_catalog.int4 = ANY ({})").format(seed, sql.Literal(self.mask), asked)

    @property
    def mask(self) -> int:
        """Returns what is left of a seed."""
        return int(2**self.bits - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Pages of a table that one statement reads.

    Attributes:
        layout: reduced to what both sides have; the same columns and key, in the same order, on both.
        first: first page.
        end: first page of the next span; None where the table ends.
        pages: how many these are, as far as is known.
    """

    layout: Layout
    first: int
    end: int | None
    pages: int

    def source(self, groups: Groups) -> dict[str, sql.Composable]:
        """Returns what every query over a span is formatted with."""
        seed = identity(self.layout)
        return {
            "seed": seed,
            "columns": columns(self.layout),
            "table": self.layout.identifier,
            "span": scan.where(self.first, self.end),
            "among": groups.among(seed),
            "whole": _whole(self.layout),
        }


def spans(layout: Layout) -> Iterator[Span]:
    """Yields the spans of a table; the last has no end, for rows may have come since its size was asked."""
    for first, end in scan.spans(layout.pages, SPAN_PAGES):
        yield Span(layout=layout, first=first, end=end, pages=(layout.pages if end is None else end) - first)


def read(
    connection: connections.Connection, spans: Sequence[Span], groups: Sequence[Groups], finer: Groups | None = None
) -> list[Sums]:
    """Returns rows and sums by group, of each span, in one statement.

    Args:
        connection: inside a snapshot, under ``pinned_settings.sql``.
        spans: what is read.
        groups: which groups of each span's table are asked for.
        finer: by which groups to sum up, where not by the same.

    Raises:
        errors.QueryFailed: the server refused it or ended it.
    """
    text = sql.SQL(statements.load(__package__, "bucket.sql"))
    query = sql.SQL("\nUNION ALL\n").join(
        text.format(number=sql.Literal(number), mask=sql.Literal((finer or each).mask), **span.source(each))
        for number, (span, each) in enumerate(zip(spans, groups, strict=True))
    )
    found: list[Sums] = [{} for _ in spans]
    for number, bucket, counted, total in connections.tuples(connection, query):
        found[number][bucket] = counted, int(total or 0)
    return found


def add(total: Sums, more: Sums) -> None:
    """Adds the sums of another span."""
    for bucket, (rows, hashes) in more.items():
        known = total.get(bucket, (0, 0))
        total[bucket] = known[0] + rows, known[1] + hashes


def differing(left: Sums, right: Sums) -> list[int]:
    """Returns the groups that differ."""
    return sorted(bucket for bucket in left.keys() | right.keys() if left.get(bucket) != right.get(bucket))


def rows(sums: Sums, asked: Collection[int] | None = None) -> int:
    """Returns how many rows there are, in some groups or in all."""
    return sum(sums.get(bucket, (0, 0))[0] for bucket in (sums if asked is None else asked))


def identity(layout: Layout) -> sql.Composable:
    """Returns the expression of a row's seed, over the table's own columns."""
    if layout.key:
        return layout.identity()
    hashes = [
        each.hash(sql.Identifier(each.name), sql.SQL(_constant(n))) for n, each in enumerate(layout.columns, start=1)
    ]
    return _mixed(hashes) if hashes else sql.SQL("0::pg_catalog.int8")


def columns(layout: Layout) -> sql.Composable:
    """Returns the columns outside the key as ``, ... AS c1, ... AS c2``; without a key there are none."""
    named: list[sql.Composable] = []
    for number, column in enumerate(layout.values() if layout.key else (), start=1):
        named += [sql.SQL(", "), sql.Identifier(column.name), sql.SQL(f" AS c{number}")]
    return sql.Composed(named)


def hashes(layout: Layout) -> list[sql.Composable]:
    """Returns the expressions of the hashes of c1, c2, ..., each seeded with its row and its place."""
    named = layout.values() if layout.key else ()
    return [
        sql.SQL(each.form.format(column=f"read.c{n}", seed=f"(read.seed # {_constant(n)})"))
        for n, each in enumerate(named, start=1)
    ]


def _whole(layout: Layout) -> sql.Composable:
    """Returns the expression of a row's hash, over seed and c1, c2, ...

    Without a key the seed is the columns' hashes under exclusive or: hashed once more, lest its sums stay what they
    were when values change places. The seed seeds itself, because hashint8extended folds the value and not the seed.
    """
    if not layout.key:
        return sql.SQL("pg_catalog.hashint8extended(read.seed, read.seed)")
    return _mixed([sql.SQL("read.seed"), *hashes(layout)])


def _mixed(hashes: list[sql.Composable]) -> sql.Composable:
    parts: list[sql.Composable] = []
    for each in hashes:
        parts += [sql.SQL(" # coalesce(" if parts else "coalesce("), each, sql.SQL(", 0)")]
    return sql.Composed(parts)


def _constant(number: int) -> str:
    """Returns a constant that stands for a column's place."""
    return f"{number * _SPREAD % 2**63}::pg_catalog.int8"
