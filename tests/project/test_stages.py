"""Cutting revisions into stages."""

from __future__ import annotations

import pytest

from alembook import errors
from alembook.project.stages import Boundary, stages

LINE = ("r1", "r2", "r3", "r4", "r5")


def backfill(name: str, after: str, before: str | None = None, hold: str | None = None) -> Boundary:
    """Returns a boundary."""
    return Boundary(name=name, after=after, before=before, hold=hold)


@pytest.mark.parametrize(
    ("applied", "pending", "boundaries", "expected"),
    [
        pytest.param((), LINE, [], [(LINE, (), None)], id="no backfill: one stage"),
        pytest.param((), (), [], [], id="nothing to do: no stage"),
        pytest.param(
            (),
            LINE,
            [backfill("x", "r2", "r4")],
            [(("r1", "r2", "r3"), ("x",), None), (("r4", "r5"), (), None)],
            id="a stage ends right before the revision that needs the backfill",
        ),
        pytest.param(
            (),
            LINE,
            [backfill("x", "r2", "r4", hold="deploy")],
            [(("r1", "r2", "r3"), ("x",), "deploy"), (("r4", "r5"), (), None)],
            id="the hold stands between its stages",
        ),
        pytest.param((), LINE, [backfill("x", "r2")], [(LINE, ("x",), None)], id="without before: at the end"),
        pytest.param(
            (),
            LINE,
            [backfill("x", "r2", hold="deploy")],
            [(LINE, ("x",), None)],
            id="a hold with no stage after it is none",
        ),
        pytest.param(
            ("r1", "r2"),
            ("r3", "r4"),
            [backfill("x", "r2", "r3")],
            [((), ("x",), None), (("r3", "r4"), (), None)],
            id="after is applied and before is next: a stage without revisions",
        ),
        pytest.param(LINE, (), [backfill("x", "r2")], [((), ("x",), None)], id="nothing to apply: a backfill runs"),
        pytest.param(LINE, (), [backfill("x", "r2", "r4")], [], id="before is applied: its time is over"),
        pytest.param((), ("r1", "r2"), [backfill("x", "r3", "r4")], [(("r1", "r2"), (), None)], id="after is not met"),
        pytest.param(
            (),
            ("r1", "r2", "r3"),
            [backfill("x", "r2", "r4")],
            [(("r1", "r2", "r3"), ("x",), None)],
            id="before is beyond the goal: it runs at the end",
        ),
        pytest.param(
            (),
            LINE,
            [backfill("x", "r1", "r5"), backfill("y", "r2", "r3")],
            [(("r1", "r2"), ("x", "y"), None), (("r3", "r4", "r5"), (), None)],
            id="a backfill runs in the first stage that reached it, and cuts no second time",
        ),
        pytest.param(
            (),
            LINE,
            [backfill("x", "r1", "r2", hold="a"), backfill("y", "r3", "r5", hold="b")],
            [(("r1",), ("x",), "a"), (("r2", "r3", "r4"), ("y",), "b"), (("r5",), (), None)],
            id="two backfills one after the other: three stages",
        ),
        pytest.param(
            (),
            LINE,
            [backfill("x", "r1", "r3", hold="a"), backfill("y", "r2", "r3", hold="b")],
            [(("r1", "r2"), ("x", "y"), "a, b"), (("r3", "r4", "r5"), (), None)],
            id="two backfills at one cut, both holds",
        ),
    ],
)
def test_stages(
    applied: tuple[str, ...],
    pending: tuple[str, ...],
    boundaries: list[Boundary],
    expected: list[tuple[tuple[str, ...], tuple[str, ...], str | None]],
) -> None:
    """A stage ends right before the first revision that needs a backfill first."""
    found = stages(pending, boundaries, applied=applied)
    assert [(stage.revisions, stage.backfills, stage.hold) for stage in found] == expected
    assert [stage.number for stage in found] == list(range(1, len(expected) + 1))


@pytest.mark.parametrize(("after", "before"), [("r4", "r2"), ("r2", "r2"), ("elsewhere", "r2")])
def test_a_backfill_without_a_chance_is_refused(after: str, before: str) -> None:
    """A revision that needs a backfill is never applied without it."""
    with pytest.raises(errors.ConfigurationError) as caught:
        stages(LINE, [backfill("x", after, before)])
    assert caught.value.what == f"The backfill x cannot run before {before} is applied."
    assert caught.value.why == f"it needs {after}, which does not come before {before} in this upgrade."
