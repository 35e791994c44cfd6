"""The project's models against the database, before and after, by Alembic's own comparison.

What differed before the change is not the change's doing. Behind the heads everything the pending revisions will do
counts as a difference, so what is left afterwards and was not there before is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alembook import errors
from alembook.postgres import fingerprint
from alembook.project import driver
from alembook.steps import standing
from alembook.steps.drift import Drift
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_NAME = "the models agree with the database as they did before"
_DETAILS = "what the models say besides agrees as it did before"
_WRITES = "env.py writes"
#: What the agent says where there are no models; env.py is the plan's, so it stays so.
_NO_MODELS = "env.py gives Alembic no target_metadata"
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


def checks(book: Book, then: Mapping[str, Any] | None, schema: Drift) -> list[Check]:
    """Judges whether the models differ from the database in something they did not differ in before.

    A table, column, index, constraint or foreign key that is on one side only is a *must*: the plan ends at the heads,
    which the models belong to. A *should* is what the run's own revisions made and no model names, as many a project
    has it; what no revision need make, partitions and an extension's tables; and the rest: Alembic sees differences in
    types, server defaults and expressions of indexes where there are none.

    Args:
        book: with a plan whose end is reached.
        then: as ``before`` returned it; None when nothing was noted.
        schema: what became of the schema.
    """
    if then is not None and then["why"] == _NO_MODELS:
        return [_unverified(_NO_MODELS)]
    now = _compared(book, is_behind=False)
    if now["why"] or then is None or then["why"]:
        return [_unverified(now["why"] or (f"before the change: {then['why']}" if then else "not noted before"))]
    new = [each for each in now["differences"] if each not in then["differences"]]
    found = now["structural"]
    own = [each for each in new if each in found and _is_nobodys(found[each], schema)]
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


def _is_nobodys(part: driver.Part, schema: Drift) -> bool:
    """Says whether a part is one that the project's revisions would have to account for, and do not."""
    if part.side == "models":
        return True
    tables = {name: text for name, text in schema.last.objects.items() if _is_named(name, "table", part.table)}
    if all(fingerprint.is_partition(text) for text in tables.values()):
        return False
    named = part.name if part.kind == "index" else f"{part.table}.{part.name}".removesuffix(".")
    made = (each.what for each in schema.changes if each.by == "the run" and each.what.before is None)
    return not any(_is_named(f"{what.kind} {what.name}", part.kind, named) for what in made)


def _is_named(whole: str, kind: str, name: str) -> bool:
    """Says whether an object ("table public.orders") is what the models call "orders", or "public.orders"."""
    plain = whole.replace('"', "")
    return plain == f"{kind} {name}" or (plain.startswith(f"{kind} ") and plain.partition(".")[2] == name)


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
