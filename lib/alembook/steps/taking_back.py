"""The way back by downgrade: revisions are taken back under the guards of an upgrade, then everything is compared."""

from __future__ import annotations

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.project import driver, state
from alembook.snapshots import comparison, evidence, measurement
from alembook.steps import before, losses, rolled, standing, touched
from alembook.steps.replacing import Outcomes
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.steps.tape import SPANS, Tape
from alembook.verdict import Check, Grade, Outcome

STEM = "taking_back"


def downgrade(book: Book, taken: Rolled, *, accept: str) -> Outcomes:
    """Takes back what a run applied; a failure is in what is returned.

    Args:
        book: of the rollback.
        taken: the run that is taken back.
        accept: the tables whose loss was accepted.
    """
    done = Outcomes(lost=losses.of_downgrade(taken))
    try:
        todo = rolled.applied(taken)[::-1]
        standing.require_unchanged(book.target, taken.plan)
        done.checks.append(losses.check(done.lost, accept))
        done.error = losses.waiting(book, taken, done.lost, accept, state="Nothing was changed.")
        if done.is_stopped:
            return done
        book.folder.write_receipt(STEM, {"revisions": todo, "from": list(taken.current), "to": list(taken.plan.start)})
        _drive(book, todo, done)
        if done.error is None:
            done.checks += _compared(book, taken, accept=accept)
        done.kept["the dump"] = str((taken.backup or {}).get("folder", "none"))
    except errors.AlembookError as error:
        done.error = error
    return done


def _drive(book: Book, todo: list[str], done: Outcomes) -> None:
    tape = Tape(book=book)
    done.is_changed = True
    try:
        driver.upgrade(
            book.target,
            book.database,
            book.session,
            revisions=todo,
            direction="down",
            guards={},
            run_id=book.folder.run_id,
            on_event=tape.take,
        )
    except errors.StepFailed as error:
        done.error = error
    done.spans = pd.DataFrame(tape.spans, columns=SPANS)
    book.folder.write_table("timeline", done.spans)


def _compared(book: Book, taken: Rolled, *, accept: str) -> list[Check]:
    """Holds the database against what the run had measured before its first revision."""
    then, key = before.taken(taken.book), before.key(taken.book)
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        now = before.measure(book, connection, earlier=then.columns, only=then.scope.tables)
        executed = touched.executed(taken.book, connection)
        rows = state.read(connection, taken.plan.version_table, taken.plan.version_table_schema) or ()
    names = {f"{row['schema']}.{row['table']}" for row in now.tables.to_dict("records")}
    version = {taken.plan.version_table: {evidence.EVERY}}
    unread = {**then.unread, **now.unread, **({} if key else dict.fromkeys(names, before.lost_key(taken.book)))}
    counted = comparison.compare(
        then.tables, now.tables, expected={taken.plan.version_table: len(taken.plan.start)}, left_out=now.left_out
    )
    found = evidence.judge(
        then.columns,
        evidence.keyed(now.columns, key),
        evidence.Known(
            changes=comparison.placed(version, names),
            unread={name: why for name, why in unread.items() if name in names},
            apart=now.apart,
            traffic=names - executed if book.target.writers == "running" else (),
        ),
    )
    book.folder.write_table("comparison", evidence.merge(counted, found))
    judged = [_started(taken, rows), *comparison.checks(counted), *evidence.checks(found)]
    return [_expected(check, accept) for check in judged]


def _started(taken: Rolled, rows: tuple[str, ...]) -> Check:
    return Check(
        name="the database is where the run began",
        outcome=Outcome.PASSED if set(rows) == set(taken.plan.start) else Outcome.FAILED,
        expected=taken.start,
        found=", ".join(rows) or "base",
    )


def _expected(check: Check, accept: str) -> Check:
    """Returns the check of a table whose loss was accepted as a should: it was known, and people said so."""
    names = losses.accepted(accept)
    is_known = check.subject in names or losses.EVERYTHING in names
    if check.outcome is Outcome.PASSED or not check.subject or not is_known:
        return check
    values = {name: getattr(check, name) for name in check.__dataclass_fields__}
    return Check(**{**values, "grade": Grade.SHOULD, "why": f"its loss was accepted; {check.why}"})
