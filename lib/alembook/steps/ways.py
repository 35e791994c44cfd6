"""What the target's way back needs, asked in inspect: what is missing then can still be had."""

from __future__ import annotations

from collections.abc import Sequence

from alembook.postgres import connection as connections
from alembook.postgres import obstacles
from alembook.project.findings import Review
from alembook.project.plan import Plan
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome


def checks(book: Book, plan: Plan, review: Review) -> Sequence[Check]:
    """Returns what the way back needs, each judged: a must for a protected target, else a should.

    Raises:
        errors.QueryFailed: the server does not say.
    """
    if not plan.stages:
        return []
    grade = Grade.MUST if book.target.protected else Grade.SHOULD
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
