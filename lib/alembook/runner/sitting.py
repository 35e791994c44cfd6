"""One command's work on one run: its runbooks in order up to the first closed gate, then the end of the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alembook import archive, config, errors
from alembook.config import environment, shipped
from alembook.config.redaction import Redactor
from alembook.postgres import activity, session
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.project import state
from alembook.project.plan import Plan
from alembook.runner import leftovers, nursery, signals
from alembook.runner.kernels import Kernels
from alembook.runner.outcome import headlines
from alembook.runner.progress import Progress
from alembook.runner.tail import Tail
from alembook.runner.tasks import CHANGING, Task, chosen, in_time, is_current, plan_of, planned
from alembook.steps import gate, standing
from alembook.steps.runbook import STEPS, receipt_stem
from alembook.verdict import Check, Gate, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a sitting is to do.

    Attributes:
        target: name of the target.
        to: the revision, as it was written.
        run: a run to go on with; "" begins one.
        first: the first step to run; "" begins at inspect.
        last: the last step to run; "" goes to verify.
        through_stage: the last stage to run; 0 is all of them.
        dry_run: inspect, and show what would be done.
        change_id: the ticket.
        confirm: the target's name as a person typed it, for a protected one.
        waive: names of checks that are to stand as they are.
        reason: why they may.
        emergency: why a protected target may be changed without everything it asks for; "" when it may not.
        cell_timeout_s: how long one cell may take; None is no limit.
    """

    target: str
    to: str = "head"
    run: str = ""
    first: str = ""
    last: str = ""
    through_stage: int = 0
    dry_run: bool = False
    change_id: str = ""
    confirm: str = ""
    waive: tuple[str, ...] = ()
    reason: str = ""
    emergency: str = ""
    cell_timeout_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """How a sitting ended.

    Attributes:
        folder: of the run.
        steps: one mapping a runbook: step, stage, notebook, verdict, seconds; what an earlier sitting did has verdict
            "done before".
        error: what stopped it; None when everything asked for was done.
        digest: SHA-256 of the manifest, the anchor of the record.
        standing: where the database stands, in words; "" when it could not be asked.
        put_right: what a rollback that was given up had left, and was put right; "" when nothing was.
    """

    folder: archive.RunFolder
    steps: list[dict[str, Any]] = field(default_factory=list)
    error: errors.AlembookError | None = None
    digest: str = ""
    standing: str = ""
    put_right: str = ""

    @property
    def exit_code(self) -> int:
        """Returns the exit code of the command."""
        return self.error.exit_code if self.error else 0


class Sitting:
    """One command's work on one run."""

    def __init__(
        self,
        configuration: config.Configuration,
        target: config.Target,
        folder: archive.RunFolder,
        asked: Asked,
        progress: Progress,
        database: Database,
    ) -> None:
        self.configuration = configuration
        self.target = target
        self.folder = replace(folder, redactor=Redactor(database.password))
        self.asked = asked
        self.progress = progress
        self.database = database
        self.result = Result(folder=self.folder)

    def conduct(self, held: session.Held) -> Result:
        """Runs the runbooks, whatever stops them, and ends the record."""
        try:
            with ExitStack() as stack:
                events = stack.enter_context(self.folder.events("runner"))
                events.write("sitting_started", to=self.asked.to, first=self.asked.first, last=self.asked.last)
                self._end_leftovers(events)
                kernels = stack.enter_context(Kernels(preload=nursery.NEEDED))
                kernels.warm(self._kernel_environment(held), self.configuration.folder)
                stack.enter_context(self.progress)
                self._run_all(events, kernels, held)
        except errors.AlembookError as error:
            self.result.error = error
        return self._ended(self._outcome())

    def give_up(self, reason: str) -> Result:
        """Ends what the run still does on the server, and the run; the database stays as it is."""
        return self._ended("abandoned", reason)

    def _kernel_environment(self, held: session.Held) -> dict[str, str]:
        keys = config.write_session_keys(held.session.mutex, held.session.nonce)
        return environment.kernel_environment(keys)

    def _end_leftovers(self, events: archive.Events) -> None:
        """Ends what an earlier sitting of this run left on the server."""
        with connections.closing(self._connect()) as connection:
            leftovers.end(connection, self.folder, events)
        if self.asked.first in {"", "inspect", "backup"} and not self.asked.dry_run:
            leftovers.drop_of_ended_runs(self.target, self.folder, events)

    def _connect(self) -> connections.Connection:
        return connections.connect(self.database, application_name="alembook runner")

    def _run_all(self, events: archive.Events, kernels: Kernels, held: session.Held) -> None:
        for task in self._tasks():
            held.check()
            self._wait_at_hold(task)
            if self._is_done(task):
                self.result.steps.append(_row(task, task.name, "done before", 0.0))
                continue
            self._run_one(task, events, kernels)

    def _wait_at_hold(self, task: Task) -> None:
        """Does nothing where no stage before a runbook ends in a hold. Raises errors.Waiting where one does."""
        plan = plan_of(self.folder) if task.stage > 1 else None
        for stage in plan.stages[: task.stage - 1] if plan else ():
            gate.require_released(self.folder, plan_of(self.folder), stage)

    def _tasks(self) -> Iterator[Task]:
        """Yields what is to be run; everything after inspect follows from the plan, so it is asked for late."""
        if self.asked.first in {"", "inspect"}:
            yield Task(step="inspect")
        if self.asked.dry_run or self.asked.last == "inspect":
            return
        yield from self._planned()

    def _planned(self) -> list[Task]:
        asked = self.asked
        tasks = in_time(planned(plan_of(self.folder), last=asked.last), self.folder, last=asked.last)
        return chosen(tasks, first=asked.first, last=asked.last, through_stage=asked.through_stage)

    def _is_done(self, task: Task) -> bool:
        receipt = self.folder.receipt(receipt_stem(task.step, task.stage))
        if receipt is None or receipt["outcome"] != Outcome.PASSED.value or self._is_asked_again(task):
            return False
        return is_current(self.folder, self.target, task)

    def _is_asked_again(self, task: Task) -> bool:
        """Says whether a step runs again, as a further attempt.

        The operator named just this one; or it is inspect, at the beginning of the sitting that changes a protected
        target: the plan must still be the one that was prepared.
        """
        is_window = task.step == "inspect" and self.asked.confirm and self.folder.receipt("before") is None
        return self.asked.first == self.asked.last == task.step or bool(is_window)

    def _run_one(self, task: Task, events: archive.Events, kernels: Kernels) -> None:
        from alembook.runner import notebook  # noqa: PLC0415 - papermill is imported while the first kernel boots

        source = shipped.runbooks(self.configuration.folder) / f"{STEPS[task.step][0]}_{task.step}.ipynb"
        output = self.folder.attempt_path(task.name, ".ipynb")
        receipts = len(self.folder.attempts(receipt_stem(task.step, task.stage), ".json"))
        self.progress.notebook_started(output.stem)
        with Tail(self.folder.path / "events" / f"{task.name}.agent.jsonl", self.progress.note):
            outcome = notebook.execute(
                source,
                output,
                self._parameters(task),
                events=events,
                kernels=kernels,
                cell_timeout_s=self.asked.cell_timeout_s,
                on_progress=self.progress.cell,
                clean=self.folder.redactor.clean,
                is_last=task.step in {"verify", "rollback"},
            )
        found = self.folder.attempts(receipt_stem(task.step, task.stage), ".json")
        receipt = archive.read_json(found[-1]) if len(found) > receipts else None
        failure = outcome.failure() or _unfinished(task, receipt)
        verdict = _verdict(receipt, failure)
        self.result.steps.append(_row(task, output.name, verdict, outcome.seconds))
        self.progress.notebook_ended(output.stem, verdict, outcome.seconds)
        self._write_page(task, output, receipt, failure, verdict)
        if failure:
            raise failure

    def _parameters(self, task: Task) -> dict[str, Any]:
        values: dict[str, Any] = {"target": self.target.name, "run_id": self.folder.run_id}
        values["config"] = str(self.configuration.path)
        if task.step == "inspect":
            values["to"] = self.folder.request()["to"]
        if task.step in CHANGING:
            values["confirm"] = self.asked.confirm
        return {**values, **({"stage": task.stage} if task.stage else {})}

    def _write_page(
        self,
        task: Task,
        output: Path,
        receipt: Mapping[str, Any] | None,
        failure: errors.AlembookError | None,
        verdict: str,
    ) -> None:
        from alembook.runner import page  # noqa: PLC0415 - nbconvert is imported once there is something to convert

        header = page.Header(
            title=task.name,
            target=self.target.name,
            run_id=self.folder.run_id,
            verdict=verdict,
            lines=headlines(receipt, failure),
        )
        page.write(output, output.with_suffix(".html"), header)

    def _ended(self, outcome: str, reason: str = "") -> Result:
        """Asks the database where it stands, writes the change record and the hashes; a further signal must wait."""
        with signals.counted():
            self.result.standing = self._standing()
            error = self.result.error
            with self.folder.events("runner") as events:
                if self.asked.last != "backup" or outcome != "open":  # else the rehearsal will want it
                    leftovers.drop(self.target, self.folder, events)
                events.write(
                    "sitting_ended",
                    outcome=outcome,
                    exit_code=self.result.exit_code,
                    error="\n".join(error.lines()) if error else reason,
                    standing=self.result.standing,
                )
            ending = archive.Ending(
                outcome=outcome,
                exit_code=self.result.exit_code,
                message=f"{error.what} {error.why}".strip() if error else reason,
                steps=self.result.steps,
                facts={"standing": self.result.standing, "database": self.database.label(), **self._said()},
            )
            self.result.digest = archive.close(self.folder, ending)
        return self.result

    def _said(self) -> dict[str, Any]:
        """Returns what people let stand or hurried in this run, for the record."""
        kinds = {"waivers": archive.WAIVER, "emergencies": archive.EMERGENCY, "releases": archive.RELEASE}
        found = {name: self.folder.stated(kind) for name, kind in kinds.items()}
        return {name: each for name, each in found.items() if each}

    def _outcome(self) -> str:
        if self.result.error is None:
            return "done" if self._has_ended() else "open"
        names = {3: "failed", 4: "unverified", 7: "waiting", 129: "stopped", 130: "stopped", 143: "stopped"}
        return names.get(self.result.exit_code, "interrupted")

    def _has_ended(self) -> bool:
        """Says whether the last runbook of the plan was among those that ran."""
        if self.asked.dry_run or self.asked.last == "inspect":
            return False
        last = list(planned(plan_of(self.folder)))[-1:]
        return not last or last[0] in self._planned()

    def _standing(self) -> str:
        """Returns where the database stands; why that cannot be said, when no server answers."""
        receipt = self.folder.receipt(receipt_stem("inspect"))
        if receipt is None:
            return "nothing was planned, and nothing was applied."
        plan = Plan.from_json(receipt["plan"])
        try:
            with connections.closing(self._connect()) as connection:
                activity.end(connection, self.folder.run_id)
                current = state.read(connection, plan.version_table, plan.version_table_schema)
        except errors.AlembookError as error:
            return f"not known: {error.what}"
        return standing.sentence(plan, current or ())


def _row(task: Task, notebook: str, verdict: str, seconds: float) -> dict[str, Any]:
    return {
        "step": task.step,
        "stage": task.stage,
        "notebook": notebook,
        "verdict": verdict,
        "seconds": round(seconds, 2),
    }


def _unfinished(task: Task, receipt: Mapping[str, Any] | None) -> errors.AlembookError | None:
    """Returns the error for a notebook that ran to its end and left no receipt, or one whose gate is closed."""
    if receipt is None:
        return errors.NotebookFailed(
            f"{task.name} ran to its end and left no receipt.",
            why="the runbook was changed, or its step was not called.",
            next="Restore the runbook from the installation.",
        )
    gate = Gate(checks=tuple(Check.from_json(check) for check in receipt["checks"]))
    try:
        gate.require(task.step)
    except errors.AlembookError as error:
        return error
    return None


def _verdict(receipt: Mapping[str, Any] | None, failure: errors.AlembookError | None) -> str:
    if isinstance(failure, errors.Stopped):
        return "STOPPED"
    if receipt is not None and (failure is None or receipt["outcome"] != Outcome.PASSED.value):
        return str(receipt["outcome"])
    return Outcome.FAILED.value
