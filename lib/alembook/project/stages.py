"""Where an upgrade stops for backfills: revisions cut into stages. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alembook import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """What a backfill says about its place among the revisions.

    Attributes:
        name: of the backfill.
        after: the revision it needs.
        before: the revision that needs it complete; None = none does.
        hold: name of the point where people must release the stage that follows; None = the run goes on.
    """

    name: str
    after: str
    before: str | None = None
    hold: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Revisions to apply, then the backfills to run.

    Attributes:
        number: from 1.
        revisions: ids, in the order they are applied; () when only backfills are left to run.
        backfills: names, in the order they were declared.
        hold: what people must release before the next stage; None = nothing.
    """

    number: int
    revisions: tuple[str, ...]
    backfills: tuple[str, ...] = ()
    hold: str | None = None


def stages(
    pending: Sequence[str], boundaries: Sequence[Boundary], *, applied: Collection[str] = ()
) -> tuple[Stage, ...]:
    """Returns the stages of an upgrade.

    A backfill runs at the end of the first stage that has reached its ``after``; a stage ends right before the earliest
    ``before`` among those. One whose ``before`` is applied already is left out: its time is over. One whose ``after``
    is neither applied nor pending is left out too: its time has not come.

    Args:
        pending: ids in the order they are applied.
        boundaries: of every backfill, in the order they were declared.
        applied: ids that are applied already.

    Returns:
        None when there is nothing to apply and nothing to run.

    Raises:
        errors.ConfigurationError: a ``before`` would be applied without its backfill having had a chance.
    """
    reachable = set(applied) | set(pending)
    waiting = [b for b in boundaries if b.after in reachable and b.before not in applied]
    _require_sound(pending, boundaries, reachable, applied)
    found: list[Stage] = []
    start = 0
    while start < len(pending) or waiting:
        end = _end(pending, waiting, start)
        reached = set(applied) | set(pending[:end])
        now = [b for b in waiting if b.after in reached]
        waiting = [b for b in waiting if b.after not in reached]
        found.append(_stage(len(found) + 1, pending[start:end], now, is_last=end == len(pending)))
        start = end
    return tuple(found)


def _end(pending: Sequence[str], waiting: Sequence[Boundary], start: int) -> int:
    """Returns where the stage that begins at ``start`` ends: before the first revision that needs a backfill first."""
    cuts = [pending.index(b.before) for b in waiting if b.before in pending]
    return min((cut for cut in cuts if cut >= start), default=len(pending))


def _stage(number: int, revisions: Sequence[str], backfills: Sequence[Boundary], *, is_last: bool) -> Stage:
    holds = list(dict.fromkeys(b.hold for b in backfills if b.hold))
    return Stage(
        number=number,
        revisions=tuple(revisions),
        backfills=tuple(b.name for b in backfills),
        hold=None if is_last else ", ".join(holds) or None,
    )


def _require_sound(
    pending: Sequence[str], boundaries: Sequence[Boundary], reachable: Collection[str], applied: Collection[str]
) -> None:
    for boundary in boundaries:
        if boundary.before not in pending:
            continue
        is_before = boundary.after in applied or (
            boundary.after in reachable and pending.index(boundary.after) < pending.index(boundary.before)
        )
        if not is_before:
            raise errors.ConfigurationError(
                f"The backfill {boundary.name} cannot run before {boundary.before} is applied.",
                why=f"it needs {boundary.after}, which does not come before {boundary.before} in this upgrade.",
                next=f"Correct after or before in {boundary.name}, or choose another revision to go to.",
            )
