"""The maintenance window of a target, at the moments that count: when a step begins, and between its commits."""

from __future__ import annotations

from datetime import UTC, datetime

from alembook import config, errors
from alembook.verdict import Check, Grade, Outcome


def check(limits: config.Limits, *, at: datetime | None = None) -> Check:
    """Returns whether revisions may be applied at an instant (aware; default: now)."""
    now = at or datetime.now(UTC)
    window = config.Window.parse(limits.window) if limits.window else None
    closes = window.closes_at(now) if window else None
    is_closed = window is not None and closes is None
    opens = window.opens_at(now) if window else now
    return Check(
        name="the maintenance window is open",
        grade=Grade.MAY,
        outcome=Outcome.FAILED if is_closed else Outcome.PASSED,
        expected=window.text if window else "any time: limits.window is not set",
        found=f"open until {_minute(closes)}" if closes else "closed" if is_closed else "open",
        why="revisions and backfills are refused outside of it." if is_closed else "",
        next=f"Apply them when it opens: {_minute(opens)}." if is_closed else "",
    )


def require_open(limits: config.Limits, *, at: datetime | None = None) -> None:
    """Does nothing while the window is open, or none is set.

    Args:
        limits: of the target.
        at: the instant (aware; default: now).

    Raises:
        errors.Waiting: it is closed; says when it opens.
    """
    judged = check(limits, at=at)
    if judged.outcome is not Outcome.PASSED:
        raise errors.Waiting(
            f"The maintenance window is closed: {limits.window}.",
            why="limits.window of the target says when the database may be changed.",
            next=judged.next,
        )


def _minute(at: datetime) -> str:
    return at.strftime("%a %Y-%m-%d %H:%M %Z")
