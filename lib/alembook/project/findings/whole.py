"""What is to be said of a revision as a whole: its size, its way back, its docstring, its id."""

from __future__ import annotations

from collections.abc import Iterator

from alembook.project.findings.advice import ADVICE
from alembook.project.findings.finding import Finding
from alembook.project.findings.rules import Place
from alembook.project.findings.source import Source
from alembook.verdict import Grade

MANY_OPERATIONS = 12
#: Width of ``version_num`` as Alembic makes it.
VERSION_WIDTH = 32
#: Operations that take ACCESS EXCLUSIVE; all need the table's owner, but for truncate, which can be granted.
LOCKING = frozenset(
    "alter_table add_column alter_column drop_column drop_table create_unique_constraint create_check_constraint "
    "create_primary_key drop_constraint drop_index rename_table truncate create_exclude_constraint".split()
)
_MAKES = {"create_table": "drop_table", "add_column": "drop_column"}


def judge(source: Source, place: Place) -> Iterator[Finding]:
    """Yields what is to be said of the revision itself."""
    if not source.docstring:
        yield _said(place, "no-docstring", "no docstring", grade=Grade.MAY)
    if source.skips_offline:
        yield _said(place, "skips-offline", "is_offline_mode")
    yield from _size(source, place)
    yield from _way_back(source, place)


def _size(source: Source, place: Place) -> Iterator[Finding]:
    locked = [op.table for op in source.upgrade if op.kind in LOCKING and place.existing(op.table)]
    tables = list(dict.fromkeys(locked))
    if len(tables) > 1:
        large = any((found := place.existing(name)) is not None and found.is_large for name in tables)
        grade = Grade.SHOULD if large else Grade.MAY
        yield _said(place, "many-tables", f"{len(tables)} tables: {', '.join(tables)}", grade=grade)
    if len(source.upgrade) > MANY_OPERATIONS and tables:
        yield _said(place, "many-operations", f"{len(source.upgrade)} operations", grade=Grade.MAY)


def _way_back(source: Source, place: Place) -> Iterator[Finding]:
    if source.has_upgrade and not source.has_downgrade:
        yield _said(place, "no-way-back", "downgrade does nothing")
    made = {(_MAKES[op.kind], op.table, op.column) for op in source.upgrade if op.kind in _MAKES}
    lost = [op.text() for op in source.downgrade if (op.kind, op.table, op.column) in made]
    if lost:
        yield _said(place, "lossy-downgrade", f"{len(lost)}: {'; '.join(lost[:6])}", grade=Grade.MAY)


def long_id(revision: str, width: int | None, *, may_be_widened: bool) -> Iterator[Finding]:
    """Yields a finding for an id the version column cannot take.

    Args:
        revision: the id.
        width: of the column; 0 = any length, None = there is no version table yet (Alembic makes one of 32).
        may_be_widened: a revision of the plan names the version table: it is not sure to fail.
    """
    limit = VERSION_WIDTH if width is None else width
    if limit and len(revision) > limit:
        advice = ADVICE["long-id"]
        yield Finding(
            revision=revision,
            rule="long-id",
            operation=f"{len(revision)} characters, and the version column takes {limit}",
            why=advice.why,
            next=advice.next,
            grade=Grade.SHOULD if may_be_widened or width is None else Grade.MUST,
        )


def _said(place: Place, rule: str, operation: str, *, grade: Grade = Grade.SHOULD) -> Finding:
    advice = ADVICE[rule]
    return Finding(
        revision=place.revision,
        rule=rule,
        operation=operation,
        lock=advice.lock,
        why=advice.why,
        next=advice.next,
        grade=grade,
    )
