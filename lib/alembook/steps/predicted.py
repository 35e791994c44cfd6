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
    """

    record: str
    revisions: Mapping[str, Revision]
    backfills: Mapping[str, Mapping[str, Any]]
    tables_before: Collection[str]
    rows_before: Mapping[str, int]
    measured_on: str
    verified: Mapping[str, Any]


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
    changes = {name: _without(tape.changes.get(name), book.plan().version_table) for _, name in known}
    stronger = {name: _stronger(found, each, tape.locks.get(name, {})) for each, name in known}
    moved = {name: _moved(each.changes, changes[name], slack) for each, name in known}
    rows = [
        {
            "revision": name,
            "lock rehearsed": each.strongest,
            "lock": _strongest(found, tape.locks.get(name, {})) or "none at its commit",
            "rows rehearsed": each.rows_changed(),
            "rows": _total(changes[name]),
            "seconds rehearsed": each.seconds,
            "seconds": seconds.get(name),
            "verdict": Outcome.FAILED.value if stronger[name] or moved[name] else Outcome.PASSED.value,
        }
        for each, name in known
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"rows rehearsed": "Int64", "rows": "Int64"})
    slow = [_slow(name, each.seconds, seconds.get(name, 0.0)) for each, name in known]
    unsent = [f"{name}: {text}" for _, name in known for text in tape.unsent.get(name, ())]
    return [
        _check(
            "no lock is stronger than rehearsed", Grade.MUST, _flat(stronger), "See who waited; look at the revision."
        ),
        _check("as many rows change as rehearsed", Grade.MUST, _flat(moved), "See what changed the data since."),
        _check("every rehearsed statement was sent", Grade.SHOULD, unsent, "See whether their rows are gone by now."),
        _check(
            f"nothing takes much longer than rehearsed on {found.measured_on}",
            Grade.MAY,
            [text for text in slow if text],
            "Times differ from server to server; a lock held for longer keeps others waiting for longer.",
        ),
    ], frame


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
    rows, wrong = [], []
    for each in done.to_dict("records"):
        name, expected = str(each["backfill"]), found.backfills.get(str(each["backfill"]))
        if expected is None:
            continue
        is_near = bool(each["resumed"]) or _is_near(int(expected["rows"]), int(each["rows"]), slack)
        wrong += [] if is_near else [f"{name}: {each['rows']:,} rows, rehearsed {expected['rows']:,}"]
        values = (name, expected["rows"], each["rows"], expected["seconds"], each["seconds"])
        rows.append(dict(zip(BACKFILLS, (*values, (Outcome.PASSED if is_near else Outcome.FAILED).value), strict=True)))
    check = _check("backfills move as many rows as rehearsed", Grade.MUST, wrong, "See what changed the data since.")
    return ([check] if rows else []), pd.DataFrame(rows, columns=BACKFILLS)


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


def _moved(
    expected: Mapping[str, Mapping[str, int]] | None, found: Mapping[str, Mapping[str, int]] | None, slack: int
) -> list[str]:
    """Returns the tables of which another number of rows was changed; nothing where one side was not counted."""
    if expected is None or found is None:
        return []
    wrong = []
    for table in sorted({*expected, *found}):
        then, now = (sum(side.get(table, {}).values()) for side in (expected, found))
        if not _is_near(then, now, slack):
            wrong.append(f"{now:,} rows of {table}, rehearsed {then:,}")
    return wrong


def _without(
    changes: Mapping[str, Mapping[str, int]] | None, version_table: str
) -> dict[str, Mapping[str, int]] | None:
    if changes is None:
        return None
    return {name: counts for name, counts in changes.items() if name.rpartition(".")[2] != version_table}


def _total(changes: Mapping[str, Mapping[str, int]] | None) -> int | None:
    return None if changes is None else sum(sum(counts.values()) for counts in changes.values())


def _slow(name: str, then: float, now: float) -> str:
    return f"{name}: {now:,.1f} s, rehearsed {then:,.1f} s" if now > then * _SLOWER and now > then + _BY_S else ""
