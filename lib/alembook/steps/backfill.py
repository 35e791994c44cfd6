"""Step backfill: the data of one stage moves in batches that commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import display, errors
from alembook.backfills import batch, declaration, engine, keyed
from alembook.postgres import connection as connections
from alembook.steps import before, cost, drift, gate, predicted, standing, window
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Gate, Outcome

_BATCHES = ["backfill", "at_s", "rows", "ms"]
_DONE = ["backfill", "table", "rows", "batches", "seconds", "rows_per_s", "resumed", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill(Receipt):
    """Receipt of a stage's backfills.

    Attributes:
        batches: one row per batch: backfill (str), at_s (float, since the start), rows (int), ms (float).
        done: one row per backfill.
        beside: one row per backfill, rehearsed and actual, as ``predicted.BACKFILLS``.
        error: what stopped it; None when none is pending any more.
    """

    batches: pd.DataFrame
    done: pd.DataFrame
    beside: pd.DataFrame
    error: errors.AlembookError | None = None

    def throughput(self) -> display.Plot | display.Html:
        """Returns rows over time and milliseconds per batch."""
        return display.throughput(self.batches)

    def backfills(self) -> display.Html:
        """Returns each backfill with its rows, batches and time."""
        return display.table(self.done, empty="this stage has no backfill")

    def predicted(self) -> display.Html:
        """Returns each backfill as it was rehearsed, and as it went."""
        return display.table(self.beside, verdict="verdict", empty="no backfill of it was rehearsed")

    def require(self) -> display.Html:
        """Returns the open gate.

        Raises:
            errors.AlembookError: what stopped a backfill, as it was.
            errors.CheckFailed, errors.CheckUnverified: the gate is closed.
        """
        if self.error:
            raise self.error
        return super(Backfill, self).require()


def _of_stage(book: Book) -> list[declaration.Backfill]:
    """Returns the stage's backfills in the plan's order, after holding files and database against the plan."""
    plan = book.plan()
    standing.require_unchanged(book.target, plan)
    declared = {each.name: each for each in declaration.load(book.target.folder / plan.script_folder / "backfills")}
    return [declared[name] for name in plan.stage(book.stage).backfills]


def preview(book: Book) -> display.Html:
    """Returns each backfill of the stage with its pending rows, and what measuring before them will read.

    Raises:
        errors.ConfigurationError: a check cannot be used.
        errors.PlanChanged: a file or the database differs from the plan.
        errors.QueryFailed: ``pending`` cannot be evaluated.
    """
    with connections.closing(book.connect()) as connection:
        rows = [
            {
                "backfill": each.name,
                "table": each.table,
                "key": ", ".join(each.key),
                "pending_rows": batch.pending(connection, keyed.read(connection, each)),
                "where": each.pending,
            }
            for each in _of_stage(book)
        ]
    return display.together(display.table(pd.DataFrame(rows), empty="this stage has no backfill"), cost.told(book))


def run(book: Book) -> Backfill:
    """Runs the stage's backfills to their end and returns the receipt; a failure is in it, and raised by ``require``.

    Raises:
        errors.Waiting: the stage before ends in a hold that nobody released.
        errors.ProtectedTarget: the target's name was not confirmed.
        errors.PlanChanged: a file or the database differs from the plan; nothing was moved.
        errors.SessionLost: the run's locks are gone; nothing was moved.
    """
    columns = {"batches": _BATCHES, "done": _DONE, "beside": predicted.BACKFILLS}
    nothing = {name: pd.DataFrame(columns=each) for name, each in columns.items()}
    if book.dry_run:
        return Backfill.of(book.skipped(), **nothing)
    book.require_session()
    allowed = gate.judge(book)
    if not Gate(checks=allowed).is_open:
        return Backfill.of(book.finish(allowed, {}), **nothing)
    outcomes: list[tuple[declaration.Backfill, engine.Outcome]] = []
    error, declared = None, _of_stage(book)
    if not drift.moments(book):  # a plan may begin with a backfill: its revisions were applied by an earlier run
        drift.note(book, "end")  # of nothing: no batch changes the schema, so what does is somebody else
    before.take(book)
    for each in declared:
        try:
            outcomes.append((each, _one(book, each)))
        except errors.StepFailed as failure:
            error = failure
            break
    done = pd.DataFrame([_summary(each, outcome) for each, outcome in outcomes], columns=_DONE)
    frames = [_batches(each, outcome) for each, outcome in outcomes]
    batches = pd.concat(frames) if frames else pd.DataFrame(columns=_BATCHES)
    book.folder.write_table(f"batches.s{book.stage}", batches)
    held, beside = predicted.filled(book, done)
    receipt = book.finish(
        [*_judge(outcomes, error), *held, *allowed],
        {
            "backfills": done.to_dict("records"),
            "rows": int(done["rows"].sum()),
            "predicted": predicted.records(beside),
            **({"error": "\n".join(error.lines())} if error else {}),
        },
    )
    return Backfill.of(receipt, batches=batches, done=done, beside=beside, error=error)


def _one(book: Book, each: declaration.Backfill) -> engine.Outcome:
    book.event("backfill_started", name=each.name)
    return engine.run(
        each,
        connect=lambda: _writing(book),
        policy=book.target.backfill,
        attempts=book.target.limits.lock_attempts,
        ledger=book.target.ledger,
        run_id=book.folder.run_id,
        still_right=lambda: _may_go_on(book),
        on_batch=lambda told: book.event(f"backfill_{told['event']}", name=each.name, **_without_event(told)),
    )


def _may_go_on(book: Book) -> None:
    """Does nothing while the run's locks are held and the maintenance window is open: asked before each batch."""
    book.require_session()
    if not book.is_rehearsal and window.check(book.target.limits).outcome is not Outcome.PASSED:
        raise errors.BackfillFailed(
            "The maintenance window closed before the backfill's next batch.",
            why=f"limits.window of the target is {book.target.limits.window}.",
            next="Go on with this run when it opens again: it goes on after the last batch.",
            state="every batch that was begun is committed; nothing is half done.",
        )


def _writing(book: Book) -> connections.Connection:
    """Returns a connection that may write, after it has seen the run's locks itself: it is in the right database."""
    connection = book.connect(read_only=False, settings=_bounds(book))
    book.require_session(connection)
    return connection


def _bounds(book: Book) -> dict[str, str]:
    limits = book.target.limits
    return {"lock_timeout": f"{limits.lock_timeout_ms}ms", "statement_timeout": f"{limits.statement_timeout_ms}ms"}


def _without_event(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "event"}


def _batches(each: declaration.Backfill, outcome: engine.Outcome) -> pd.DataFrame:
    frame = outcome.frame
    at_s = (frame["at"] - frame["at"].iloc[0]).dt.total_seconds() + frame["ms"].iloc[0] / 1000 if len(frame) else []
    return frame.assign(backfill=each.name, at_s=at_s)[_BATCHES]


def _summary(each: declaration.Backfill, outcome: engine.Outcome) -> dict[str, Any]:
    return {
        "backfill": each.name,
        "table": each.table,
        "rows": outcome.rows_done,
        "batches": outcome.batches,
        "seconds": round(outcome.seconds, 3),
        "rows_per_s": round(outcome.rows_done / outcome.seconds) if outcome.seconds else 0,
        "resumed": bool(outcome.resumed_from),
        "pending": outcome.pending_after,
    }


def _judge(
    outcomes: list[tuple[declaration.Backfill, engine.Outcome]], error: errors.AlembookError | None
) -> list[Check]:
    judged = [
        Check(
            name=f"no row of {each.table} is pending for {each.name}",
            subject=each.table,
            outcome=Outcome.FAILED if outcome.pending_after else Outcome.PASSED,
            expected="0 rows",
            found=f"{outcome.pending_after:,} rows",
            next="Run the backfill again; if rows stay, its apply does not make them non-pending."
            if outcome.pending_after
            else "",
            query=each.pending,
        )
        for each, outcome in outcomes
    ]
    if error:
        judged.append(
            Check(name="the backfills ran to their end", outcome=Outcome.FAILED, why=error.what, next=error.next)
        )
    return judged
