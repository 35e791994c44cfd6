"""Which rows of a table differ between two databases: found by hashes, without pulling rows to find them.

The groups of keys that differ are known from the pass that told the tables apart. Their rows are read once more on each
side, 22 bytes for each; only of those that differ, columns are told and values are looked at. Rows are paired by the
hash of their key. A table without a key is a multiset of rows: a row is missing or extra as often as its number
differs, and never changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import buckets, crew, details
from alembook.snapshots.buckets import Groups, Span, Sums
from alembook.snapshots.layout import Layout

Answer = TypeVar("Answer")
#: So many rows of the groups that differ are asked for at once; where there are more, finer groups are looked at first.
_ROWS_AT_ONCE = 500_000
_MOST_BITS_ASKED = 13
#: Kind, place on the left, place on the right; None where the row is not.
_Row = tuple[str, str | None, str | None]
#: How rows are counted: those with a key one by one, those without by what they are.
_ALONE = {
    "counted": sql.SQL(""),
    "rows": sql.SQL("1"),
    "place": sql.SQL("read.place"),
    "grouping": sql.SQL(""),
}
_ALIKE = {
    "counted": sql.SQL(" || int8send(found.rows)"),
    "rows": sql.SQL("count(*)"),
    "place": sql.SQL("min(read.place)"),
    "grouping": sql.SQL("GROUP BY 1, 2"),
}
_PACKED_ALONE = [("seed", ">i8"), ("hash", ">i8"), ("page", ">u4"), ("place", ">u2")]
_PACKED_ALIKE = [("seed", ">i8"), ("hash", ">i8"), ("rows", ">i8"), ("page", ">u4"), ("place", ">u2")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One table in one of the databases.

    Attributes:
        name: "left" or "right".
        connection: inside a snapshot.
        layout: reduced to what both sides have; the same columns and key, in the same order, on both.
        sums: by the groups of ``find``.
        connect: opens another connection to the same database.
        workers: how many connections read at once.
        on_pages: called with so many pages that were read.
    """

    name: str
    connection: connections.Connection
    layout: Layout
    sums: Sums
    connect: crew.Connect
    workers: int = 1
    on_pages: Callable[[int], None] = lambda _pages: None

    def each(self, read: Callable[[connections.Connection, Span], None], stopped: threading.Event) -> None:
        """Reads every span of the table. Raises as ``crew.share``."""
        crew.share(
            self.connection,
            list(buckets.spans(self.layout)),
            read,
            timeout_s=0,
            connect=self.connect,
            workers=self.workers,
            pages=self.layout.pages,
            stopped=stopped,
        )


def find(
    left: Side,
    right: Side,
    groups: Groups,
    *,
    limit: int,
    may_show: details.MayShow,
    stopped: threading.Event,
) -> tuple[pd.DataFrame, bool]:
    """Returns the rows that differ, and whether these are all of them.

    Args:
        left: what should be there.
        right: what is there.
        groups: those both sides were summed up by.
        limit: so many rows at the most.
        may_show: whether keys and values are returned.
        stopped: set, also by the caller, when nothing is to be waited for any more.

    Returns:
        As ``details.tell``.

    Raises:
        errors.QueryFailed: a server refused a query, or a connection was lost.
    """
    pair = _Pair(left, right, stopped)
    pair, groups, is_whole = _narrowed(pair, groups, limit)
    found: list[_Row] = []
    for chunk in _chunks(pair, groups):
        asked = replace(groups, asked=tuple(chunk))
        ours, theirs = pair.each(partial(_rows, groups=asked))
        found += _paired(ours, theirs, limit)
        if len(found) >= limit:
            is_whole = is_whole and chunk[-1] == (groups.asked or ())[-1] and len(found) == limit
            break
    rows = found[:limit]
    places = {left.name: _places(rows, 1), right.name: _places(rows, 2)}
    told = pair.each(partial(_details, places=places, may_show=may_show))
    return details.tell(left.layout, rows, *told, may_show), is_whole


@dataclass(frozen=True, slots=True)
class _Pair:
    """Both sides, read side by side."""

    left: Side
    right: Side
    stopped: threading.Event

    def each(self, read: Callable[[Side, threading.Event], Answer]) -> tuple[Answer, Answer]:
        """Returns what reading each side returns."""
        works = [partial(read, side, self.stopped) for side in (self.left, self.right)]
        here, there = crew.together(works, self.stopped)
        return here, there

    def differing(self) -> list[int]:
        """Returns the groups that differ."""
        return buckets.differing(self.left.sums, self.right.sums)

    def rows(self, asked: Collection[int]) -> int:
        """Returns how many rows groups hold, on the side that has more of them."""
        return max(buckets.rows(side.sums, asked) for side in (self.left, self.right))


def _narrowed(pair: _Pair, groups: Groups, limit: int) -> tuple[_Pair, Groups, bool]:
    """Returns both sides with the groups to read, finer ones where the rows of those that differ are many.

    In each group that differs at least one row does: as many groups as rows are asked for suffice.
    """
    differing = pair.differing()
    asked = tuple(differing[:limit])
    is_whole = asked == tuple(differing)
    groups = replace(groups, asked=asked)
    bits = _MOST_BITS_ASKED - len(asked).bit_length()
    if pair.rows(asked) <= _ROWS_AT_ONCE or bits < 2:
        return pair, groups, is_whole
    finer = Groups(bits=groups.bits + bits)
    sums = pair.each(partial(_sums, groups=groups, finer=finer))
    pair = replace(pair, left=replace(pair.left, sums=sums[0]), right=replace(pair.right, sums=sums[1]))
    differing = pair.differing()
    return pair, replace(finer, asked=tuple(differing[:limit])), is_whole and len(differing) <= limit


def _sums(side: Side, stopped: threading.Event, groups: Groups, finer: Groups) -> Sums:
    total: Sums = {}
    lock = threading.Lock()

    def read(connection: connections.Connection, span: Span) -> None:
        (found,) = buckets.read(connection, [span], [groups], finer)
        with lock:
            buckets.add(total, found)
        side.on_pages(span.pages)

    side.each(read, stopped)
    return total


def _chunks(pair: _Pair, groups: Groups) -> Iterator[list[int]]:
    """Yields the groups, so many at a time as hold about ``_ROWS_AT_ONCE`` rows."""
    chunk: list[int] = []
    rows = 0
    for bucket in groups.asked or ():
        chunk.append(bucket)
        rows += pair.rows([bucket])
        if rows >= _ROWS_AT_ONCE:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _rows(side: Side, stopped: threading.Event, groups: Groups) -> pd.DataFrame:
    """Returns the rows of the groups asked for, alike ones as one: seed, hash, rows, page, place (int64)."""
    packed: list[bytes] = []
    counted, packing = (_ALONE, _PACKED_ALONE) if side.layout.key else (_ALIKE, _PACKED_ALIKE)

    def read(connection: connections.Connection, span: Span) -> None:
        query = sql.SQL(statements.load(__package__, "bucket_rows.sql")).format(**span.source(groups), **counted)
        found = connections.scalar(connection, query)
        packed.append(bytes(found or b""))
        side.on_pages(span.pages)

    side.each(read, stopped)
    read_in = np.frombuffer(b"".join(packed), dtype=np.dtype(packing))
    frame = pd.DataFrame({"rows": 1, **{name: read_in[name].astype("int64") for name, _ in packing}})
    if frame.duplicated(["seed", "hash"]).any():
        frame = frame.groupby(["seed", "hash"], as_index=False).agg({"rows": "sum", "page": "first", "place": "first"})
    return frame


def _paired(left: pd.DataFrame, right: pd.DataFrame, limit: int) -> list[_Row]:
    """Returns kind and places (on the left, on the right) of each row that differs."""
    left, right = _without_equal(left, right)
    both = left.merge(right, on=["seed", "hash"], how="outer", suffixes=("_left", "_right"))
    over = both["rows_left"].fillna(0) - both["rows_right"].fillna(0)
    missing = _over(both[over > 0], over[over > 0], "left", limit)
    extra = _over(both[over < 0], -over[over < 0], "right", limit)
    found = missing.merge(extra, on=["seed", "number"], how="outer")
    return [
        ("changed" if here and there else "missing" if here else "extra", here or None, there or None)
        for here, there in found[["left", "right"]].fillna("").itertuples(index=False)
    ]


def _without_equal(left: pd.DataFrame, right: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns both without the rows that are on both sides and equally often; nearly all are.

    Only where no two rows of a side have one seed; elsewhere both are returned as they are.
    """
    index = pd.Index(right["seed"])
    if not (index.is_unique and left["seed"].is_unique):
        return left, right
    found = index.get_indexer(pd.Index(left["seed"]))
    is_same = found >= 0
    for name in ("hash", "rows"):
        is_same[is_same] = (left[name].to_numpy()[is_same] == right[name].to_numpy()[found[is_same]]).tolist()
    is_only_right = np.ones(len(right), dtype=bool)
    is_only_right[found[is_same]] = False
    return left[~is_same], right[is_only_right]


def _over(rows: pd.DataFrame, times: pd.Series[float], side: str, limit: int) -> pd.DataFrame:
    """Returns the rows one side has and the other has not, each as often as that is so: seed, number, place (str)."""
    page, place = (rows[f"{name}_{side}"].astype("int64").astype("str") for name in ("page", "place"))
    found = pd.DataFrame({"seed": rows["seed"], side: "(" + page + "," + place + ")"})
    found = found.loc[found.index.repeat(times.clip(upper=limit).astype("int64"))]
    return found.assign(number=found.groupby("seed").cumcount())


def _places(rows: Sequence[_Row], side: int) -> list[str]:
    """Returns where the rows are on one side, each place once."""
    return list(dict.fromkeys(place for row in rows if (place := row[side])))


def _details(
    side: Side, stopped: threading.Event, places: Mapping[str, list[str]], may_show: details.MayShow
) -> dict[str, details.Detail]:
    found: dict[str, details.Detail] = {}

    def read(connection: connections.Connection, asked: list[str]) -> None:
        found.update(details.read(connection, side.layout, asked, may_show))

    crew.share(side.connection, [places[side.name]], read, timeout_s=0, stopped=stopped)
    return found
