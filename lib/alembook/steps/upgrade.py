"""Step upgrade: the revisions of one stage, each in a commit of its own, through the project's own ``env.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from alembook import display, errors
from alembook.backfills import declaration
from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Difference
from alembook.project import driver, ledger, state
from alembook.project.plan import Plan, Stage
from alembook.steps import applied, before, cost, drift, gate, planning, predicted, schemas, standing, window
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book, notebook_stem
from alembook.steps.tape import SPANS, STATEMENTS, Tape
from alembook.verdict import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade(Receipt):
    """Receipt of a stage's upgrade.

    Attributes:
        spans: one row per attempt at a revision: label (str), start_s, seconds (float), outcome (committed, failed,
            retried).
        executed: one row per statement: revision (str), ms (float), rows (int), statement (str).
        changes: one row per committed revision and table: inserted, updated, deleted (Int64; missing = not counted).
        objects: one row per object the revisions made, changed or removed: kind, object, before, after (str).
        beside: one row per revision, rehearsed and actual, as ``predicted.COLUMNS``.
        error: what stopped it; None when every revision was committed.
    """

    spans: pd.DataFrame
    executed: pd.DataFrame
    changes: pd.DataFrame
    objects: pd.DataFrame
    beside: pd.DataFrame
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

    def rows_changed(self) -> display.Html:
        """Returns the rows each revision changed itself, as the server counted them in its transaction."""
        return display.table(self.changes, limit=200, empty="no revision changed a row")

    def objects_changed(self) -> display.Html:
        """Returns the objects of the schema that are not what they were."""
        return display.table(self.objects, limit=200, empty="no object is another one than before")

    def predicted(self) -> display.Html:
        """Returns each revision as it was rehearsed, and as it went."""
        return display.table(self.beside, verdict="verdict", limit=200, empty="no revision of it was rehearsed")

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
    """Returns the revisions ``apply`` will apply, in order, and what measuring before them will read.

    Raises:
        errors.ConfigurationError: a check cannot be used.
        errors.PlanChanged: a file or the database differs from the plan.
    """
    plan = book.plan()
    todo = _todo(book, plan, plan.stage(book.stage))
    rows = [{"order": n, **_described(plan, revision)} for n, revision in enumerate(todo, start=1)]
    table = display.table(pd.DataFrame(rows), empty="every revision of this stage is applied already")
    return display.together(table, cost.told(book))


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
        return Upgrade.of(book.skipped(), **_frames(Tape(book=book), ()))
    book.require_session()
    if not book.is_rehearsal:
        window.require_open(book.target.limits)
    still = [gate.nothing_is_dumped(book), *schemas.at_the_beginning(book)]
    allowed = (*gate.judge(book), *book.with_waivers(still))
    if not Gate(checks=allowed).is_open:
        return Upgrade.of(book.finish(allowed, {}), **_frames(Tape(book=book), ()))
    plan = book.plan()
    stage = plan.stage(book.stage)
    todo = _todo(book, plan, stage)
    if not book.is_rehearsal:
        planning.require_same(book, plan)
    drift.note(book, "begin")
    before.take(book)
    tape = Tape(book=book)
    error = _drive(book, todo, tape) if todo else None
    tape.end()
    drift.note(book, "end", has_failed=error is not None)
    changed = applied.objects(book)
    held, beside = predicted.upgraded(book, tape)
    receipt = book.finish(
        [*applied.judge(book, stage, error, changed), *held, *allowed],
        {
            "revisions": list(stage.revisions),
            "applied_now": tape.committed,
            "statements": len(tape.statements),
            "retries": sum(span["outcome"] == "retried" for span in tape.spans),
            "changes": tape.changes,
            "predicted": predicted.records(beside),
            **({"error": "\n".join(error.lines())} if error else {}),
        },
    )
    frames = {**_frames(tape, changed), "beside": beside}
    book.folder.write_table(f"timeline.s{book.stage}", frames["spans"])
    book.folder.write_table(f"rows_changed.s{book.stage}", frames["changes"])
    return Upgrade.of(receipt, **frames, error=error)


def _frames(tape: Tape, changed: Sequence[Difference]) -> dict[str, pd.DataFrame]:
    return {
        "spans": pd.DataFrame(tape.spans, columns=SPANS),
        "executed": pd.DataFrame(tape.statements, columns=STATEMENTS),
        "changes": tape.rows_changed(),
        "objects": applied.frame(changed),
        "beside": pd.DataFrame(columns=predicted.COLUMNS),
    }


def drive(book: Book) -> errors.AlembookError | None:
    """Applies a stage as ``apply`` does and judges nothing; returns what stopped it, or None."""
    return _drive(book, book.plan().stage(book.stage).revisions, Tape(book=book))


def _drive(book: Book, todo: Sequence[str], tape: Tape) -> errors.AlembookError | None:
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
            is_rehearsal=book.is_rehearsal,
            rehearsed=predicted.sql(book),
        )
    except errors.StepFailed as error:
        return error
    return None


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
