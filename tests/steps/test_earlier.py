"""What earlier runs saw: counted rows are held against the last good backup in which no table had lost its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from alembook import archive
from alembook.snapshots import measurement
from alembook.steps import earlier
from alembook.verdict import Check, Outcome
from tests.steps.backups import planned
from tests.steps.conftest import Desk
from tests.steps.test_dumps import begun

EMPTY, EMPTIED, SHRUNK = (
    "the database is not empty where it was not",
    "no table is empty that was not",
    "no table lost nine tenths of its rows",
)
FULL = {"public.orders": 1_000, "public.people": 50, "public.alembic_version": 1, "alembook.applied": 3}


@pytest.fixture
def shelf(desk: Desk) -> Desk:
    """Returns a desk with one run, which has a plan."""
    for run in archive.runs(desk.folder / "runs", "demo"):
        run.path.rename(run.path.with_name(f".{run.run_id}"))
    return planned(desk)


def counted(rows: Mapping[str, int]) -> pd.DataFrame:
    """Returns rows of tables, by "schema.table", as a measurement has them."""
    split = [(name.partition("."), count) for name, count in rows.items()]
    return measurement.frame([(schema, table, count, 0) for (schema, _, table), count in split])


def saw(run: archive.RunFolder, rows: Mapping[str, int], *, day: int, checks: Any = (), stem: str = "backup") -> None:
    """Writes into a run's record what it counted, and the receipt of it."""
    table = run.write_table("after" if stem == "verification" else "backup", counted(rows))
    at = f"2026-11-{day:02d}T01:00:00+00:00"
    receipt = {"outcome": "PASSED", "checks": list(checks), "taken_at": at, "ended_at": at, "kept_in": [table.name]}
    run.write_receipt(stem, receipt)


def judged(desk: Desk, rows: Mapping[str, int]) -> dict[str, Check]:
    """Returns the judgement of counted rows by the desk's last run."""
    with desk.book("backup") as book:
        return {check.name: check for check in earlier.judge(book, counted(rows))}


@pytest.mark.parametrize(
    ("rows", "closed", "found"),
    [
        ({}, set(), "none"),
        ({"public.orders": 0, "public.people": 0}, {EMPTY, EMPTIED}, "none"),
        ({"public.orders": 0}, {EMPTIED}, "none"),
        ({"public.orders": 100}, {SHRUNK}, "public.orders: 100 instead of 1,000"),
        ({"public.orders": 101, "public.people": 1}, set(), "none"),
        ({"public.alembic_version": 0, "alembook.applied": 0}, set(), "none"),
    ],
    ids=["the same", "all empty", "one empty", "a tenth left", "more left, and few rows", "Alembic's and ours"],
)
def test_what_is_gone_is_named(rows: dict[str, int], closed: set[str], found: str, shelf: Desk) -> None:
    """Every table empty closes the gate; one that is empty, or lost nine tenths of many rows, is noticed."""
    saw(begun(shelf, 1), FULL, day=1)
    checks = judged(shelf, {**FULL, **rows})
    assert {name for name, check in checks.items() if check.outcome is Outcome.FAILED} == closed
    assert checks[SHRUNK].found == found


def test_a_bad_backup_is_no_measure(shelf: Desk) -> None:
    """The day after, the loss is said again; a waiver, or the rows coming back, ends that."""
    good, bad = begun(shelf, 1), begun(shelf, 2)
    saw(good, FULL, day=1)
    lost = {"name": EMPTIED, "outcome": "FAILED", "waived": ""}
    saw(bad, {**FULL, "public.orders": 0}, day=2, checks=[lost])
    check = judged(shelf, {**FULL, "public.orders": 0})[EMPTIED]
    assert (check.outcome, check.found, check.expected, check.next) == (
        Outcome.FAILED,
        "public.orders",
        f"none: compared with run {good.run_id}",
        "Find out who emptied it: the backup holds no row of it any more. "
        "It is said until the rows are back or the check is waived.",
    )
    waived = begun(shelf, 3)
    saw(waived, {**FULL, "public.orders": 0}, day=3, checks=[lost | {"waived": "archived (ann)"}])
    assert judged(shelf, {**FULL, "public.orders": 0})[EMPTIED].outcome is Outcome.PASSED


def test_what_a_run_left_counts_once_it_was_verified(shelf: Desk) -> None:
    """A table the run itself emptied is no loss, unless the run was taken back; those not verified are the backup's."""
    run = begun(shelf, 1)
    saw(run, FULL, day=1)
    saw(run, {"public.orders": 0}, day=2, stem="verification")
    assert judged(shelf, {**FULL, "public.orders": 0})[EMPTIED].outcome is Outcome.PASSED
    assert judged(shelf, {**FULL, "public.people": 0})[EMPTIED].found == "public.people"
    run.state(archive.ROLLED_BACK, rolled_back_by="x", way="restore", kept="")
    assert judged(shelf, {**FULL, "public.orders": 0})[EMPTIED].found == "public.orders"


def test_an_earlier_backup_of_the_same_run_counts(shelf: Desk) -> None:
    """The later of the two is the measure: another run's, or this one's."""
    saw(begun(shelf, 1), {**FULL, "public.people": 0}, day=1)
    saw(shelf.run(), FULL, day=2)
    assert judged(shelf, {**FULL, "public.people": 0})[EMPTIED].found == "public.people"
    saw(begun(shelf, 3), {**FULL, "public.people": 0}, day=3)
    assert judged(shelf, {**FULL, "public.people": 0})[EMPTIED].found == "none"


def test_a_record_without_its_tables_is_passed_over(shelf: Desk) -> None:
    """An older run whose table is there still is asked instead; the first run of all has nothing to be held against."""
    assert judged(shelf, FULL) == {}
    old, cut = begun(shelf, 1), begun(shelf, 2)
    saw(old, FULL, day=1)
    saw(cut, FULL, day=2)
    (cut.path / "tables/backup.csv").unlink()
    assert judged(shelf, FULL)[EMPTY].expected == f"rows: run {old.run_id} saw 1,050"
