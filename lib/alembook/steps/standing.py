"""Where a run stands: what of its plan is applied, by the database's own evidence."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from alembook import config, errors
from alembook.archive.manifest import sha256
from alembook.project.plan import Plan, Stage


def position(plan: Plan, current: Collection[str]) -> int:
    """Returns how many revisions of the plan are applied.

    Args:
        plan: the frozen plan.
        current: rows of the version table.

    Raises:
        errors.PlanChanged: the rows belong to no point of the plan: somebody else moved the database.
    """
    for count, heads in enumerate(_points(plan)):
        if heads == set(current):
            return count
    raise _elsewhere(plan, current)


def _points(plan: Plan) -> Iterator[set[str]]:
    """Yields the version rows before the plan and after each of its revisions."""
    heads = set(plan.start)
    yield heads
    if plan.direction == "down":
        yield from map(set, plan.points)
        return
    for revision in plan.order():
        entry = plan.revision(revision)
        heads = (heads - {*entry.down, *entry.depends_on}) | {revision}
        yield heads


def end(plan: Plan) -> set[str]:
    """Returns the version rows when the plan is done."""
    return list(_points(plan))[-1]


def _elsewhere(plan: Plan, current: Collection[str]) -> errors.PlanChanged:
    return errors.PlanChanged(
        f"The database is at {', '.join(sorted(current)) or 'base'}, which is no point of the plan.",
        why=f"the plan leads from {', '.join(plan.start) or 'base'} through {', '.join(plan.order()) or 'nothing'}.",
        next="Somebody else moved the database. Find out who; then begin a new run, which plans anew.",
        state="unchanged: nothing was applied.",
    )


def require_own(plan: Plan, current: Collection[str], begun: Collection[str]) -> None:
    """Does nothing when every revision of the plan that is applied was begun by this run.

    Args:
        plan: the frozen plan.
        current: rows of the version table.
        begun: ids this run began, by its events and by the ledger.

    Raises:
        errors.PlanChanged: names what somebody else applied.
    """
    others = [revision for revision in plan.order()[: position(plan, current)] if revision not in begun]
    if others:
        raise errors.PlanChanged(
            f"The database was moved by hand: {', '.join(others)} is done, and not by this run.",
            why=f"the plan begins at {', '.join(plan.start) or 'base'}; this run's events and ledger do not have it.",
            next="Find out who did it; then begin a new run, which plans anew.",
            state="unchanged: nothing was applied.",
        )


def left_of_stage(plan: Plan, stage: Stage, current: Collection[str]) -> list[str]:
    """Returns the revisions of a stage that are not applied, in order.

    Raises:
        errors.PlanChanged: as ``position``, or an earlier stage is not finished.
    """
    done = position(plan, current)
    before = sum(len(each.revisions) for each in plan.stages if each.number < stage.number)
    if done < before:
        raise errors.PlanChanged(
            f"Stage {stage.number} cannot begin: {before - done} revisions of earlier stages are not applied.",
            why=f"the database is at {', '.join(sorted(current)) or 'base'}.",
            next="Run the earlier stage's upgrade of this run first.",
            state="unchanged: nothing was applied.",
        )
    return list(stage.revisions[done - before :])


def sentence(plan: Plan, current: Collection[str]) -> str:
    """Returns where the database stands, for people."""
    place = f"the database is at {', '.join(sorted(current)) or 'base'}"
    try:
        done = position(plan, current)
    except errors.PlanChanged:
        return f"{place}, which is no point of the plan."
    order = plan.order()
    if not order:
        return f"nothing was to be applied; {place}."
    after = f"; next is {order[done]}" if done < len(order) else ""
    deed = "taken back" if plan.direction == "down" else "applied"
    return f"{done} of {len(order)} revisions of the plan are {deed}; {place}{after}."


def changed(target: config.Target, plan: Plan) -> list[str]:
    """Returns each file of the plan that differs from what it was when the plan was frozen, or is gone."""
    found = []
    for name, digest in plan.files.items():
        path = target.folder / name
        if not path.is_file():
            found.append(f"{name}: gone")
        elif sha256(path) != digest:
            found.append(f"{name}: changed")
    return found


def require_unchanged(target: config.Target, plan: Plan) -> None:
    """Does nothing when every file of the plan is as it was when the plan was frozen.

    Raises:
        errors.PlanChanged: names each file that differs or is gone.
    """
    differing = changed(target, plan)
    if differing:
        raise errors.PlanChanged(
            "A file differs from the plan." if len(differing) == 1 else f"{len(differing)} files differ from the plan.",
            why="the plan was frozen with the SHA-256 of each; what runs must be what was looked at.",
            next="Put them back, or begin a new run, which plans anew.",
            state="unchanged: this step applied nothing.",
            evidence={"files": "\n".join(differing)},
        )
