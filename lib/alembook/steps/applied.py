"""What a stage's upgrade left, as a new connection finds it, whatever the agent said."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from alembook import errors
from alembook.postgres import catalog
from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Difference
from alembook.project import part, state
from alembook.project.plan import Stage
from alembook.steps import drift, standing
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_SHOWN = 20
_NOT_VALID = " NOT VALID"
#: Columns of the table of objects.
OBJECTS = ["kind", "object", "before", "after"]


def objects(book: Book) -> tuple[Difference, ...]:
    """Returns what became of the schema between the last two moments that were noted: this upgrade's begin and end."""
    begin, end = drift.moments(book)[-2:]
    return begin.schema.differences(end.schema)


def frame(changed: Sequence[Difference]) -> pd.DataFrame:
    """Returns one row per object (``OBJECTS``), as text."""
    rows = [(each.kind, each.name, drift.text(each.before), drift.text(each.after)) for each in changed]
    return pd.DataFrame(rows, columns=OBJECTS)


def judge(book: Book, stage: Stage, error: errors.AlembookError | None, changed: Sequence[Difference]) -> list[Check]:
    """Judges what the stage left.

    Args:
        book: of the upgrade.
        stage: that was to be applied.
        error: what stopped it.
        changed: as ``objects``.
    """
    plan = book.plan()
    with connections.closing(book.connect()) as connection:
        current = state.read(connection, plan.version_table, plan.version_table_schema) or ()
        invalid = catalog.invalid_indexes(connection)
    left = standing.left_of_stage(plan, stage, current)
    return [
        Check(
            name=f"stage {stage.number} is {'taken back' if plan.direction == 'down' else 'applied'}",
            outcome=Outcome.FAILED if left or error else Outcome.PASSED,
            expected=f"{len(stage.revisions)} revisions",
            found=f"{len(stage.revisions) - len(left)} revisions; the database is at {', '.join(current) or 'base'}",
            why=error.what if error else "",
            next=error.next if error else "",
        ),
        _valid_indexes(sorted(set(invalid) - set(plan.invalid_indexes))),
        _validated(changed),
        Check(
            name="the run's locks were held to the end",
            grade=Grade.MUST,
            outcome=_held(book),
            expected="held",
            found="held" if _held(book) is Outcome.PASSED else "lost",
        ),
    ]


def _valid_indexes(new: Sequence[str]) -> Check:
    return Check(
        name="no index became invalid",
        outcome=Outcome.FAILED if new else Outcome.PASSED,
        expected="none",
        found=", ".join(new) or "none",
        why="a concurrent build failed: the index slows writes down and serves no query" if new else "",
        next=f"{' '.join(map(part.drop, new))} Then build it again by hand, or go on where its revision is not applied."
        if new
        else "",
    )


def _validated(changed: Sequence[Difference]) -> Check:
    """Judges whether the upgrade left constraints that hold for new rows only; some are meant to be validated later."""
    new = [
        each.name
        for each in changed
        if each.kind == "constraint"
        and (each.after or "").endswith(_NOT_VALID)
        and not (each.before or "").endswith(_NOT_VALID)
    ]
    more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
    return Check(
        name="no constraint was left unvalidated",
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if new else Outcome.PASSED,
        expected="none",
        found=f"{', '.join(new[:_SHOWN])}{more}" if new else "none",
        why="rows that were there before are not held to it" if new else "",
        next="ALTER TABLE ... VALIDATE CONSTRAINT in a revision that follows, when the old rows are right."
        if new
        else "",
    )


def _held(book: Book) -> Outcome:
    try:
        book.require_session()
    except errors.SessionLost:
        return Outcome.FAILED
    return Outcome.PASSED
