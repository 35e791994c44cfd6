"""What the target's way back and its copies need, asked in inspect: what is missing then can still be had."""

from __future__ import annotations

from collections.abc import Sequence

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import needs, obstacles, scratch
from alembook.project.findings import Review
from alembook.project.plan import Plan
from alembook.steps import left
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

#: Why there is no place for a copy.
_NO_PLACE = (errors.ScratchUnfit, errors.ConfigurationError, errors.Unreachable, errors.AccessRefused)


def checks(book: Book, plan: Plan, review: Review) -> Sequence[Check]:
    """Returns what the way back needs, each judged: a must for a protected target, else a should.

    Raises:
        errors.QueryFailed: the server does not say.
    """
    if not plan.stages:
        return []
    grade = Grade.MUST if book.target.protected else Grade.SHOULD
    return [*_place(book, grade), left.check(book.target, book.folder.path.parents[1]), *_back(book, review, grade)]


def _back(book: Book, review: Review, grade: Grade) -> Sequence[Check]:
    if book.target.way_back == "downgrade":
        return [_can_be_taken_back(review, grade)]
    if book.target.way_back == "external":
        return [_somebody_else(book, grade)]
    with connections.closing(book.connect()) as connection:
        name = str(connections.scalar(connection, "SELECT current_database()"))
        found = obstacles.read(connection, name)
        return [
            *([_of_another_maker(grade)] if book.target.backup.command else []),
            *obstacles.checks(found, grade=grade),
            obstacles.room(connection, grade=grade),
        ]


def _place(book: Book, grade: Grade) -> list[Check]:
    """Judges whether the backup will have a place to be restored and rehearsed in, where alembook.toml names one."""
    target = book.target
    named = Check(
        name="rehearsal.scratch says where copies are made",
        grade=grade,
        outcome=Outcome.PASSED if target.scratch else Outcome.FAILED,
        expected="a server named on purpose",
        found=str(target.scratch or "it is not set"),
        why="" if target.scratch else "what is protected is not copied to where nobody chose.",
        next="" if target.scratch else f"Set it in [targets.{target.name}.rehearsal]; see docs/configuration.md.",
    )
    if target.scratch is None:
        return [named] if target.protected else []
    return [named, *([] if target.scratch.kind == "embedded" else [_fits(book, grade)])]


def _fits(book: Book, grade: Grade) -> Check:
    with connections.closing(book.connect()) as connection:
        needed = needs.read(connection)
    found, error = "", None
    try:
        found = scratch.place(book.target, needed).label()
    except _NO_PLACE as caught:
        error = caught
    return Check(
        name="the backup can be restored there",
        grade=grade,
        outcome=Outcome.UNVERIFIED if error else Outcome.PASSED,
        expected="a server that fits, and the right CREATEDB",
        found="not now" if error else found,
        why=f"{error.what} {error.why}" if error else "",
        next=error.next if error else "",
    )


def _can_be_taken_back(review: Review, grade: Grade) -> Check:
    """Judges by the source; what is lost on that way only the rehearsal sees."""
    empty = [finding.revision for finding in review.findings if finding.rule == "no-way-back"]
    return Check(
        name="every revision can be taken back",
        grade=grade,
        outcome=Outcome.FAILED if empty else Outcome.PASSED,
        expected="a downgrade that does something",
        found=f"none in {', '.join(empty)}" if empty else "each has one",
        next="Write the downgrade, or set way_back to restore." if empty else "",
    )


def _somebody_else(book: Book, grade: Grade) -> Check:
    has = bool(book.target.backup.command)
    return Check(
        name="somebody else can bring the database back",
        grade=grade,
        outcome=Outcome.PASSED if has else Outcome.UNVERIFIED,
        expected="backup.command, whose maker restores it",
        found="it is set" if has else "it is not set",
        why="" if has else "Alembook cannot know of a backup that is made elsewhere.",
        next="" if has else "Set backup.command and backup.proof_command, or set way_back to restore.",
    )


def _of_another_maker(grade: Grade) -> Check:
    return Check(
        name="Alembook can restore the backup",
        grade=grade,
        outcome=Outcome.FAILED,
        expected="a dump of its own",
        found="backup.command makes it",
        next="Set way_back to external: whoever makes the backup brings it back.",
    )
