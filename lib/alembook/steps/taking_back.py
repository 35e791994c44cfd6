"""The way back by downgrade: revisions are taken back under the guards of an upgrade, then everything is compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Fingerprint
from alembook.project import driver, state
from alembook.snapshots import comparison, evidence, measurement
from alembook.steps import before, drift, dropping, equals, losses, rolled, standing, touched, wayback, whole
from alembook.steps.replacing import Outcomes
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.steps.tape import SPANS, Tape
from alembook.verdict import Check, Grade, Outcome

STEM = "taking_back"
_SCHEMA = "the schema is as it was before the run"
_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Then:
    """What the database was before the run, by its record.

    Attributes:
        before: as measured right before the first revision.
        backup: what the backup was made of; None when the run made none.
        noted: the schema at each moment of the run.
    """

    before: before.Before
    backup: whole.Whole | None
    noted: list[drift.Moment]


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
        done.lost += dropping.written(book, taken)
        done.checks.append(losses.check(done.lost, accept))
        done.error = losses.waiting(book, taken, done.lost, accept, state="Nothing was changed.")
        if done.is_stopped:
            return done
        then = _then(taken)
        with connections.closing(book.connect()) as connection:
            found = drift.read(book, connection)
        began = {"revisions": todo, "from": list(taken.current), "to": list(taken.plan.start)}
        book.folder.write_receipt(STEM, {**began, "schema": found.to_json()})
        _drive(book, todo, done)
        if done.error is None:
            done.checks += _compared(book, taken, then, losses.known(done.lost, accept))
        done.kept["the database"] = "is the same one; what its downgrades lost is in the dump alone"
        done.kept["the dump"] = str((taken.backup or {}).get("folder", "none"))
    except errors.AlembookError as error:
        done.error = error
    return done


def _then(taken: Rolled) -> _Then:
    """Returns what the record says of before. Raises errors.ArchiveFailed where a table of it is missing."""
    return _Then(
        before=before.taken(taken.book),
        backup=whole.read(taken.book, taken.backup) if taken.backup else None,
        noted=drift.recorded(taken.book.folder),
    )


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


def _compared(book: Book, taken: Rolled, then: _Then, known: set[str]) -> list[Check]:
    """Holds the database against what the run had measured before its first revision, and against its backup."""
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        found = before.measure(book, connection, earlier=then.before.columns, only=then.before.scope.tables)
        executed = touched.executed(taken.book, connection)
        rows = state.read(connection, taken.plan.version_table, taken.plan.version_table_schema) or ()
        schema = drift.read(book, connection)
    key = before.key(taken.book)
    names = before.names(found)
    now = replace(
        found,
        columns=evidence.keyed(found.columns, key),
        unread={**found.unread, **({} if key else dict.fromkeys(names, before.lost_key(taken.book)))},
    )
    traffic = names - executed if book.target.writers == "running" else set()
    checks = [_schema(book, taken, then, schema)]
    if then.backup:
        checks += equals.checks(then.backup.found, then.before, now, without=known, traffic=traffic)
    checks += _tables(book, taken, then.before, now, traffic)
    return [_started(taken, rows), *(_expected(check, taken, known) for check in checks)]


def _tables(
    book: Book, taken: Rolled, then: before.Before, now: measurement.Measurement, traffic: set[str]
) -> list[Check]:
    """Judges table by table; one the run did not touch may have other rows while others write."""
    names = before.names(now)
    version = taken.plan.version_table
    counted = comparison.compare(
        then.tables,
        now.tables,
        expected={version: len(taken.plan.start)},
        left_out=now.left_out,
        left_out_before={name: why for name, why in then.left_out.items() if then.scope.holds(name)},
        own=dict.fromkeys(traffic - comparison.placed({version: 0}, names).keys(), 0),
    )
    unread = {name: why for name, why in {**then.unread, **now.unread}.items() if name in names}
    changes = comparison.placed({version: {evidence.EVERY}}, names)
    excused = dict.fromkeys(traffic, evidence.TRAFFIC)
    known = evidence.Known(changes=changes, unread=unread, apart=now.apart, traffic=excused)
    found = evidence.judge(then.columns, now.columns, known)
    book.folder.write_table("comparison", evidence.merge(counted, found))
    return [*comparison.checks(counted), *evidence.checks(found)]


def _started(taken: Rolled, rows: tuple[str, ...]) -> Check:
    return Check(
        name="the database is where the run began",
        outcome=Outcome.PASSED if set(rows) == set(taken.plan.start) else Outcome.FAILED,
        expected=taken.start,
        found=", ".join(rows) or "base",
    )


def _schema(book: Book, taken: Rolled, then: _Then, now: Fingerprint) -> Check:
    """Judges whether every object that the run or its way back had to do with is what it was; others' are named."""
    if not then.noted:
        why = "it was not noted before the change"
        return Check(name=_SCHEMA, grade=Grade.SHOULD, outcome=Outcome.UNVERIFIED, why=why, next="Look at it yourself.")
    first = then.noted[0].schema
    began = Fingerprint.from_json(archive.read_json(book.folder.attempts(STEM, ".json")[0])["schema"])
    own = {
        (each.what.kind, each.what.name) for each in drift.judge(then.noted, began).changes if each.by == "the run"
    } | {(each.kind, each.name) for each in began.differences(now)}
    table = taken.plan.version_table
    differing = [each for each in first.differences(now) if not wayback.is_alembics(each, table)]
    wrong = [each.sentence() for each in differing if (each.kind, each.name) in own]
    others = [each.sentence() for each in differing if (each.kind, each.name) not in own]
    told = "; ".join([*wrong, *(f"{text}, by others" for text in others)][:_LISTED])
    return Check(
        name=_SCHEMA,
        subject="schema",
        grade=Grade.MUST if wrong or not others else Grade.SHOULD,
        outcome=Outcome.FAILED if differing else Outcome.PASSED,
        expected=f"{len(first.objects):,} objects",
        found=f"{len(differing):,} differ" if differing else "the same",
        why=told,
        next="" if wrong or not others else "Find out who made it; the run did not, and its way back left it.",
    )


def _expected(check: Check, taken: Rolled, known: set[str]) -> Check:
    """Returns a check that is not PASSED with what people said of it: a loss that was accepted is a should."""
    if check.outcome is Outcome.PASSED or check.grade is not Grade.MUST:
        return check
    if losses.EVERYTHING in known or check.subject in known:
        look = f"What was lost is in the dump: {(taken.backup or {}).get('folder', 'there is none')}."
        why = f"its loss was accepted; {check.why}".removesuffix("; ")
        return replace(check, grade=Grade.SHOULD, why=why, next=look)
    if not check.subject:
        return check
    again = f"`alembook rollback {taken.run_id} --by"
    word = f"or accept it: {again} downgrade --accept-loss '{', '.join(sorted({*known, check.subject}))}'`."
    return replace(check, next=f"Bring the backup back: {again} restore`; {word}")
