"""Which runbooks a plan asks for, and which part of them an operator asks for."""

from __future__ import annotations

import pytest

from alembook.runner.tasks import Task, chosen

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
