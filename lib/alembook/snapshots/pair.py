"""Two databases side by side: which tables hold the same rows, and which rows differ."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.snapshots import buckets, crew, details, differences, measurement, scan
from alembook.snapshots.layout import Layout, heap_pages
from alembook.verdict import Outcome

#: Columns of a table of compared tables.
DTYPES = {
    "schema": "str",
    "table": "str",
    "left": "Int64",
    "right": "Int64",
    "verdict": "str",
    "columns": "str",
    "reason": "str",
}
_ORDER = ["different", "unverified", "equal"]
#: The rows of a table that differ, and whether these are all.
_Found = tuple[pd.DataFrame, bool]
_NOTHING = details.MayShow()

Columns = Mapping[str, Collection[str]]
#: Called with what is read ("left", "right", or the table whose rows are looked for), pages done, pages in all.
OnPages = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What two databases come to.

    Attributes:
        tables: one row per table of either: schema, table (str), left, right (Int64, rows; missing where the table is),
            verdict ("different", "unverified", "equal"), columns (str: those of the rows that changed, comma between),
            reason (str). Different ones first, then by schema and table.
        rows: as ``details.tell`` returns them, table by table.
        is_whole: whether ``rows`` has every row that differs.
    """

    tables: pd.DataFrame
    rows: pd.DataFrame
    is_whole: bool

    @property
    def outcome(self) -> Outcome:
        """Returns FAILED when anything differs, else UNVERIFIED when anything (or no table) was not compared."""
        verdicts = set(self.tables["verdict"])
        if "different" in verdicts:
            return Outcome.FAILED
        return Outcome.UNVERIFIED if "unverified" in verdicts or not verdicts else Outcome.PASSED


@dataclass(slots=True, kw_only=True)
class _Side:
    """One database, and what is found in it.

    Attributes:
        name: "left" or "right".
        layouts: "schema.table" -> as the database has it.
        left_out: "schema.table" -> why it is not read.
        read: "schema.table" -> as it is read: reduced to what both sides have, with its true size.
        sums: "schema.table" -> what its groups come to.
        unread: "schema.table" -> why it has no sums.
    """

    name: str
    connection: connections.Connection
    connect: crew.Connect
    layouts: Mapping[str, Layout]
    left_out: dict[str, str]
    read: dict[str, Layout] = field(default_factory=dict)
    sums: dict[str, buckets.Sums] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def rows(self, table: str) -> int | None:
        """Returns how many rows a table has; None where it is not, or was not read to its end."""
        return buckets.rows(self.sums[table]) if table in self.sums and table not in self.unread else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How both sides are read."""

    workers: int
    timeout_s: float
    on_pages: OnPages
    stopped: threading.Event = field(default_factory=threading.Event)


def compare(
    left: crew.Connect,
    right: crew.Connect,
    *,
    include: Collection[str] = ("*",),
    columns: Columns | None = None,
    limit: int = 100,
    may_show: details.MayShow = _NOTHING,
    workers: int = 1,
    timeout_s: float = 0,
    on_pages: OnPages = lambda _what, _done, _total: None,
) -> Compared:
    """Compares every table of two databases, and finds the rows that differ.

    Each side is read in one snapshot of its own; two databases that are written to differ by what happened between.

    Args:
        left: opens a read-only connection to what should be there.
        right: the same for what is there.
        include: patterns of tables as in ``measurement.measure``.
        columns: "schema.table" -> compared besides the key, of the columns both have with one meaning; else all.
        limit: so many rows are found in each table.
        may_show: whether keys and values of these rows are returned.
        workers: how many connections read each side at once.
        timeout_s: limit for one pass over 256 MB of a table, seconds; 0 is none. Beyond it a table is unverified.
        on_pages: told how far it is, from several threads.

    Raises:
        errors.UsageError: the databases have different encodings, in which one text has two hashes.
        errors.QueryFailed: a server refused a query, or a connection was lost.
    """
    how = _How(workers=workers, timeout_s=timeout_s, on_pages=on_pages)
    with ExitStack() as stack:
        opened = [stack.enter_context(connections.closing(connect())) for connect in (left, right)]
        for connection in opened:
            stack.enter_context(measurement.snapshot(connection))
        _require_one_encoding(opened)
        left_side, right_side = (
            _Side(name=name, connection=connection, connect=connect, layouts=layouts, left_out=left_out)
            for name, connection, connect in zip(("left", "right"), opened, (left, right), strict=True)
            for layouts, left_out in [measurement.outline(connection, include=include)]
        )
        groups = _prepare(left_side, right_side, columns or {})
        crew.together([partial(_read, side, groups, how) for side in (left_side, right_side)], how.stopped)
        found = _find(left_side, right_side, groups, how, limit=limit, may_show=may_show)
        rows = [frame for frame, _ in found.values() if len(frame)] or [details.frame([], may_show)]
        return Compared(
            tables=_tables(left_side, right_side, found, columns or {}),
            rows=pd.concat(rows, ignore_index=True),
            is_whole=all(is_whole for _, is_whole in found.values()),
        )


def _require_one_encoding(opened: Collection[connections.Connection]) -> None:
    encodings = [connections.scalar(connection, "SHOW server_encoding") for connection in opened]
    if len(set(encodings)) > 1:
        raise errors.UsageError(
            f"The databases have the encodings {encodings[0]} and {encodings[1]}.",
            why="one text is other bytes in each, so the hashes would differ for equal texts.",
            next="Restore one of them into a database of the other's encoding, and compare with that.",
        )


def _prepare(left: _Side, right: _Side, columns: Columns) -> dict[str, buckets.Groups]:
    """Sets how each table is read, and returns by which groups; a table of one side is only counted."""
    pages = {side.name: heap_pages(side.connection, side.layouts.values()) for side in (left, right)}
    for side in (left, right):
        side.left_out |= dict.fromkeys(side.layouts.keys() - pages[side.name].keys(), "it was dropped meanwhile")
    for name in left.layouts.keys() | right.layouts.keys():
        if name in left.left_out or name in right.left_out:
            continue
        reduced = _shared(left.layouts.get(name), right.layouts.get(name), columns.get(name))
        for side, layout in zip((left, right), reduced, strict=True):
            if layout:
                side.read[name] = replace(layout, pages=pages[side.name][name])
    names = left.read.keys() | right.read.keys()
    sizes = {name: max(side.read[name].pages for side in (left, right) if name in side.read) for name in names}
    return {name: buckets.Groups.for_pages(size) for name, size in sizes.items()}


def _shared(
    left: Layout | None, right: Layout | None, wanted: Collection[str] | None
) -> tuple[Layout | None, Layout | None]:
    """Returns both reduced to the columns they have with one meaning and that are asked for, and to a key both have."""
    if left is None or right is None:
        return left and left.like({}, ()), right and right.like({}, ())
    theirs = {column.name: column.meaning for column in right.columns}
    both = {each.name: each.meaning for each in left.columns if theirs.get(each.name) == each.meaning}
    key = next((key for key in (left.key, right.key) if key and both.keys() >= set(key)), ())
    if wanted is not None:
        both = {name: meaning for name, meaning in both.items() if name in key or name in wanted}
    return left.like(both, key), right.like(both, key)


def _read(side: _Side, groups: Mapping[str, buckets.Groups], how: _How) -> None:
    """Reads every table of a side once, the largest first."""
    layouts = sorted(side.read.values(), key=lambda layout: -layout.pages)
    spans = [span for layout in layouts for span in buckets.spans(layout)]
    counter = _Counter(side.name, sum(span.pages for span in spans), how.on_pages)
    side.sums = {layout.name: {} for layout in layouts}

    def read(connection: connections.Connection, asked: list[buckets.Span]) -> None:
        wanted = [groups[span.layout.name] for span in asked]
        found, is_read = crew.within(
            connection,
            lambda: buckets.read(connection, asked, wanted),
            lambda: [buckets.Sums() for _ in asked],
            timeout_s=how.timeout_s,
        )
        if not is_read and len(asked) > 1:
            for span in asked:
                read(connection, [span])
            return
        with counter.lock:
            for span, sums in zip(asked, found, strict=True):
                buckets.add(side.sums[span.layout.name], sums)
                if not is_read:
                    side.unread[span.layout.name] = f"a pass over it took longer than {how.timeout_s:g} s"
        counter.add(sum(span.pages for span in asked))

    crew.share(
        side.connection,
        list(scan.together(spans)),
        read,
        timeout_s=how.timeout_s,
        connect=side.connect,
        workers=how.workers,
        pages=sum(layout.pages for layout in layouts),
        stopped=how.stopped,
    )


@dataclass(slots=True)
class _Counter:
    """Pages read so far of what is read."""

    what: str
    total: int
    on_pages: OnPages
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, pages: int) -> None:
        """Tells of more."""
        with self.lock:
            self.done += pages
            self.on_pages(self.what, min(self.done, self.total), self.total)


def _find(
    left: _Side,
    right: _Side,
    groups: Mapping[str, buckets.Groups],
    how: _How,
    *,
    limit: int,
    may_show: details.MayShow,
) -> dict[str, _Found]:
    """Returns "schema.table" -> its rows that differ, and whether these are all."""
    found = {}
    for name in sorted(left.sums.keys() & right.sums.keys()):
        is_read = name not in left.unread and name not in right.unread
        if is_read and left.sums[name] != right.sums[name]:
            pages = sum(side.read[name].pages for side in (left, right))
            counter = _Counter(name, pages, how.on_pages)
            here, there = (
                differences.Side(
                    name=side.name,
                    connection=side.connection,
                    layout=side.read[name],
                    sums=side.sums[name],
                    connect=side.connect,
                    workers=how.workers,
                    on_pages=counter.add,
                )
                for side in (left, right)
            )
            found[name] = differences.find(
                here, there, groups[name], limit=limit, may_show=may_show, stopped=how.stopped
            )
    return found


def _tables(left: _Side, right: _Side, found: Mapping[str, _Found], columns: Columns) -> pd.DataFrame:
    names = {*left.layouts, *right.layouts, *left.left_out, *right.left_out}
    lines = [_line(name, left, right, found.get(name), columns.get(name)) for name in names]
    lines.sort(key=lambda line: (_ORDER.index(line["verdict"]), line["schema"], line["table"]))
    return pd.DataFrame(lines, columns=list(DTYPES)).astype(DTYPES)


def _line(name: str, left: _Side, right: _Side, found: _Found | None, wanted: Collection[str] | None) -> dict[str, Any]:
    schema, _, table = name.partition(".")
    line = {"schema": schema, "table": table, "left": left.rows(name), "right": right.rows(name), "columns": ""}
    unseen = [reason for side in (left, right) for why in (side.left_out, side.unread) if (reason := why.get(name))]
    if unseen:
        return {**line, "verdict": "unverified", "reason": unseen[0]}
    here, there = left.layouts.get(name), right.layouts.get(name)
    if here is None or there is None:
        return {**line, "verdict": "different", "reason": f"only on the {'right' if here is None else 'left'}"}
    apart = _apart(here, there, left.read[name], wanted)
    if found is None:
        is_judged = left.read[name].columns or not apart
        return {**line, "verdict": "equal" if is_judged else "unverified", "reason": apart}
    rows, is_whole = found
    columns = [each.name for each in here.columns if each.name in set(rows["column"])]
    kinds = rows.drop_duplicates("row")["kind"].value_counts()
    counts = ", ".join(f"{kinds[kind]:,} {kind}" for kind in ("missing", "extra", "changed") if kind in kinds)
    reason = counts if is_whole else f"at least {counts}"
    reason = "; ".join(part for part in (reason, apart) if part)
    return {**line, "verdict": "different", "columns": ", ".join(columns), "reason": reason}


def _apart(left: Layout, right: Layout, shared: Layout, wanted: Collection[str] | None) -> str:
    """Returns which columns are not compared, in words; "" when all are."""
    known = {column.name for column in shared.columns}
    apart = dict.fromkeys(each.name for each in (*left.columns, *right.columns) if each.name not in known)
    why = {True: "on one side, or of two meanings", False: "not asked for"}
    named = ", ".join(f"{column} ({why[wanted is None or column in wanted]})" for column in apart)
    return f"not compared: {named}" if named else ""
