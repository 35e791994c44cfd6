"""Whether the database is what its version rows say: against its tables, the last recorded schema and the models."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from alembook import archive
from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Difference, Fingerprint
from alembook.project import driver, state
from alembook.project.findings.source import Source
from alembook.project.plan import Plan
from alembook.steps import drift
from alembook.steps.drift import Moment
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_SHOWN = 10
_LOOKED_BACK = 100
_WORD = re.compile(r"\w+")
#: How the definition of a partition begins or goes on (see fingerprint.sql).
_PARTITION = re.compile(r"(^|; )partition (FOR VALUES|DEFAULT)")
#: A table is perhaps not created: the source asks first.
_UNSURE = frozenset({"if_not_exists", "conditional"})
_STAMP = (
    "If they are this project's, find out which revision they are at (compare with a scratch database upgraded to it) "
    "and write that down with `alembic stamp`. If they are another application's, go on."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What was found beside the version rows.

    Attributes:
        found: where the database is; the kind tells of tables without rows and of a schema that differs.
        checks: what was judged.
    """

    found: state.State
    checks: tuple[Check, ...]


def read(
    book: Book, project: driver.Description, found: state.State, plan: Plan, connection: connections.Connection
) -> Stamp:
    """Returns whether the database is what its version rows say. Reads only.

    Args:
        book: the opened runbook.
        project: as it was described.
        found: what the version rows mean.
        plan: what is pending.
        connection: to the target, read-only.
    """
    if found.kind is state.Kind.UNSTAMPED:
        return Stamp(found=found, checks=(_unstamped(book, project, found, plan, connection),))
    if not found.is_stamped:
        return Stamp(found=found, checks=())
    checks, differing = _against_record(book, found, drift.read(book, connection), _words(project))
    if found.kind is state.Kind.AT_HEAD:
        checks.append(_models(book))
    return Stamp(found=found.differing(differing) if differing else found, checks=tuple(checks))


def own_tables(book: Book, project: driver.Description, names: Collection[tuple[str, str]]) -> list[str]:
    """Returns the tables, "schema.table", that are neither Alembic's nor Alembook's.

    Args:
        book: names Alembook's schema.
        project: names the version table.
        names: schema and table of each.
    """
    kept = [
        f"{schema}.{table}"
        for schema, table in names
        if schema != book.target.ledger and (schema, table) != (project.version_table_schema, project.version_table)
    ]
    return sorted(kept)


def _unstamped(
    book: Book, project: driver.Description, found: state.State, plan: Plan, connection: connections.Connection
) -> Check:
    """Judges tables without version rows: surely wrong where a pending revision creates one that is there."""
    there = drift.read(book, connection).objects
    created = _created(book, plan, project.version_table_schema or "public")
    again = [table for table in created if f"table {table}" in there]
    return Check(
        name="the tables that are there have a version row",
        grade=Grade.MUST if again else Grade.SHOULD,
        outcome=Outcome.FAILED,
        expected="a version row, or no table",
        found=f"no version row; the revisions create again: {', '.join(again[:_SHOWN])}" if again else "no version row",
        why=found.message,
        next=_STAMP,
    )


def _created(book: Book, plan: Plan, schema: str) -> list[str]:
    """Returns the tables, "schema.table", that pending revisions surely create, and drop in no earlier line."""
    if plan.direction == "down":
        return []
    found: dict[str, bool] = {}
    for entry in plan.revisions:
        text = (book.target.folder / entry.file).read_text(encoding="utf-8")
        for operation in Source.parse(text).upgrade:
            name = operation.table if "." in operation.table else f"{schema}.{operation.table}"
            if operation.kind in {"create_table", "drop_table"} and operation.table:
                found.setdefault(name, operation.kind == "create_table" and not operation.traits & _UNSURE)
    return [name for name, is_created in found.items() if is_created]


def _words(project: driver.Description) -> set[str]:
    """Returns every word of the project's revisions: a table whose name is none of them is somebody else's."""
    texts = (revision.file.read_text(encoding="utf-8") for revision in project.revisions)
    return {word for text in texts for word in _WORD.findall(text)}


def _against_record(
    book: Book, found: state.State, now: Fingerprint, words: Collection[str]
) -> tuple[list[Check], list[str]]:
    """Returns the checks of the schema against the last run that left the database here, and what they complain of."""
    then = _recorded(book, found.rows)
    if then is None:
        unseen = Check(
            name="tables and columns are as the last run left them",
            grade=Grade.MAY,
            outcome=Outcome.UNVERIFIED,
            expected="as recorded",
            why=f"no recorded run left this target at {', '.join(found.rows)}",
            next="Nothing: from this run on there is a record.",
        )
        return [unseen], []
    differences = then.schema.differences(now)
    grave = [each for each in differences if _is_grave(each, then.schema, words)]
    others = [each for each in differences if each not in grave]
    checks = [
        _same("tables and columns", Grade.MUST, grave, then),
        _same("indexes, constraints and other objects", Grade.SHOULD, others, then),
    ]
    return checks, [each.sentence() for each in grave]


def _recorded(book: Book, rows: Sequence[str]) -> Moment | None:
    """Returns the newest end of an upgrade on this target that left it at these version rows, among the latest runs."""
    root = book.folder.path.parent.parent
    for run in reversed(archive.runs(root, book.target.name)[-_LOOKED_BACK:]):
        for moment in reversed(drift.recorded(run)):
            if moment.role == "end" and not moment.has_failed and sorted(moment.rows) == sorted(rows):
                return moment
    return None


def _is_grave(difference: Difference, then: Fingerprint, words: Collection[str]) -> bool:
    """Says whether something the revisions stand on is gone or another.

    New objects and settings are not, nor a partition (they come and go), nor a table that no revision names.
    """
    is_column = difference.kind == "column"
    table = difference.name.rpartition(".")[0] if is_column else difference.name
    if _PARTITION.search(then.objects.get(f"table {table}", "")) or not set(_WORD.findall(_bare(table))) <= set(words):
        return False
    return difference.before is not None if is_column else difference.kind == "table" and difference.after is None


def _bare(table: str) -> str:
    return table.rpartition(".")[2]


def _same(what: str, grade: Grade, differences: Sequence[Difference], then: Moment) -> Check:
    named = "; ".join(each.sentence() for each in differences[:_SHOWN])
    more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return Check(
        name=f"{what} are as the last run left them",
        grade=grade,
        outcome=Outcome.FAILED if differences else Outcome.PASSED,
        expected=f"as recorded at {then.at}",
        found=named + more if differences else "the same",
        why="the version rows are those of the record, and the schema is another one" if differences else "",
        next=(
            "Find out who changed it. Put it back, or let a revision make the change; a change that was meant and is "
            "recorded elsewhere can be waived."
        )
        if differences
        else "",
    )


def _models(book: Book) -> Check:
    """Judges at head whether the models say what the database is; Alembic also sees differences that are none."""
    models = driver.compare(book.target, book.database, book.session, log=book.agent_event)
    outcome = Outcome.UNVERIFIED if models.why else Outcome.FAILED if models.differences else Outcome.PASSED
    count = len(models.differences)
    return Check(
        name="the models agree with the database",
        grade=Grade.MAY if models.why else Grade.SHOULD,
        outcome=outcome,
        expected="no difference",
        found=" ".join(models.differences[:_SHOWN]) or ("" if models.why else "no difference"),
        why=models.why or (f"{count} differences by Alembic's comparison" if count else ""),
        next="Write the revision that is missing, or correct the models." if models.differences else "",
    )
