"""The maintenance window where it counts: at the beginning of a step, and between two revisions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alembook import errors
from alembook.config import Limits
from alembook.steps import window
from alembook.verdict import Grade, Outcome

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 25, 23, tzinfo=UTC)


def test_the_check() -> None:
    """Open, closed, and none set: found and next say until or from when."""
    limits = Limits(window="22:00-04:00")
    is_open, closed, none = (
        window.check(limits, at=NIGHT),
        window.check(limits, at=NOON),
        window.check(Limits(), at=NOON),
    )
    assert (is_open.outcome, is_open.found) == (Outcome.PASSED, "open until Thu 2026-11-26 04:00 UTC")
    assert (closed.outcome, closed.grade, closed.found) == (Outcome.FAILED, Grade.MAY, "closed")
    assert (none.outcome, none.expected) == (Outcome.PASSED, "any time: limits.window is not set")


def test_a_closed_window_is_waited_for() -> None:
    """Nothing begins outside of it: exit 7, and when it opens."""
    limits = Limits(window="Sat,Sun 22:00-04:00 Europe/Berlin")
    window.require_open(Limits(window="22:00-04:00"), at=NIGHT)
    with pytest.raises(errors.Waiting) as raised:
        window.require_open(limits, at=NOON)
    assert raised.value.exit_code == 7
    assert str(raised.value) == (
        "The maintenance window is closed: Sat,Sun 22:00-04:00 Europe/Berlin.\n"
        "  why:  limits.window of the target says when the database may be changed.\n"
        "  next: Apply them when it opens: Sat 2026-11-28 22:00 CET."
    )
