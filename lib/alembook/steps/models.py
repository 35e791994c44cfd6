"""The project's models against the database, before and after, by Alembic's own comparison.

What differed before the change is not the change's doing. Behind the heads everything the pending revisions will do
counts as a difference, so what is left afterwards and was not there before is new.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alembook import errors
from alembook.project import driver
from alembook.steps import standing
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_NAME = "the models agree with the database as they did before"
_WRITES = "env.py writes"
_SHOWN = 10


def before(book: Book) -> dict[str, Any]:
    """Returns how the models differ before the change, for the receipt: "differences" and "why"."""
    return _compared(book, is_behind=True)


def _compared(book: Book, *, is_behind: bool) -> dict[str, Any]:
    try:
        found = driver.compare(book.target, book.database, book.session, log=book.agent_event, is_behind=is_behind)
    except errors.StepFailed as error:
        return {"differences": [], "why": error.what.removesuffix(".")}
    return {"differences": list(found.differences), "why": found.why}


def check(book: Book, then: Mapping[str, Any] | None) -> Check:
    """Judges whether the models differ from the database in something they did not differ in before.

    Only a *should*: Alembic sees differences where there are none (server defaults, expressions of indexes).

    Args:
        book: with a plan whose end is reached.
        then: as ``before`` returned it; None when nothing was noted.
    """
    now = _compared(book, is_behind=False)
    if now["why"] or then is None or then["why"]:
        return _unverified(now["why"] or (f"before the change: {then['why']}" if then else "not noted before"))
    new = [each for each in now["differences"] if each not in then["differences"]]
    old = len(now["differences"]) - len(new)
    return Check(
        name=_NAME,
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if new else Outcome.PASSED,
        expected="no new difference",
        found=" ".join(new[:_SHOWN]) or "no new difference",
        why=f"{len(new):,} new by Alembic's comparison, {old:,} that were there before" if new or old else "",
        next="Write the revision that is missing, or correct the models." if new else "",
    )


def _unverified(why: str) -> Check:
    is_writing = why.startswith(_WRITES)
    return Check(
        name=_NAME,
        grade=Grade.SHOULD if is_writing else Grade.MAY,
        outcome=Outcome.UNVERIFIED,
        expected="no new difference",
        why=why,
        next="Let env.py write nothing when it is loaded."
        if is_writing
        else "Run `alembic check` where it can be run.",
    )


def is_asked(book: Book) -> bool:
    """Says whether the models can say anything: those of the newest revision speak of a database that is there."""
    plan = book.plan()
    return plan.direction == "up" and bool(standing.end(plan))
