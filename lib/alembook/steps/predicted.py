"""Predicted and actual, side by side: what the rehearsal of this plan saw, and what the target did.

Locks and rows gate; times only warn, and say where they were measured (a restored copy has no bloat and a warm cache).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook.steps import before, observed
from alembook.steps.observed import BLOCKS, Revision
from alembook.steps.runbook import Book, receipt_stem
from alembook.steps.tape import Tape
from alembook.verdict import Check, Grade, Outcome

COLUMNS = ["revision", "lock rehearsed", "lock", "rows rehearsed", "rows", "seconds rehearsed", "seconds", "verdict"]
BACKFILLS = ["backfill", "rows rehearsed", "rows", "seconds rehearsed", "seconds", "verdict"]
_SHOWN = 5
#: What others may change meanwhile, where the application writes: a part of the rows, and some at least.
_TRAFFIC, _AT_LEAST = 0.1, 100
#: A revision that took this many times what it took on the copy, and a second more, is worth a word.
_SLOWER, _BY_S = 3.0, 1.0
#: As ``observed.Revision.changes``.
_Changes = Mapping[str, Mapping[str, int] | None] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What was rehearsed of the run's plan.

    Attributes:
        record: name of the rehearsal's own folder, in the run's.
        revisions: by id.
        backfills: by name, as the receipt of a backfill has them.
        tables_before: "schema.table" of every table of the copy before the first revision, Alembic's own left out.
        rows_before: "schema.table" -> rows of those that are verified.
        measured_on: where its times were measured.
        verified: "tables", "rows", "seconds" of the verification on the copy.
        version_table: Alembic's own, in which every revision writes its row.
    """

    record: str
    revisions: Mapping[str, Revision]
    backfills: Mapping[str, Mapping[str, Any]]
    tables_before: Collection[str]
    rows_before: Mapping[str, int]
    measured_on: str
    verified: Mapping[str, Any]
    version_table: str


def of(book: Book) -> Rehearsed | None:
    """Returns the rehearsal of the run's plan; None on a copy, and where this plan was not rehearsed."""
    receipt = None if book.is_rehearsal else book.folder.receipt(receipt_stem("rehearse"))
    if receipt is None or "revisions" not in receipt or receipt.get("plan_hash") != book.plan().hash:
        return None
    return Rehearsed(
        record=receipt["record"],
        revisions=observed.from_json(receipt["revisions"]),
        backfills=receipt["backfills"],
        tables_before=set(receipt["tables_before"]),
        rows_before=receipt["rows_before"],
        measured_on=receipt["measured_on"],
        verified=receipt["verified"],
        version_table=book.plan().version_table,
    )


def sql(book: Book) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Returns the SQL each revision must keep to, as ``driver.upgrade`` takes it; nothing where none was rehearsed."""
    found = of(book)
    return {name: each.sql for name, each in found.revisions.items()} if found else {}


def upgraded(book: Book, tape: Tape) -> tuple[list[Check], pd.DataFrame]:
    """Returns what is judged of the revisions that were committed now, and one row for each (``COLUMNS``)."""
    if book.is_rehearsal:
        return [], pd.DataFrame(columns=COLUMNS)
    found = of(book)
    if found is None:
        return [_not_rehearsed()], pd.DataFrame(columns=COLUMNS)
    slack = _slack(book, found)
    seconds = {span["label"]: span["seconds"] for span in tape.spans if span["outcome"] == "committed"}
    known = [(found.revisions[name], name) for name in tape.committed if name in found.revisions]
    changes = {name: _without(tape.changes.get(name), found.version_table) for _, name in known}
    stronger = {name: _stronger(found, each, tape.locks.get(name, {})) for each, name in known}
    moved = {name: _moved(each.changes, changes[name], slack) for each, name in known}
    beyond = {name: ["it was not rehearsed"] for name in tape.committed if name not in found.revisions}
    beyond |= {name: _uncounted(each.changes, changes[name]) for each, name in known}
    frame = _beside(found, tape, {name: bool(stronger.get(name) or moved.get(name)) for name in tape.committed}, beyond)
    slow = [_slow(name, each.seconds, seconds.get(name, 0.0)) for each, name in known]
    unsent = [f"{name}: {text}" for _, name in known for text in tape.unsent.get(name, ())]
    gone = _open("every revision is held against its rehearsal", _flat(beyond))
    if tape.committed and not known:
        return gone, frame
    is_counted = not known or any(each.changes is not None and changes[name] is not None for each, name in known)
    rows = _check("as many rows change as rehearsed", Grade.MUST, _flat(moved), "See what changed the data since.")
    return [
        _check(
            "no lock is stronger than rehearsed", Grade.MUST, _flat(stronger), "See who waited; look at the revision."
        ),
        *([rows] if is_counted else []),
        *gone,
        _check("every rehearsed statement was sent", Grade.SHOULD, unsent, "See whether their rows are gone by now."),
        _check(
            f"nothing takes much longer than rehearsed on {found.measured_on}",
            Grade.MAY,
            [text for text in slow if text],
            "Times differ from server to server; a lock held for longer keeps others waiting for longer.",
        ),
    ], frame


def _beside(
    found: Rehearsed, tape: Tape, wrong: Mapping[str, bool], beyond: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Returns one row for each revision that was committed now (``COLUMNS``)."""
    seconds = {span["label"]: span["seconds"] for span in tape.spans if span["outcome"] == "committed"}
    rows = []
    for name in tape.committed:
        then = found.revisions.get(name)
        told = (name, then and then.strongest, _strongest(found, tape.locks.get(name, {})) or "none at its commit")
        counts = (then and then.rows_changed(), observed.total(_without(tape.changes.get(name), found.version_table)))
        times = (then and then.seconds, seconds.get(name))
        verdict = _verdict(is_wrong=wrong[name], is_open=bool(beyond[name])).value
        rows.append((*told, *counts, *times, verdict))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"rows rehearsed": "Int64", "rows": "Int64"})


def filled(book: Book, done: pd.DataFrame) -> tuple[list[Check], pd.DataFrame]:
    """Returns what is judged of the stage's backfills, and one row for each (``BACKFILLS``).

    Args:
        book: of the backfill.
        done: one row per backfill, as its receipt has them.
    """
    found = of(book)
    if found is None:
        return [], pd.DataFrame(columns=BACKFILLS)
    slack = _slack(book, found)
    rows, wrong, beyond = [], [], []
    for each in done.to_dict("records"):
        name, expected = str(each["backfill"]), found.backfills.get(str(each["backfill"]), {})
        why = "it was not rehearsed" if not expected else "it went on where an attempt before it ended"
        is_open = not expected or bool(each["resumed"])
        is_wrong = not is_open and not _is_near(int(expected["rows"]), int(each["rows"]), slack)
        beyond += [f"{name}: {why}"] if is_open else []
        wrong += [f"{name}: {each['rows']:,} rows, rehearsed {expected['rows']:,}"] if is_wrong else []
        values = (name, expected.get("rows"), each["rows"], expected.get("seconds"), each["seconds"])
        verdict = _verdict(is_wrong=is_wrong, is_open=is_open).value
        rows.append(dict(zip(BACKFILLS, (*values, verdict), strict=True)))
    check = _check("backfills move as many rows as rehearsed", Grade.MUST, wrong, "See what changed the data since.")
    judged = [check] if len(beyond) < len(rows) else []
    frame = pd.DataFrame(rows, columns=BACKFILLS).astype({"rows rehearsed": "Int64"})
    return [*judged, *_open("every backfill is held against its rehearsal", beyond)], frame


def verified(book: Book, facts: Mapping[str, Any], seconds: float) -> pd.DataFrame:
    """Returns tables, rows and seconds of a verification beside those of the rehearsal; empty where there was none."""
    found = of(book)
    actual = {"tables": facts["tables"], "rows": facts["rows"], "seconds": round(seconds, 3)}
    names = list(actual) if found else []
    rows = [{"what": name, "rehearsed": found.verified.get(name), "now": actual[name]} for name in names if found]
    return pd.DataFrame(rows, columns=["what", "rehearsed", "now"])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns a frame for a receipt: JSON values, None for what is missing."""
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _not_rehearsed() -> Check:
    return Check(
        name="production does what was rehearsed",
        grade=Grade.SHOULD,
        outcome=Outcome.UNVERIFIED,
        expected="SQL, locks and rows of a rehearsal of this plan",
        found="no rehearsal of it",
        why="30_rehearse could not be done, or was left out",
        next="Rehearse where a copy can be restored: rehearsal.scratch of the target.",
    )


def _check(name: str, grade: Grade, wrong: Sequence[str], what_next: str) -> Check:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return Check(
        name=name,
        grade=grade,
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        expected="as rehearsed",
        found="; ".join(wrong[:_SHOWN]) + more if wrong else "as rehearsed",
        next=what_next if wrong else "",
    )


def _open(name: str, beyond: Sequence[str]) -> list[Check]:
    """Returns what says that something could not be held against the rehearsal; nothing where everything could."""
    if not beyond:
        return []
    more = f" and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
    return [
        Check(
            name=name,
            grade=Grade.SHOULD,
            outcome=Outcome.UNVERIFIED,
            expected="as rehearsed",
            found="not told",
            why="; ".join(beyond[:_SHOWN]) + more,
            next="Look at what it did: nothing says whether that is what was rehearsed.",
        )
    ]


def _verdict(*, is_wrong: bool, is_open: bool) -> Outcome:
    if is_wrong:
        return Outcome.FAILED
    return Outcome.UNVERIFIED if is_open else Outcome.PASSED


def _flat(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{name}: {text}" for name, texts in found.items() for text in texts]


def _slack(book: Book, found: Rehearsed) -> int:
    """Returns how many rows may be told from the rehearsal because the tables themselves have changed since."""
    tables = before.taken(book).tables
    now = {f"{row['schema']}.{row['table']}": int(row["rows"]) for row in tables.to_dict("records")}
    grown = sum(abs(rows - found.rows_before.get(name, rows)) for name, rows in now.items())
    return grown if book.target.writers == "stopped" else max(grown, _AT_LEAST)


def _is_near(expected: int, found: int, slack: int) -> bool:
    traffic = _TRAFFIC * expected if slack >= _AT_LEAST else 0
    return abs(expected - found) <= max(slack, traffic)


def _tables(found: Rehearsed, locks: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields the locked tables that were there before the run: nobody waits for a new one."""
    for table, mode in locks.items():
        if table in found.tables_before:
            yield table, mode


def _strongest(found: Rehearsed, locks: Mapping[str, str]) -> str:
    modes = {mode for _, mode in _tables(found, locks)}
    return next((mode for mode in BLOCKS if mode in modes), "")


def _stronger(found: Rehearsed, each: Revision, locks: Mapping[str, str]) -> list[str]:
    order = list(BLOCKS)
    wrong = []
    for table, mode in _tables(found, locks):
        known = each.locks.get(table, {}).get("mode") or each.beside.get(table, "")
        if not known or order.index(mode) < order.index(known):
            wrong.append(f"{mode} on {table}, rehearsed {known or 'none'}")
    return wrong


def _moved(expected: _Changes, found: _Changes, slack: int) -> list[str]:
    """Returns the tables of which another number of rows was changed; see ``_uncounted`` for the others."""
    wrong = []
    for table in sorted({*(expected or ()), *(found or ())}) if expected is not None and found is not None else ():
        sides = [side.get(table, {}) for side in (expected or {}, found or {})]
        then, now = (sum((side or {}).values()) for side in sides)
        if None not in sides and not _is_near(then, now, slack):
            wrong.append(f"{now:,} rows of {table}, rehearsed {then:,}")
    return wrong


def _uncounted(expected: _Changes, found: _Changes) -> list[str]:
    """Returns what of a revision's rows nobody counted, on the copy or now."""
    if expected is None or found is None:
        return ["its rows were not counted"]
    tables = sorted({name for side in (expected, found) for name, counts in side.items() if counts is None})
    return [f"rows of {', '.join(tables)} were not counted"] if tables else []


def _without(changes: _Changes, version_table: str) -> _Changes:
    if changes is None:
        return None
    return {name: counts for name, counts in changes.items() if name.rpartition(".")[2] != version_table}


def _slow(name: str, then: float, now: float) -> str:
    return f"{name}: {now:,.1f} s, rehearsed {then:,.1f} s" if now > then * _SLOWER and now > then + _BY_S else ""
