"""What a plan asks for: which runbooks, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from alembook import archive, config, errors
from alembook.project.plan import Plan
from alembook.steps import gate
from alembook.steps.runbook import notebook_stem, receipt_stem
from alembook.verdict import Outcome

#: Steps that change a database; a protected one asks for its name before each.
CHANGING = frozenset({"upgrade", "backfill"})
#: Steps of the sitting that prepares: they change nothing.
PREPARING = frozenset({"inspect", "backup", "rehearse"})
_ON_A_COPY = PREPARING - {"inspect"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One runbook to execute."""

    step: str
    stage: int = 0

    @property
    def name(self) -> str:
        """Returns "40_upgrade.s1"."""
        return notebook_stem(self.step, self.stage)


def plan_of(folder: archive.RunFolder) -> Plan:
    """Returns the frozen plan of a run.

    Raises:
        errors.UnknownRun: the run has none yet.
    """
    receipt = folder.receipt(receipt_stem("inspect"))
    if receipt is None:
        raise errors.UnknownRun(
            f"Run {folder.run_id} has no plan.",
            why="10_inspect has not come to its end in this run.",
            next=f"Go on from there: `alembook run -t {folder.target} --run {folder.run_id}`.",
        )
    return Plan.from_json(receipt["plan"])


def content_of(plan: Plan, task: Task) -> tuple[str, ...]:
    """Returns the revisions or backfills a runbook is about."""
    if not task.stage:
        return ()
    stage = plan.stage(task.stage)
    return stage.revisions if task.step == "upgrade" else stage.backfills


def planned(plan: Plan, *, last: str = "") -> Iterator[Task]:
    """Yields the runbooks a plan asks for after inspect, in order; none when there is nothing to do.

    Args:
        plan: frozen.
        last: the step that was asked for as the last one: a backup is made also where nothing is to be applied.
    """
    if not plan.stages:
        yield from [Task(step="backup")] if last == "backup" else []
        return
    yield Task(step="backup")
    yield Task(step="rehearse")
    for stage in plan.stages:
        if stage.revisions:
            yield Task(step="upgrade", stage=stage.number)
        if stage.backfills:
            yield Task(step="backfill", stage=stage.number)
    yield Task(step="verify")


def in_time(tasks: Iterable[Task], folder: archive.RunFolder, *, last: str = "") -> list[Task]:
    """Returns the runbooks without a backup that was not made before the change, and without its rehearsal.

    Args:
        tasks: as ``planned`` yields them.
        folder: of the run.
        last: the step that was asked for as the last one: the step itself then says why it makes none.
    """
    made = folder.receipt(receipt_stem("backup"))
    is_made = made is not None and made["outcome"] == Outcome.PASSED.value
    is_over = folder.receipt("before") is not None and not is_made and last not in _ON_A_COPY
    return [task for task in tasks if not (is_over and task.step in _ON_A_COPY)]


def is_current(folder: archive.RunFolder, target: config.Target, task: Task) -> bool:
    """Says whether what a step has done may stand: a backup or a rehearsal grows old, and a dump may be lost.

    Args:
        folder: of the run, with a receipt of the step that is PASSED.
        target: says how old each may be.
        task: the step.
    """
    receipt = folder.receipt(receipt_stem(task.step, task.stage))
    if receipt is None or folder.receipt("before") is not None:
        return receipt is not None
    now = datetime.now(UTC)
    if task.step == "backup":
        is_old = gate.is_old(receipt["taken_at"], now, timedelta(minutes=target.backup.max_age_minutes))
        return not is_old and not gate.damage(target, receipt)
    if task.step == "rehearse":
        is_same = receipt.get("plan_hash") == plan_of(folder).hash
        return is_same and not gate.is_old(receipt["ended_at"], now, timedelta(days=target.rehearsal_max_age_days))
    return True


def chosen(tasks: Sequence[Task], *, first: str = "", last: str = "", through_stage: int = 0) -> list[Task]:
    """Returns the part of a plan's runbooks that was asked for, in order and without a gap.

    Args:
        tasks: all of them, as ``planned`` yields them.
        first: begin at the first runbook of this step; "" (or inspect) begins at the start.
        last: end with the last runbook of this step; "" goes to the end.
        through_stage: end before the first runbook that follows this stage; 0 is no limit.
    """
    steps = [task.step for task in tasks]
    start = 0
    if first and first != "inspect":
        start = steps.index(first) if first in steps else len(tasks)
    end = len(tasks)
    if last:
        end = len(steps) - steps[::-1].index(last) if last in steps else start
    later = [place for place, task in enumerate(tasks) if through_stage and task.stage > through_stage]
    return list(tasks[start : min([end, *later[:1]])])
