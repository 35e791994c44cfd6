"""What became of the schema: what the run changed, and what somebody else did meanwhile.

The fingerprint of the database is noted when an upgrade begins and when it ends. What differs between a beginning and
its end is the run's; what differs between an end and whatever follows it, verification included, is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from alembook import archive
from alembook.archive.events import now
from alembook.postgres import connection as connections
from alembook.postgres import fingerprint
from alembook.postgres.fingerprint import Difference, Fingerprint
from alembook.project import state
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_STEM = "schema"
#: Columns of the table of changes.
COLUMNS = ["by", "when", "kind", "object", "before", "after"]
_SHOWN = 50
_NOT_THERE = "not there"
#: How a definition ends when something is there and does not do its work.
_IDLE = (
    *("; DISABLED", "; INVALID", " NOT VALID", " NOT ENFORCED", "; enabled R"),
    *("; its triggers are DISABLED", "; its triggers fire for replicas only"),
)
_WORKERS = ("trigger ", "constraint ", "index ", "column ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The schema at one moment of the run.

    Attributes:
        role: "begin" or "end" of an upgrade, or "verify".
        when: of which ("upgrade.s1").
        at: UTC, ISO 8601.
        schema: what was there.
        rows: the version rows then.
        has_failed: it is the end of an upgrade that failed, and may have committed a part of a revision.
    """

    role: str
    when: str
    at: str
    schema: Fingerprint
    rows: tuple[str, ...] = ()
    has_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that became another, and who did it ("the run", "others")."""

    by: str
    when: str
    what: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What became of the schema from the run's beginning to now.

    Attributes:
        first: the schema before the change; None when it was not noted.
        last: the schema now.
        changes: in the order they were noted.
    """

    first: Fingerprint | None
    last: Fingerprint
    changes: tuple[Change, ...]

    def frame(self) -> pd.DataFrame:
        """Returns one row per change: by, when, kind, object, before, after (str)."""
        rows = [
            (each.by, each.when, each.what.kind, each.what.name, text(each.what.before), text(each.what.after))
            for each in sorted(self.changes, key=lambda each: each.by == "the run")
        ]
        return pd.DataFrame(rows, columns=COLUMNS)


def note(book: Book, role: str, *, has_failed: bool = False) -> None:
    """Notes the schema as it is now. Raises as ``fingerprint.read``."""
    then, plan = moments(book), book.plan()
    with connections.closing(book.connect()) as connection:
        found = read(book, connection)
        rows = state.read(connection, plan.version_table, plan.version_table_schema) or ()
    is_same = bool(then) and then[-1].schema.digest == found.digest
    kept: dict[str, Any] = {"digest": found.digest} if is_same else found.to_json()
    moment = {"role": role, "when": book.stem, "at": now(), "rows": list(rows), "has_failed": has_failed}
    book.folder.write_receipt(_STEM, {**moment, **kept})


def read(book: Book, connection: connections.Connection) -> Fingerprint:
    """Returns the fingerprint of a database, Alembook's own schema left out."""
    return fingerprint.read(connection, leave_out_schemas=[book.target.ledger] if book.target.ledger else [])


def moments(book: Book) -> list[Moment]:
    """Returns what was noted so far, oldest first."""
    return recorded(book.folder)


def recorded(run: archive.RunFolder) -> list[Moment]:
    """Returns what a run noted, oldest first."""
    found: list[Moment] = []
    for path in run.attempts(_STEM, ".json"):
        value = archive.read_json(path)
        schema = Fingerprint.from_json(value) if "objects" in value else found[-1].schema
        place = {"role": value["role"], "when": value["when"], "at": value["at"]}
        has_failed = bool(value.get("has_failed"))
        found.append(Moment(**place, schema=schema, rows=tuple(value.get("rows", ())), has_failed=has_failed))
    return found


def judge(noted: Sequence[Moment], last: Fingerprint) -> Drift:
    """Returns who changed what.

    Args:
        noted: the run's moments, oldest first.
        last: the schema as verification finds it.
    """
    whole = [*noted, Moment(role="verify", when="verify", at="", schema=last)]
    return Drift(first=noted[0].schema if noted else None, last=last, changes=tuple(_changes(whole)))


def _changes(noted: Sequence[Moment]) -> Iterator[Change]:
    for number, (then, later) in enumerate(pairwise(noted)):
        is_own = then.role == "begin"  # one that was killed has no end: what follows its beginning is its own
        undone = _made_again(noted[number + 1 :]) if then.has_failed else set()
        for each in then.schema.differences(later.schema):
            is_undone = (each.kind, each.name) in undone
            yield Change(
                by="the run" if is_own or is_undone else "others",
                when=then.when
                if is_own
                else f"undone by hand after {then.when}"
                if is_undone
                else f"after {then.when}",
                what=each,
            )


def _made_again(noted: Sequence[Moment]) -> set[tuple[str, str]]:
    """Returns kind and name of what the next attempt changes again.

    Whoever undoes by hand what a failed revision committed, as the error asks for, clears the way for the run.
    """
    if len(noted) < 2 or noted[0].role != "begin":
        return set()
    return {(each.kind, each.name) for each in noted[0].schema.differences(noted[1].schema)}


def checks(drift: Drift) -> list[Check]:
    """Returns what is to be said of the schema, one check for each object that somebody else changed."""
    if drift.first is None:
        return [_unseen()]
    others = [each for each in drift.changes if each.by == "others"]
    kept = wholes([each.what for each in others])
    others = [each for each in others if each.what in kept]
    objects = f"{len(drift.last.objects):,} objects"
    if not others:
        own = f"{objects}; the run changed {len(drift.changes):,}"
        untouched = Check(name="the schema is as the run left it", outcome=Outcome.PASSED, expected=objects, found=own)
        return [untouched, _weaker(drift)]
    return [*map(_by_others, others[:_SHOWN]), *_beyond(others), _weaker(drift)]


def wholes(found: Sequence[Difference]) -> list[Difference]:
    """Returns the differences without the parts of tables and schemas that came or went as a whole."""
    gone = [each for each in found if each.kind in {"table", "schema"} and None in {each.before, each.after}]
    return [each for each in found if not any(_is_part(each, whole) for whole in gone)]


def _is_part(what: Difference, whole: Difference) -> bool:
    if what.kind == whole.kind:
        return False
    definition, name = f"{what.before or what.after} ", whole.name
    if what.name.startswith(f"{name}."):
        return True
    marks = (f" ON {name} ", f" REFERENCES {name}(", f"owned by {name}.")
    return whole.kind == "table" and any(mark in definition for mark in marks)


def _unseen() -> Check:
    return Check(
        name="the schema is as the run left it",
        outcome=Outcome.UNVERIFIED,
        why="it was not noted before the change",
        next="Begin a new run: its upgrade notes the schema.",
    )


def _by_others(change: Change) -> Check:
    what = change.what
    is_new = what.before is None
    return Check(
        name=f"{what.kind} {what.name} is as the run left it",
        subject=what.name,
        grade=Grade.SHOULD if is_new else Grade.MUST,
        outcome=Outcome.FAILED,
        expected=text(what.before),
        found=text(what.after),
        why=f"somebody else changed it, {change.when}",
        next="Find out who made it and whether it is meant; the run did not."
        if is_new
        else f"Find out who changed it. Put {what.kind} {what.name} back as it was, then verify again; "
        "if the change was meant, let a revision make it.",
    )


def _beyond(others: Sequence[Change]) -> list[Check]:
    if len(others) <= _SHOWN:
        return []
    return [
        Check(
            name="the schema is as the run left it",
            outcome=Outcome.FAILED,
            expected="no object changed by others",
            found=f"{len(others):,} changed; {_SHOWN} of them are named above",
            next="See tables/schema_changes.csv for all of them.",
        )
    ]


def _weaker(drift: Drift) -> Check:
    """Judges whether the run left something standing that does not do its work."""
    first = drift.first.objects if drift.first else {}
    idle = [name for name, text in drift.last.objects.items() if _is_idle(text) and not _is_idle(first.get(name, ""))]
    idle = [name for name in idle if name.startswith(_WORKERS)]
    by_others = {f"{each.what.kind} {each.what.name}" for each in drift.changes if each.by == "others"}
    left = sorted(set(idle) - by_others)
    return Check(
        name="the run left nothing disabled or not valid",
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if left else Outcome.PASSED,
        expected="none",
        found=", ".join(left[:10]) or "none",
        why="a trigger, constraint or index that stands there and does not do its work" if left else "",
        next="Enable or validate it, in a revision that follows." if left else "",
    )


def _is_idle(definition: str) -> bool:
    return definition.endswith(_IDLE)


def text(definition: str | None) -> str:
    """Returns a definition for a table of a page, cut to what a person reads."""
    if definition is None:
        return _NOT_THERE
    text = " ".join(definition.split()) or "plain"
    return text if len(text) <= 200 else f"{text[:200]}..."
