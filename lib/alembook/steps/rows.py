"""Which rows differ: the database held against a kept copy of it, where there is one.

The best copy is the one in which the run's own revisions were rehearsed, as long as it stands at the plan's end: the
same data, the same revisions. Else the one in which the backup was proven, where the plan began. Without a copy,
checksums say that a table differs and in which columns, and nobody says in which rows.
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import scratch
from alembook.postgres.connection import Database
from alembook.project import state
from alembook.snapshots import details, evidence, measurement, pair
from alembook.snapshots.evidence import EVERY
from alembook.steps import predicted, rehearsing, standing
from alembook.steps.runbook import Book, receipt_stem

#: So many rows are named in each table.
LIMIT = 50
_BY_HAND = "`alembook compare` names the rows once the backup is restored"
_NO_COPY = f"no copy of before the change is kept: {_BY_HAND}"
_BY_NATURE = (
    "in which the same revisions were rehearsed: what a clock, chance or a sequence makes differs by nature, and so "
    "does what was written since the backup"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows that differ.

    Attributes:
        frame: as ``details.tell`` returns it, table by table; what is declared to change is left out.
        note: what they were compared with, or why there are none.
    """

    frame: pd.DataFrame
    note: str

    @classmethod
    def none(cls, note: str) -> Rows:
        """Returns that there is nothing to show, and why."""
        return cls(frame=pd.DataFrame(columns=list(details.DTYPES)).astype(details.DTYPES), note=note)

    def of(self, table: str) -> str:
        """Returns the rows of a table in words: "1 missing, 2 changed: 7, 12"; "" for none."""
        names = self.frame["schema"] + "." + self.frame["table"]
        found = self.frame[names == table].drop_duplicates("row")
        kinds = ", ".join(f"{len(part):,} {kind}" for kind, part in found.groupby("kind", sort=False))
        keys = ", ".join(key for key in found["key"] if key)
        return f"{kinds}: {keys}" if kinds and keys else kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A copy to compare with.

    Attributes:
        database: where it is.
        is_rehearsed: the plan's revisions are applied to it.
        by_nature: "schema.table" -> columns in which two passes of its rehearsal differed; "*": in its rows.
    """

    database: Database
    is_rehearsed: bool = False
    by_nature: Mapping[str, Collection[str]] = field(default_factory=dict)


def find(book: Book, tables: Collection[str], changes: Mapping[str, Collection[str]], judged: pd.DataFrame) -> Rows:
    """Returns the rows of tables that differ from the kept copy, with their keys where the policy shows them.

    Args:
        book: with a plan.
        tables: "schema.table".
        changes: table -> columns that rules let change.
        judged: the columns of tables that were measured before the change; no others are compared.
    """
    if not tables:
        return Rows.none("")
    try:
        copies, elsewhere = _copies(book)
        if not copies:
            return Rows.none("; ".join(elsewhere) or _NO_COPY)
        return _compared(book, copies[0], tables, changes, judged)
    except errors.AlembookError as error:
        return Rows.none(f"the copy could not be compared with: {error.what}")


def give_up(book: Book) -> None:
    """Drops the run's copies, those that were asked to stay left out: nothing is to be compared any more.

    Where that cannot be done the record says so; the end of the command's work tries again.
    """
    if book.is_rehearsal or not any(book.folder.receipt(receipt_stem(step)) for step in ("backup", "rehearse")):
        return
    try:
        for each in _own(book):
            if not each.is_kept:
                scratch.drop(each)
                book.event("scratch_dropped", database=each.name)
    except errors.AlembookError as error:
        book.event("scratch_left", error="\n".join(error.lines()))


def _own(book: Book) -> Iterator[scratch.Scratch]:
    """Yields the run's copies."""
    for place in scratch.existing(book.target):
        for each in scratch.find(place):
            if each.run_id.lower() == book.folder.run_id.lower() and each.database != book.database:
                yield each


def _copies(book: Book) -> tuple[list[_Copy], list[str]]:
    """Returns the copies that can be compared with, the best one first, and why others cannot."""
    plan, used = book.plan(), rehearsing.used(book)
    found: list[_Copy] = []
    elsewhere = []
    for each in _own(book):
        with connections.closing(_connect(book, each.database)) as connection:
            at = state.read(connection, plan.version_table, plan.version_table_schema) or ()
        copy = _Copy(database=each.database)
        if each.name not in used and set(at) == set(plan.start):
            found.append(copy)
        elif set(at) == standing.end(plan) and (rehearsed := _rehearsed(book, copy, used.get(each.name, ""))):
            found.append(rehearsed)
        else:
            elsewhere.append(_refused(each.name, at))
    return sorted(found, key=lambda copy: not copy.is_rehearsed), elsewhere


def _refused(name: str, at: Collection[str]) -> str:
    where = ", ".join(at) or "base"
    not_there = "neither untouched where the plan begins nor rehearsed to its end"
    return f"the copy {name} stands at {where}, {not_there}: {_BY_HAND}"


def _rehearsed(book: Book, copy: _Copy, record: str) -> _Copy | None:
    """Returns a copy with what is known of its rehearsal; None where that did not go through the plan twice."""
    told, tables = predicted.of(book), book.folder.path / record / "tables"
    names = tables / "after_columns.csv", tables / "again_columns.csv"
    if told is None or told.record != record or not all(path.exists() for path in names):
        return None
    first, second = (measurement.read_csv(path, measurement.COLUMN_DTYPES) for path in names)
    found = evidence.judge(first, second, evidence.Known(changes={}, unread={}, apart={}))
    differing = {name: each.columns or (EVERY,) for name, each in found.items() if each.word == "different"}
    return replace(copy, is_rehearsed=True, by_nature=differing)


def _connect(book: Book, database: Database) -> connections.Connection:
    return connections.connect(database, application_name=book.application_name, read_only=True)


def _compared(
    book: Book,
    copy: _Copy,
    tables: Collection[str],
    changes: Mapping[str, Collection[str]],
    judged: pd.DataFrame,
) -> Rows:
    asked = [table for table in tables if EVERY not in copy.by_nature.get(table, ())]
    found = pair.compare(
        lambda: _connect(book, copy.database),
        book.connect,
        include=[glob.escape(table) for table in asked],
        columns={table: _columns(table, copy, changes.get(table, ()), judged) for table in asked},
        limit=LIMIT,
        may_show=details.MayShow(keys=book.target.verify.show_keys),
        workers=book.target.verify.workers,
        timeout_s=book.target.limits.check_timeout_s,
    )
    parts = [f"compared with the copy {copy.database.dbname}" + (f", {_BY_NATURE}" if copy.is_rehearsed else "")]
    if left_out := ", ".join(_left_out(tables, copy)):
        parts.append(f"left out, for two passes of the rehearsal differed there: {left_out}")
    if not book.target.verify.show_keys:
        parts.append("keys are left out (verify.show_keys)")
    if not found.is_whole:
        parts.append(f"there are more than the {LIMIT} rows of a table that are named")
    return Rows(frame=found.rows, note="; ".join(parts))


def _columns(table: str, copy: _Copy, changes: Collection[str], judged: pd.DataFrame) -> set[str]:
    """Returns the columns to compare: those verification judges, and in which the rehearsal agrees with itself."""
    names = judged["schema"] + "." + judged["table"]
    known = set(judged.loc[names == table, "column"])
    return set() if EVERY in changes else known - set(changes) - set(copy.by_nature.get(table, ()))


def _left_out(tables: Collection[str], copy: _Copy) -> Iterator[str]:
    for table in sorted(tables):
        for column in copy.by_nature.get(table, ()):
            yield f"the rows of {table}" if column == EVERY else f"{table}.{column}"
