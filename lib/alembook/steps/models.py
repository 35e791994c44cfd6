"""The project's models against the database, before and after, by Alembic's own comparison.

What differed before the change is not the change's doing. Behind the heads everything the pending revisions will do
counts as a difference, so what is left afterwards and was not there before is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alembook import errors
from alembook.postgres import fingerprint
from alembook.postgres.fingerprint import Fingerprint
from alembook.project import driver
from alembook.steps import standing
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_NAME = "the models agree with the database as they did before"
_DETAILS = "types, defaults and comments of the models agree as they did before"
_WRITES = "env.py writes"
_SHOWN = 10


def before(book: Book) -> dict[str, Any]:
    """Returns how the models differ before the change, for the receipt: "differences" and "why"."""
    found = _compared(book, is_behind=True)
    return {name: found[name] for name in ("differences", "why")}


def _compared(book: Book, *, is_behind: bool) -> dict[str, Any]:
    try:
        found = driver.compare(book.target, book.database, book.session, log=book.agent_event, is_behind=is_behind)
    except errors.StepFailed as error:
        return {"differences": [], "structural": {}, "why": error.what.removesuffix(".")}
    return {"differences": list(found.differences), "structural": dict(found.structural), "why": found.why}


def checks(book: Book, then: Mapping[str, Any] | None, schema: Fingerprint) -> list[Check]:
    """Judges whether the models differ from the database in something they did not differ in before.

    A table, column, index, constraint or foreign key that is on one side only is a *must*: the plan ends at the heads,
    which the models belong to. The rest is a *should*: Alembic sees differences in types, server defaults and
    expressions of indexes where there are none. So are tables that no revision need make: partitions, an extension's.

    Args:
        book: with a plan whose end is reached.
        then: as ``before`` returned it; None when nothing was noted.
        schema: of the database now.
    """
    now = _compared(book, is_behind=False)
    if now["why"] or then is None or then["why"]:
        return [_unverified(now["why"] or (f"before the change: {then['why']}" if then else "not noted before"))]
    new = [each for each in now["differences"] if each not in then["differences"]]
    own = [each for each in new if _is_the_projects(now["structural"].get(each), schema)]
    old = f"{len(now['differences']) - len(new):,} that were there before"
    lesser = [each for each in new if each not in own]
    return [_judged(_NAME, Grade.MUST, own, old), _judged(_DETAILS, Grade.SHOULD, lesser, old)]


def _judged(name: str, grade: Grade, new: Sequence[str], old: str) -> Check:
    return Check(
        name=name,
        grade=grade,
        outcome=Outcome.FAILED if new else Outcome.PASSED,
        expected="no new difference",
        found=" ".join(new[:_SHOWN]) or "no new difference",
        why=f"{len(new):,} new by Alembic's comparison, {old}" if new or not old.startswith("0 ") else "",
        next="Write the revision that is missing, or correct the models." if new else "",
    )


def _is_the_projects(place: tuple[str, str] | None, schema: Fingerprint) -> bool:
    """Says whether a difference is one of the structure that the project's revisions have to account for."""
    if place is None:
        return False
    table, side = place
    if side == "models":
        return True
    texts = [text for name, text in schema.objects.items() if name.startswith("table ") and _is_named(name, table)]
    return any(not fingerprint.is_partition(text) for text in texts)


def _is_named(name: str, table: str) -> bool:
    """Says whether an object ("table public.orders") is what the models call "orders" or "public.orders"."""
    whole = name.removeprefix("table ").replace('"', "")
    return whole == table or ("." not in table and whole.partition(".")[2] == table)


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
