"""What the target did, held against the rehearsal: what cannot be held against it is UNVERIFIED, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from alembook.steps import observed, predicted
from alembook.steps.observed import Revision
from alembook.steps.runbook import Book, receipt_stem
from alembook.steps.tape import Tape
from alembook.verdict import Check, Grade, Outcome
from tests.steps.conftest import Desk

REVISION = "2b0000000042"
MOVED: dict[str, Any] = {"public.people": {"inserted": 0, "updated": 500, "deleted": 0}}
ROWS = "as many rows change as rehearsed"


def rehearsed(book: Book, *, changes: Any, revision: str = REVISION) -> None:
    """Writes a rehearsal of the run's plan into its record."""
    told = {
        "plan_hash": book.plan().hash,
        "record": "rehearsal",
        "revisions": observed.to_json([Revision(id=revision, stage=1, changes=changes)]),
        "backfills": {"pool": {"rows": 5_000, "seconds": 1.0}},
        "tables_before": ["public.people"],
        "rows_before": {},
        "measured_on": "a copy",
        "verified": {},
    }
    book.folder.write_receipt(receipt_stem("rehearse"), told)


def open_checks(found: list[Check]) -> dict[str, tuple[Grade, Outcome, str]]:
    """Returns what is not PASSED: grade, outcome and why."""
    return {
        check.name: (check.grade, check.outcome, check.why) for check in found if check.outcome is not Outcome.PASSED
    }


@pytest.fixture
def book(done: Desk) -> Iterator[Book]:
    """Yields the runbook of an upgrade that is done."""
    with done.book("upgrade", stage=1) as opened:
        yield opened


@pytest.mark.parametrize(
    ("then", "now", "why"),
    [
        (None, MOVED, "its rows were not counted"),
        (MOVED, None, "its rows were not counted"),
        (MOVED, {"public.people": None}, "rows of public.people were not counted"),
        ({**MOVED, "public.heap": None}, MOVED, "rows of public.heap were not counted"),
    ],
)
def test_rows_that_nobody_counted_are_unverified(book: Book, then: Any, now: Any, why: str) -> None:
    """On the copy or on the target: what was counted is judged, and the rest is no PASSED."""
    rehearsed(book, changes=then)
    found, frame = predicted.upgraded(book, Tape(book=book, committed=[REVISION], changes={REVISION: now}))
    name = "every revision is held against its rehearsal"
    assert open_checks(found) == {name: (Grade.SHOULD, Outcome.UNVERIFIED, f"{REVISION}: {why}")}
    assert (ROWS in {check.name for check in found}) == (then is not None and now is not None)
    assert frame["verdict"].tolist() == ["UNVERIFIED"]


def test_a_revision_the_rehearsal_never_reached_is_unverified(book: Book) -> None:
    """It is named, and nothing is said to be as rehearsed."""
    rehearsed(book, changes=MOVED, revision="1a0000000041")
    found, frame = predicted.upgraded(book, Tape(book=book, committed=[REVISION], changes={REVISION: MOVED}))
    assert open_checks(found) == {
        "every revision is held against its rehearsal": (
            Grade.SHOULD,
            Outcome.UNVERIFIED,
            f"{REVISION}: it was not rehearsed",
        )
    }
    assert not {ROWS, "no lock is stronger than rehearsed"} & {check.name for check in found}
    assert frame[["revision", "verdict"]].to_numpy().tolist() == [[REVISION, "UNVERIFIED"]]


def test_backfills_that_cannot_be_compared_are_unverified(book: Book) -> None:
    """One that went on from an earlier attempt, and one that was not rehearsed; others are judged."""
    rehearsed(book, changes=MOVED)
    columns = ["backfill", "rows", "seconds", "resumed"]
    odd = [("pool", 10, 1.0, True), ("other", 7, 1.0, False)]
    found, frame = predicted.filled(book, pd.DataFrame(odd, columns=columns))
    name = "every backfill is held against its rehearsal"
    why = "pool: it went on where an attempt before it ended; other: it was not rehearsed"
    assert open_checks(found) == {name: (Grade.SHOULD, Outcome.UNVERIFIED, why)}
    assert [check.name for check in found] == [name]
    assert frame["verdict"].tolist() == ["UNVERIFIED", "UNVERIFIED"]
    found, frame = predicted.filled(book, pd.DataFrame([("pool", 10, 1.0, False)], columns=columns))
    assert [(check.name, check.outcome) for check in found] == [
        ("backfills move as many rows as rehearsed", Outcome.FAILED)
    ]
    assert frame["verdict"].tolist() == ["FAILED"]
