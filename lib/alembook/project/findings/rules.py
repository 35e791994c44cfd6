"""What each operation of a revision means for the target as it is now. Decides; nothing is executed but counting."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from alembook.project.findings import retyping
from alembook.project.findings.advice import ADVICE
from alembook.project.findings.catalogue import Catalogue, Table
from alembook.project.findings.finding import Finding
from alembook.project.findings.operation import Operation
from alembook.verdict import Grade

_VOLATILE = re.compile(
    r"\b(gen_random_uuid|uuid_generate_v\w+|uuidv[47]|random|clock_timestamp|timeofday|nextval)\s*\(", re.IGNORECASE
)
_LISTED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an operation stands.

    Attributes:
        revision: its id.
        catalogue: of the target.
        created: tables the plan makes before it, or in the same revision: empty, and nobody else's yet.
        changed: tables whose rows the plan changes or removes before it.
    """

    revision: str
    catalogue: Catalogue
    created: frozenset[str]
    changed: frozenset[str]

    def existing(self, name: str) -> Table | None:
        """Returns a table that others use already."""
        return None if name in self.created else self.catalogue.table(name)

    def finding(self, rule: str, operation: Operation, *, grade: Grade = Grade.SHOULD, **more: str) -> Finding:
        """Returns a finding on an operation, with what is said of its rule and the size of its table."""
        table = self.catalogue.table(operation.table)
        advice = ADVICE[rule]
        return Finding(
            revision=self.revision,
            rule=rule,
            operation=operation.text(),
            line=operation.line,
            table=operation.table,
            rows=table.rows if table else None,
            size_bytes=table.size_bytes if table else None,
            lock=advice.lock,
            why=advice.why,
            next=advice.next,
            grade=grade,
            **more,
        )

    def by_size(self, rule: str, operation: Operation, **more: str) -> Iterator[Finding]:
        """Yields a finding that weighs should on a large table, may on a small one; none on the plan's own."""
        table = self.existing(operation.table)
        if table is not None:
            yield self.finding(rule, operation, grade=Grade.SHOULD if table.is_large else Grade.MAY, **more)


def judge(operation: Operation, place: Place) -> Iterator[Finding]:
    """Yields what is to be said of one operation."""
    rule = _RULES.get(operation.kind)
    if rule is not None:
        yield from rule(operation, place)
    for referent in operation.referents if operation.kind in {"create_table", "add_column"} else ():
        if place.existing(referent) is not None:
            yield place.finding("references", operation, grade=Grade.MAY, found=f"it points at {referent}")


def _drop_table(operation: Operation, place: Place) -> Iterator[Finding]:
    if operation.table not in place.created:
        found = _listed(place.catalogue.dependents(operation.table, None))
        yield place.finding("drop-table", operation, found=found)


def _drop_column(operation: Operation, place: Place) -> Iterator[Finding]:
    if operation.table not in place.created:
        found = _listed(place.catalogue.dependents(operation.table, operation.column))
        yield place.finding("drop-column", operation, found=found)


def _listed(dependents: list[str]) -> str:
    more = f" and {len(dependents) - _LISTED} more" if len(dependents) > _LISTED else ""
    return f"depends on it: {', '.join(dependents[:_LISTED])}{more}" if dependents else ""


def _alter_column(operation: Operation, place: Place) -> Iterator[Finding]:
    if "renames" in operation.traits and operation.table not in place.created:
        yield place.finding("rename", operation)
    table = place.existing(operation.table)
    column = table.columns.get(operation.column) if table else None
    if column is None:
        return
    if operation.type:
        yield from _retype(operation, place, column[0])
    if operation.is_nullable is False and not column[1]:
        condition = f"{place.catalogue.quoted_column(operation.column)} IS NULL"
        query, answer = place.catalogue.count(operation.table, condition)
        yield place.finding("not-null", operation, found=f"{answer} without a value", query=query)


def _retype(operation: Operation, place: Place, old: str) -> Iterator[Finding]:
    change = retyping.change(old, operation.type)
    what = f"{old} becomes {operation.type}"
    if change.kind == "narrows":
        quoted = place.catalogue.quoted_column(operation.column)
        query, answer = place.catalogue.count(operation.table, change.misfit.format(column=quoted))
        lost = ""
        if change.rounded:
            rounding, number = place.catalogue.count(operation.table, change.rounded.format(column=quoted))
            query, lost = f"{query};\n{rounding}", f", {number} would be rounded"
        yield place.finding("type-narrows", operation, found=f"{what}; {answer} would not fit{lost}", query=query)
    elif change.kind == "rewrites":
        yield from place.by_size("type-rewrites", operation, found=what)


def _add_column(operation: Operation, place: Place) -> Iterator[Finding]:
    if place.existing(operation.table) is None:
        return
    stored = operation.traits & {"computed", "identity"}
    if operation.is_nullable is False and operation.default is None and not stored:
        yield from _required(operation, place)
    if operation.default is not None and _VOLATILE.search(operation.default):
        yield from place.by_size("volatile-default", operation, found=f"DEFAULT {operation.default}")
    if stored:
        yield from place.by_size("stored-column", operation)
    if "unique" in operation.traits:
        yield from place.by_size("unique", operation)


def _required(operation: Operation, place: Place) -> Iterator[Finding]:
    """Yields must only where rows are there now and nothing the plan does first could remove them."""
    has_rows = place.catalogue.has_rows(operation.table)
    is_sure = has_rows and operation.table not in place.changed and "conditional" not in operation.traits
    grade = Grade.MUST if is_sure else Grade.SHOULD
    yield place.finding(
        "required-column", operation, grade=grade, found="it has rows" if has_rows else "it has no row now"
    )


def _create_index(operation: Operation, place: Place) -> Iterator[Finding]:
    if "concurrently" not in operation.traits:
        yield from place.by_size("plain-index", operation)
        return
    if "autocommit" not in operation.traits:
        yield place.finding("concurrently-in-transaction", operation)
    if "if_not_exists" in operation.traits:
        yield place.finding("keeps-invalid-index", operation)


def _unless_not_valid(rule: str) -> Callable[[Operation, Place], Iterator[Finding]]:
    def judged(operation: Operation, place: Place) -> Iterator[Finding]:
        if "not_valid" not in operation.traits:
            yield from place.by_size(rule, operation)

    return judged


def _data(operation: Operation, place: Place) -> Iterator[Finding]:
    table = place.existing(operation.table)
    is_whole = operation.kind in {"update", "delete"} and "batched" not in operation.traits
    if table is None and operation.table:
        yield place.finding("data-change", operation, grade=Grade.MAY)
    elif is_whole and table is not None and table.is_large:
        yield place.finding("unbatched", operation)
    else:
        grade = Grade.MAY if table is not None and not table.is_large else Grade.SHOULD
        yield place.finding("unbatched" if is_whole else "data-change", operation, grade=grade)


def _simply(rule: str, grade: Grade = Grade.SHOULD) -> Callable[[Operation, Place], Iterator[Finding]]:
    def judged(operation: Operation, place: Place) -> Iterator[Finding]:
        if operation.table not in place.created:
            yield place.finding(rule, operation, grade=grade)

    return judged


_RULES: dict[str, Callable[[Operation, Place], Iterator[Finding]]] = {
    "drop_table": _drop_table,
    "drop_column": _drop_column,
    "alter_column": _alter_column,
    "rename_table": _simply("rename"),
    "add_column": _add_column,
    "create_index": _create_index,
    "create_foreign_key": _unless_not_valid("foreign-key"),
    "create_check_constraint": _unless_not_valid("check"),
    "create_unique_constraint": _unless_not_valid("unique"),
    "create_primary_key": _unless_not_valid("unique"),
    "create_exclude_constraint": _unless_not_valid("unique"),
    "update": _data,
    "delete": _data,
    "insert": _data,
    "truncate": _simply("truncate"),
    "do": _simply("code-block", Grade.MAY),
    "enum_value": _simply("enum-value", Grade.MAY),
}
