"""Step upgrade: the revisions of one stage, each in a commit of its own, through the project's own ``env.py``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alembook import display, errors
from alembook.backfills import declaration
from alembook.postgres import catalog
from alembook.postgres import connection as connections
from alembook.project import driver, ledger, state
from alembook.project.plan import Plan, Stage
from alembook.steps import before, drift, gate, planning, standing, window
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book, notebook_stem
from alembook.verdict import Check, Gate, Grade, Outcome

_SPANS = ["label", "start_s", "seconds", "outcome"]
_STATEMENTS = ["revision", "ms", "rows", "statement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade(Receipt):
    """Receipt of a stage's upgrade.

    Attributes:
        spans: one row per attempt at a revision: label (str), start_s, seconds (float), outcome (committed, failed,
            retried).
        executed: one row per statement: revision (str), ms (float), rows (int), statement (str).
        error: what stopped it; None when every revision was committed.
    """

    spans: pd.DataFrame
    executed: pd.DataFrame
    error: errors.AlembookError | None = None

    def timeline(self) -> display.Plot | display.Html:
        """Returns when each revision began and how long it took."""
        return display.timeline(self.spans)

    def revisions(self) -> display.Html:
        """Returns the revisions with their times."""
        return display.table(self.spans, empty="no revision was to be applied")

    def statements(self) -> display.Html:
        """Returns the slowest statements."""
        return display.table(self.executed.sort_values("ms", ascending=False).head(15), empty="no statement ran")

    def require(self) -> display.Html:
        """Returns the open gate.

        Raises:
            errors.AlembookError: what stopped the upgrade, as it was.
            errors.CheckFailed, errors.CheckUnverified: the gate is closed.
        """
        if self.error:
            raise self.error
        return super(Upgrade, self).require()


def preview(book: Book) -> display.Html:
    """Returns the revisions ``apply`` will apply, in order. Nothing is written.

    Raises:
        errors.PlanChanged: a file or the database differs from the plan.
    """
    plan = book.plan()
    todo = _todo(book, plan, plan.stage(book.stage))
    rows = [{"order": n, **_described(plan, revision)} for n, revision in enumerate(todo, start=1)]
    return display.table(pd.DataFrame(rows), empty="every revision of this stage is applied already")


def apply(book: Book) -> Upgrade:
    """Applies what is left of the stage and returns the receipt; a failure is in it, and raised by ``require``.

    Raises:
        errors.Waiting: the stage before ends in a hold that nobody released.
        errors.ProtectedTarget: the target's name was not confirmed.
        errors.PlanChanged: a file or the database differs from the plan; nothing was applied.
        errors.SessionLost: the run's locks are gone; nothing was applied.
        errors.Waiting: the maintenance window is closed; nothing was applied.
    """
    if book.dry_run:
        return Upgrade.of(book.skipped(), **_nothing())
    book.require_session()
    window.require_open(book.target.limits)
    allowed = gate.judge(book)
    if not Gate(checks=allowed).is_open:
        return Upgrade.of(book.finish(allowed, {}), **_nothing())
    plan = book.plan()
    stage = plan.stage(book.stage)
    todo = _todo(book, plan, stage)
    planning.require_same(book, plan)
    drift.note(book, "begin")
    before.take(book)
    tape = _Tape(book=book)
    error = _drive(book, todo, tape) if todo else None
    drift.note(book, "end")
    receipt = book.finish(
        [*_judge(book, stage, error), *allowed],
        {
            "revisions": list(stage.revisions),
            "applied_now": tape.committed,
            "statements": len(tape.statements),
            "retries": sum(span["outcome"] == "retried" for span in tape.spans),
            **({"error": "\n".join(error.lines())} if error else {}),
        },
    )
    spans = pd.DataFrame(tape.spans, columns=_SPANS)
    book.folder.write_table(f"timeline.s{book.stage}", spans)
    return Upgrade.of(receipt, spans=spans, executed=pd.DataFrame(tape.statements, columns=_STATEMENTS), error=error)


def _nothing() -> dict[str, pd.DataFrame]:
    return {"spans": pd.DataFrame(columns=_SPANS), "executed": pd.DataFrame(columns=_STATEMENTS)}


def _drive(book: Book, todo: Sequence[str], tape: _Tape) -> errors.AlembookError | None:
    """Returns what stopped the project's own upgrade, or None."""
    try:
        driver.upgrade(
            book.target,
            book.database,
            book.session,
            revisions=todo,
            direction=book.plan().direction,
            guards=_guards(book, todo),
            run_id=book.folder.run_id,
            on_event=tape.take,
            invalid=book.plan().invalid_indexes,
        )
    except errors.StepFailed as error:
        return error
    return None


@dataclass(slots=True, kw_only=True)
class _Tape:
    """What the agent told: kept as events, as SQL per revision, and for the page."""

    book: Book
    spans: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)
    _sql: list[str] = field(default_factory=list)
    _revision: str = ""
    _began: float = field(default_factory=time.monotonic)
    _started: float = 0.0

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes one event of the agent."""
        self.book.agent_event(event)
        handle = {
            "revision_started": self._start,
            "statement": self._statement,
            "retry": self._retry,
            "revision_committed": self._commit,
            "failed": self._fail,
        }.get(event["event"])
        if handle:
            handle(event)

    def _start(self, event: Mapping[str, Any]) -> None:
        self._revision, self._sql, self._started = event["revision"], [], time.monotonic()

    def _statement(self, event: Mapping[str, Any]) -> None:
        self.statements.append(
            {
                "revision": event.get("revision") or "",
                "ms": event["ms"],
                "rows": event["rows"],
                "statement": " ".join(event["sql"].split())[:200],
            }
        )
        self._sql.append(f"-- {event['ms']:.1f} ms, {event['rows']} rows\n{event['sql'].strip()};\n")

    def _retry(self, _: Mapping[str, Any]) -> None:
        self._span("retried")
        self._started = time.monotonic()

    def _commit(self, event: Mapping[str, Any]) -> None:
        self._span("committed")
        self.committed.append(event["revision"])
        self._write("")

    def _fail(self, _: Mapping[str, Any]) -> None:
        if self._revision:
            self._span("failed")
            self._write("-- failed and rolled back\n")

    def _span(self, outcome: str) -> None:
        now = time.monotonic()
        times = {"start_s": round(self._started - self._began, 3), "seconds": round(now - self._started, 3)}
        self.spans.append({"label": self._revision, **times, "outcome": outcome})

    def _write(self, note: str) -> None:
        number = len(self.spans)
        name = f"s{self.book.stage}_{number:02d}_{self._revision}"
        path = self.book.folder.attempt_path(f"sql/{name}", ".sql")
        self.book.folder.write_sql(path.stem, note + "\n".join(self._sql))
        self._revision, self._sql = "", []


def _todo(book: Book, plan: Plan, stage: Stage) -> list[str]:
    """Returns what is left of a stage, after holding files and database against the plan."""
    standing.require_unchanged(book.target, plan)
    with connections.closing(book.connect()) as connection:
        current = state.read(connection, plan.version_table, plan.version_table_schema) or ()
        begun = {*_begun(book, plan), *ledger.applied(connection, book.target.ledger, book.folder.run_id)}
    standing.require_own(plan, current, begun)
    return standing.left_of_stage(plan, stage, current)


def _begun(book: Book, plan: Plan) -> set[str]:
    """Returns the revisions this run began, by the events of its agents."""
    writers = [f"{notebook_stem('upgrade', stage.number)}.agent" for stage in plan.stages]
    events = [event for writer in writers for event in book.folder.events_of(writer)]
    return {event["revision"] for event in events if event["event"] == "revision_started"}


def _described(plan: Plan, revision: str) -> dict[str, str]:
    entry = plan.revision(revision)
    return {"revision": entry.id, "what": entry.doc, "file": entry.file, "sha256": entry.sha256[:12]}


def _guards(book: Book, todo: Sequence[str]) -> dict[str, list[driver.Guard]]:
    """Returns what must be true inside a revision's own transaction: no row of the backfill before it is pending."""
    plan = book.plan()
    if plan.direction == "down":
        return {}
    found: dict[str, list[driver.Guard]] = {}
    for each in declaration.load(book.target.folder / plan.script_folder / "backfills"):
        if each.before and each.before in todo:
            guard = driver.Guard(name=each.name, table=each.table, pending=each.pending)
            found.setdefault(each.before, []).append(guard)
    return found


def _judge(book: Book, stage: Stage, error: errors.AlembookError | None) -> list[Check]:
    """Judges by what a new connection finds, whatever the agent said."""
    plan = book.plan()
    with connections.closing(book.connect()) as connection:
        current = state.read(connection, plan.version_table, plan.version_table_schema) or ()
        invalid = catalog.invalid_indexes(connection)
    left = standing.left_of_stage(plan, stage, current)
    new = sorted(set(invalid) - set(plan.invalid_indexes))
    return [
        Check(
            name=f"stage {stage.number} is {'taken back' if plan.direction == 'down' else 'applied'}",
            outcome=Outcome.FAILED if left or error else Outcome.PASSED,
            expected=f"{len(stage.revisions)} revisions",
            found=f"{len(stage.revisions) - len(left)} revisions; the database is at {', '.join(current) or 'base'}",
            why=error.what if error else "",
            next=error.next if error else "",
        ),
        Check(
            name="no index became invalid",
            outcome=Outcome.FAILED if new else Outcome.PASSED,
            expected="none",
            found=", ".join(new) or "none",
            next="DROP INDEX CONCURRENTLY each of them, then build it again." if new else "",
        ),
        Check(
            name="the run's locks were held to the end",
            grade=Grade.MUST,
            outcome=_held(book),
            expected="held",
            found="held" if _held(book) is Outcome.PASSED else "lost",
        ),
    ]


def _held(book: Book) -> Outcome:
    try:
        book.require_session()
    except errors.SessionLost:
        return Outcome.FAILED
    return Outcome.PASSED
