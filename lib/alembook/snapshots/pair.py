"""Two databases side by side: which tables hold the same rows, and which rows differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import crew, differences, evidence, measurement
from alembook.snapshots.layout import Layout
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What two databases come to.

    Attributes:
        tables: one row per table of either: schema, table (str), left, right (Int64, rows; missing where the table is),
            verdict ("different", "unverified", "equal"), columns (those that differ, comma between), reason (str).
            Different ones first, then by schema and table.
        rows: as ``differences.find`` returns them, table by table.
        is_whole: whether ``rows`` has every row that differs.
    """

    tables: pd.DataFrame
    rows: pd.DataFrame
    is_whole: bool

    @property
    def outcome(self) -> Outcome:
        """Returns FAILED when anything differs, else UNVERIFIED when anything could not be compared, else PASSED."""
        verdicts = set(self.tables["verdict"])
        if "different" in verdicts:
            return Outcome.FAILED
        return Outcome.UNVERIFIED if "unverified" in verdicts else Outcome.PASSED


@dataclass(frozen=True, slots=True)
class _Side:
    connection: connections.Connection
    layouts: Mapping[str, Layout]
    measured: measurement.Measurement


def compare(
    left: crew.Connect,
    right: crew.Connect,
    *,
    include: Collection[str] = ("*",),
    limit: int = 100,
    with_keys: bool = False,
    timeout_s: float = 0,
    on_table: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> Compared:
    """Compares every table of two databases, and finds the rows that differ.

    Each side is read in one snapshot of its own; two databases that are written to differ by what happened between.
    Columns are compared where both sides have them with one meaning; the others are named in ``reason``.

    Args:
        left: opens a read-only connection to what should be there.
        right: the same for what is there.
        include: patterns of tables as in ``measurement.measure``.
        limit: so many rows are found in each table.
        with_keys: return the keys of these rows.
        timeout_s: limit for one pass over 64 MB of a table, seconds; 0 is none.
        on_table: called with ("left", "right" or the table's name; done; in all).

    Raises:
        errors.UsageError: the databases have different encodings, in which one text has two hashes.
        errors.QueryFailed: a server refused a query, or a connection was lost.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(connections.closing(connect())) for connect in (left, right)]
        for connection in opened:
            stack.enter_context(measurement.snapshot(connection))
        _require_one_encoding(opened)
        outlines = [measurement.outline(connection, include=include) for connection in opened]
        common = _common(*outlines)

        def measured(side: int) -> _Side:
            found = measurement.measure(
                opened[side],
                include=include,
                earlier=common,
                timeout_s=timeout_s,
                on_table=lambda done, total: on_table(("left", "right")[side], done, total),
            )
            return _Side(opened[side], outlines[side], found)

        with ThreadPoolExecutor(max_workers=2) as pool:
            sides = list(pool.map(measured, (0, 1)))
        tables, found = _tables(sides[0], sides[1], common)
        return _with_rows(tables, found, sides, common, limit=limit, with_keys=with_keys, on_table=on_table)


def _require_one_encoding(opened: Collection[connections.Connection]) -> None:
    encodings = [connections.scalar(connection, "SHOW server_encoding") for connection in opened]
    if len(set(encodings)) > 1:
        raise errors.UsageError(
            f"The databases have the encodings {encodings[0]} and {encodings[1]}.",
            why="one text is other bytes in each, so the hashes would differ for equal texts.",
            next="Restore one of them into a database of the other's encoding, and compare with that.",
        )


def _common(left: Mapping[str, Layout], right: Mapping[str, Layout]) -> pd.DataFrame:
    """Returns, in the form of ``Measurement.columns``, what both sides have with one meaning, and a key both have."""
    rows = []
    for name, layout in left.items():
        if name not in right:
            continue
        theirs = {column.name: column.meaning for column in right[name].columns}
        shared = [column for column in layout.columns if theirs.get(column.name) == column.meaning]
        names = {column.name for column in shared}
        key = next((k for k in (layout.key, right[name].key) if k and names.issuperset(k)), ())
        rows.append((layout.schema, layout.table, "", "", "", 0, 0, ""))
        for column in shared:
            position = key.index(column.name) + 1 if column.name in key else 0
            place = (layout.schema, layout.table, column.name)
            rows.append((*place, column.type, column.meaning, position, 0, ""))
    dtypes = measurement.COLUMN_DTYPES
    return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)


def _tables(left: _Side, right: _Side, common: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, evidence.Evidence]]:
    known = evidence.Known(
        changes={},
        unread={**left.measured.unread, **right.measured.unread},
        apart=_apart(left.layouts, right.layouts, common),
    )
    found = evidence.judge(left.measured.columns, right.measured.columns, known)
    counts = [_counts(side.measured.tables) for side in (left, right)]
    unseen = {**left.measured.left_out, **right.measured.left_out}
    names = {*counts[0], *counts[1], *unseen}
    lines = [_line(name, counts[0].get(name), counts[1].get(name), found.get(name), unseen.get(name)) for name in names]
    lines.sort(key=lambda line: (_ORDER.index(line["verdict"]), line["schema"], line["table"]))
    return pd.DataFrame(lines, columns=list(DTYPES)).astype(DTYPES), found


def _counts(tables: pd.DataFrame) -> dict[str, int]:
    return {f"{row['schema']}.{row['table']}": int(row["rows"]) for row in tables.to_dict("records")}


def _apart(left: Mapping[str, Layout], right: Mapping[str, Layout], common: pd.DataFrame) -> dict[str, str]:
    shared: dict[str, set[str]] = {}
    for row in common.to_dict("records"):
        shared.setdefault(f"{row['schema']}.{row['table']}", set()).add(row["column"])
    found = {}
    for name in left.keys() & right.keys():
        columns = [*left[name].columns, *right[name].columns]
        apart = dict.fromkeys(column.name for column in columns if column.name not in shared.get(name, set()))
        if apart:
            found[name] = ", ".join(f"{column} (on one side, or of two meanings)" for column in apart)
    return found


def _line(
    name: str, left: int | None, right: int | None, found: evidence.Evidence | None, unseen: str | None
) -> dict[str, Any]:
    schema, _, table = name.partition(".")
    line = {"schema": schema, "table": table, "left": left, "right": right, "columns": ""}
    if unseen:
        return {**line, "verdict": "unverified", "reason": unseen}
    if left is None or right is None:
        return {**line, "verdict": "different", "reason": f"only on the {'right' if left is None else 'left'}"}
    if left != right:
        return {**line, "verdict": "different", "reason": found.reason if found else "other rows"}
    if found is None:
        return {**line, "verdict": "unverified", "reason": "it was not summed up on both sides"}
    words = {Outcome.PASSED: "equal", Outcome.FAILED: "different", Outcome.UNVERIFIED: "unverified"}
    return {**line, "verdict": words[found.outcome], "columns": ", ".join(found.columns), "reason": found.reason}


def _with_rows(
    tables: pd.DataFrame,
    found: Mapping[str, evidence.Evidence],
    sides: list[_Side],
    common: pd.DataFrame,
    *,
    limit: int,
    with_keys: bool,
    on_table: Callable[[str, int, int], None],
) -> Compared:
    frames, is_whole = [], True
    counts = [_counts(side.measured.tables) for side in sides]
    differing = [name for name, each in found.items() if each.outcome is Outcome.FAILED]
    for side in sides:
        _pin(side.connection)
    for done, name in enumerate(differing, start=1):
        pair = [
            differences.Side(
                connection=side.connection,
                layout=measurement.reduced(side.layouts[name], common),
                rows=counts[number][name],
            )
            for number, side in enumerate(sides)
        ]
        columns = found[name].columns or [column.name for column in pair[0].layout.values()]
        rows, is_all = differences.find(pair[0], pair[1], columns, limit=limit, with_keys=with_keys)
        frames.append(rows)
        is_whole = is_whole and is_all
        on_table(name, done, len(differing))
    empty = pd.DataFrame(columns=list(differences.DTYPES)).astype(differences.DTYPES)
    return Compared(tables=tables, rows=pd.concat(frames, ignore_index=True) if frames else empty, is_whole=is_whole)


def _pin(connection: connections.Connection) -> None:
    connections.execute(connection, statements.load(__package__, "pinned_settings.sql"), {"timeout_ms": "0"})
    connections.execute(connection, "SET LOCAL enable_sort = off")
