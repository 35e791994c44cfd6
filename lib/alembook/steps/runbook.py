"""What the first cells of every runbook do: check the parameters, find the run, reach the database."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembook import archive, config, display, errors
from alembook.archive.events import now
from alembook.config import parameters, shipped
from alembook.config.redaction import Redactor
from alembook.postgres import connection as connections
from alembook.postgres import identity, reach, session
from alembook.project.plan import Plan
from alembook.steps.receipt import Receipt
from alembook.verdict import Check, Grade, Outcome

#: Step -> (number of its runbook, stem of its receipt).
STEPS = {
    "inspect": (10, "plan"),
    "backup": (20, "backup"),
    "rehearse": (30, "rehearsal"),
    "upgrade": (40, "upgrade"),
    "backfill": (50, "backfill"),
    "verify": (60, "verification"),
    "rollback": (90, "rollback"),
}
#: Events of which there may be thousands: they reach the file at once, and the disk when the system writes it.
_PLENTIFUL = frozenset({"statement", "output"})
_STAGED = frozenset({"upgrade", "backfill"})


def notebook_stem(step: str, stage: int = 0) -> str:
    """Returns "40_upgrade.s1" for a step and its stage."""
    return f"{STEPS[step][0]}_{step}{f'.s{stage}' if step in _STAGED else ''}"


def receipt_stem(step: str, stage: int = 0) -> str:
    """Returns "upgrade.s1" for a step and its stage."""
    return f"{STEPS[step][1]}{f'.s{stage}' if step in _STAGED else ''}"


class Book:
    """An opened runbook: one step of one run on one target.

    Attributes:
        step: name of the step.
        stage: number of the stage; 0 where the step has none.
        target: the target.
        folder: the run's folder.
        database: where the target is.
        confirmed: the target's name as a person typed it; "" when nobody did.
        session: the keys of the run's locks, held by the runner or by this kernel.
        is_rehearsal: the database is a restored copy; the target itself is out of reach.
    """

    def __init__(
        self,
        *,
        step: str,
        stage: int,
        target: config.Target,
        folder: archive.RunFolder,
        dry_run: bool = False,
        confirmed: str = "",
        rehearsal: session.Held | None = None,
    ) -> None:
        self.step = step
        self.confirmed = confirmed
        self.stage = stage if step in _STAGED else 0
        self.target = target
        self.is_rehearsal = rehearsal is not None
        self.database = rehearsal.database if rehearsal else reach.database(target)
        self.folder = replace(folder, redactor=Redactor(self.database.password))
        self.dry_run = dry_run
        self._held: session.Held | None = None
        self._watch: connections.Connection | None = None
        self._agent: archive.Events | None = None
        self.session = rehearsal.session if rehearsal else self._keys()
        self._events = self.folder.events(f"{notebook_stem(step, self.stage)}.kernel")
        self._began = time.monotonic()
        self._started_at = now()
        self.event("step_started", step=step, stage=self.stage)

    def _keys(self) -> session.Session:
        """Returns the runner's keys; a kernel that works alone takes the locks itself."""
        given = config.session_keys()
        if given:
            return session.Session(mutex=given[0], nonce=given[1])
        self._held = session.hold(self.database, application_name=f"alembook {self.folder.run_id} session")
        return self._held.session

    @property
    def stem(self) -> str:
        """Returns the stem of the step's receipt."""
        return receipt_stem(self.step, self.stage)

    @property
    def application_name(self) -> str:
        """Returns what ``pg_stat_activity`` shows of this step."""
        return f"alembook {self.folder.run_id} {self.step}"

    def connect(self, *, read_only: bool = True, settings: Mapping[str, str] | None = None) -> connections.Connection:
        """Returns a new connection to the target; by default it cannot write. Raises as ``connection.connect``."""
        bounds = {
            "client_connection_check_interval": "1s",
            "lock_timeout": f"{self.target.limits.lock_timeout_ms}ms",
        }
        return connections.connect(
            self.database,
            application_name=self.application_name,
            read_only=read_only,
            may_write=not read_only,
            settings={**bounds, **(settings or {})},
        )

    def require_session(self, connection: connections.Connection | None = None) -> None:
        """Does nothing while the run's locks are held in the database a connection reached (default: one kept for it).

        Raises:
            errors.SessionLost: they are not.
        """
        if connection is None:
            connection = self._watch = self._watch or self.connect()
        if not session.holds(connection, self.session):
            raise errors.SessionLost(
                f"The locks of run {self.folder.run_id} are not held in {self.database.dbname}.",
                why="the session that held them ended, or this is another database.",
                next=f"Go on with `alembook run --run {self.folder.run_id}`.",
            )

    def event(self, event: str, **fields: Any) -> None:
        """Writes an event of this kernel."""
        self._events.write(event, **fields)

    def agent_event(self, event: Mapping[str, Any]) -> None:
        """Writes an event of the agent into the agent's own file."""
        if self._agent is None:
            self._agent = self.folder.events(f"{notebook_stem(self.step, self.stage)}.agent")
        fields = {name: value for name, value in event.items() if name not in {"event", "at"}}
        self._agent.write(event["event"], is_durable=event["event"] not in _PLENTIFUL, **fields)

    def plan(self) -> Plan:
        """Returns the frozen plan of the run.

        Raises:
            errors.UnknownRun: the run was not inspected yet.
        """
        return Plan.from_json(self.previous("inspect")["plan"])

    def previous(self, step: str, stage: int = 0) -> dict[str, Any]:
        """Returns the latest receipt of an earlier step.

        Raises:
            errors.UnknownRun: that step has no receipt in this run.
        """
        found = self.folder.receipt(receipt_stem(step, stage))
        if found is None:
            raise errors.UnknownRun(
                f"Run {self.folder.run_id} has no receipt of {step}.",
                why=f"{self.step} builds on it.",
                next=f"Run {notebook_stem(step, stage)}.ipynb of this run first.",
            )
        return found

    def reading(self, folder: archive.RunFolder) -> Book:
        """Returns this book as it reads the record of another run of the same target."""
        other = copy.copy(self)
        other.folder = replace(folder, redactor=self.folder.redactor)
        return other

    def let_go(self) -> None:
        """Closes the connection kept to the target; the next question opens another one."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def where(self) -> display.Html:
        """Returns where this runbook is: target, database, server, its clock, the run."""
        with connections.closing(self.connect()) as connection:
            found = identity.read(connection)
        return display.facts(
            {
                "target": self.target.name,
                "database": self.database.label(),
                "server": f"PostgreSQL {found.version}" + (", standby" if found.in_recovery else ""),
                "server time": found.server_time,
                "run": self.folder.run_id,
                **({"stage": self.stage} if self.stage else {}),
            }
        )

    def finish(self, checks: Sequence[Check], facts: Mapping[str, Any]) -> Receipt:
        """Writes the step's receipt and returns it. Raises as ``RunFolder.write_receipt``."""
        receipt = Receipt(
            step=self.step,
            stage=self.stage,
            started_at=self._started_at,
            ended_at=now(),
            seconds=time.monotonic() - self._began,
            checks=self.with_waivers(checks),
            facts=facts,
        )
        path = self.folder.write_receipt(self.stem, receipt.to_json())
        outcome = receipt.gate.outcome.value
        self.event("step_ended", step=self.step, stage=self.stage, outcome=outcome, receipt=path.name)
        return replace(receipt, path=path)

    def with_waivers(self, checks: Sequence[Check]) -> tuple[Check, ...]:
        """Returns the checks with what people said of those that are not PASSED: the waivers in the run's record."""
        said = {
            each["check"]: f"{each['reason']} ({each['by']}, {each['at']})"
            for each in self.folder.stated(archive.WAIVER)
        }
        return tuple(
            replace(check, waived=said[check.name])
            if check.name in said and check.outcome is not Outcome.PASSED
            else check
            for check in checks
        )

    def skipped(self) -> Receipt:
        """Returns the receipt of a dry run: nothing was done and nothing is written."""
        note = Check(
            name="dry run",
            grade=Grade.MAY,
            outcome=Outcome.UNVERIFIED,
            why="dry_run is set: nothing was done and nothing was judged",
            next="Run it again without dry_run.",
        )
        return Receipt(
            step=self.step, stage=self.stage, started_at=self._started_at, ended_at=now(), seconds=0.0, checks=(note,)
        )

    def close(self) -> None:
        """Releases what the kernel holds of the run."""
        self._events.close()
        for each in (self._agent, self._watch, self._held):
            if each is not None:
                each.close()


_opened: list[Book] = []


def open(step: str, namespace: Mapping[str, Any]) -> Book:  # noqa: A001 - reads as runbook.open in a cell
    """Opens a runbook: the cell after the parameters calls it.

    Args:
        step: name of the step.
        namespace: the notebook's globals; ``In`` holds the cells executed so far.

    Raises:
        errors.ParameterError: an unknown parameter, or one of the wrong type.
        errors.ConfigurationError: no alembook.toml, no such target, a reference that leads nowhere.
        errors.UnknownRun: no such run, or no open one.
        errors.TargetBusy: another run holds the target.
    """
    connections.interruptible()
    while _opened:
        _opened.pop().close()
    given = parameters.check_cells(_cells(step, namespace), namespace)
    file = given.get("config")
    configuration = config.load(Path(str(file)) if file else None)
    target = configuration.target(str(given["target"]))
    target.require_usable()
    book = Book(
        step=step,
        stage=int(str(given.get("stage", 0))),
        target=target,
        folder=_folder(configuration, target, step, given),
        dry_run=bool(given.get("dry_run", False)),
        confirmed=str(given.get("confirm", "")),
    )
    _opened.append(book)
    return book


def _cells(step: str, namespace: Mapping[str, Any]) -> Sequence[str]:
    """Returns the cells executed so far; a client that keeps no history (nbval) has the committed declarations."""
    inputs: Sequence[str] = namespace.get("In", [])
    if any(inputs):
        return inputs
    path = shipped.runbooks(Path.cwd()) / f"{STEPS[step][0]}_{step}.ipynb"
    book = json.loads(path.read_text(encoding="utf-8"))
    tagged = [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    return ["".join(cell["source"]) for cell in tagged]


def _folder(
    configuration: config.Configuration, target: config.Target, step: str, given: Mapping[str, object]
) -> archive.RunFolder:
    """Returns the run that was named; else the target's open run; inspect begins one."""
    root = configuration.archive.path
    if given.get("run_id"):
        return archive.find(root, str(given["run_id"]), target.name)
    if step == "rollback":
        raise errors.UnknownRun(
            "90_rollback needs a run of its own.",
            why="run_id is empty, and a rollback says which run it takes back, and by which way.",
            next="`alembook rollback RUN --by restore --dry-run` begins one; give this runbook its run_id.",
        )
    if step == "inspect":
        return archive.begin(root, target.name, to=str(given.get("to", "")))
    found = archive.open_runs(root, target.name)
    if not found:
        raise errors.UnknownRun(
            f"{target.name} has no open run.",
            why="run_id is empty, so the runbook joins the target's open run.",
            next="Run 10_inspect.ipynb first: it begins one; or name a run.",
        )
    return found[-1]
