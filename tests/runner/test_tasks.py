"""Which runbooks a plan asks for, and which part of them an operator asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import archive
from alembook.runner.tasks import Task, chosen, in_time

TASKS = [
    Task(step="backup"),
    Task(step="upgrade", stage=1),
    Task(step="backfill", stage=1),
    Task(step="upgrade", stage=2),
    Task(step="verify"),
]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"last": "backup"}, [0]),
        ({"last": "upgrade"}, [0, 1, 2, 3]),
        ({"last": "backfill"}, [0, 1, 2]),
        ({"first": "upgrade"}, [1, 2, 3, 4]),
        ({"first": "backfill", "last": "backfill"}, [2]),
        ({"first": "verify", "last": "verify"}, [4]),
        ({"through_stage": 1}, [0, 1, 2]),
        ({"through_stage": 2}, [0, 1, 2, 3, 4]),
        ({"last": "upgrade", "through_stage": 1}, [0, 1, 2]),
        ({"first": "inspect", "last": "inspect"}, []),
    ],
)
def test_the_part_that_was_asked_for_has_no_gap(asked: dict[str, str | int], expected: list[int]) -> None:
    """A later stage is never begun without the backfill before it, and nothing is verified before the plan's end."""
    assert chosen(TASKS, **asked) == [TASKS[place] for place in expected]  # type: ignore[arg-type]


def test_a_step_the_plan_does_not_have_is_nothing_to_run() -> None:
    """`--only backfill` of a plan without one runs nothing."""
    assert chosen([TASKS[0], TASKS[4]], first="backfill", last="backfill") == []


@pytest.mark.parametrize(
    ("backups", "is_begun", "last", "is_there"),
    [
        ([], False, "", True),
        (["FAILED"], False, "", True),
        ([], True, "", False),
        (["PASSED", "FAILED"], True, "", False),
        (["FAILED", "PASSED"], True, "", True),
        ([], True, "backup", True),
    ],
    ids=["none yet", "to be made again", "never made", "the last one failed", "made", "asked for by name"],
)
def test_a_backup_has_its_time(backups: list[str], is_begun: bool, last: str, is_there: bool, tmp_path: Path) -> None:
    """A run that goes on after its first change is not stopped by a backup that it can make no more."""
    run = archive.begin(tmp_path, "demo", to="head")
    for outcome in backups:
        run.write_receipt("backup", {"outcome": outcome})
    if is_begun:
        run.write_receipt("before", {})
    tasks = [TASKS[0], Task(step="rehearse"), *TASKS[1:]]
    assert in_time(tasks, run, last=last) == (tasks if is_there else tasks[2:])
