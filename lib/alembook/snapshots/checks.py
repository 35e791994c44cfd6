"""Judging declared checks: values taken before a change, and what became of them.

``before`` runs every query that speaks of the time before; its values are JSON and rest in a receipt. ``after`` judges
``content`` and ``none`` rules against the database as it is then; ``rows`` rules are judged table by table in
``comparison``, to which ``BeforeValues`` hands their numbers. A query that fails is UNVERIFIED; the others still run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeGuard, TypeVar

from alembook import errors
from alembook.postgres import connection as connections
from alembook.snapshots import census, content, question
from alembook.snapshots.comparison import rows_text
from alembook.snapshots.rules import CensusRule, ChangesRule, ContentRule, Declared, NoneRule, RowsRule, declare, load
from alembook.verdict import Check, Grade, Outcome

__all__ = [
    "BeforeValues",
    "ChangesRule",
    "ContentRule",
    "Declared",
    "NoneRule",
    "RowsRule",
    "after",
    "before",
    "changes",
    "declare",
    "load",
]

_Rule = TypeVar("_Rule", RowsRule, ChangesRule, ContentRule, NoneRule, CensusRule)

#: A ``none`` query's rows are counted up to here.
COUNTED_ROWS = 100_000
_STOP = "Do not go on: compare the two queries' rows with the backup, then repair or roll back."
_NO_NUMBER = "its query must return one row of one whole number"
_CORRECT = "Correct the query where it is declared; if its time ran out, raise limits.check_timeout_s in alembook.toml."


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeValues:
    """What declared checks need to know of the time before.

    Attributes:
        rows: table as its rule names it -> {"grade", and "expected" (rows) or "failed" (why there is no number)}.
        content: name of the rule -> a fingerprint ({"rows", "buckets"}), or {"failed"}.
        census: name of the rule -> as ``census.count``.
    """

    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    content: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    census: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns it as a receipt holds it."""
        return {"rows": dict(self.rows), "content": dict(self.content), "census": dict(self.census)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BeforeValues:
        """Returns what ``to_json`` gave."""
        return cls(rows=value["rows"], content=value["content"], census=value["census"])

    def expected(self) -> dict[str, int]:
        """Returns table -> rows it must have afterwards."""
        return {table: value["expected"] for table, value in self.rows.items() if "expected" in value}

    def unknown(self) -> dict[str, str]:
        """Returns table -> why its rule has no number."""
        return {table: value["failed"] for table, value in self.rows.items() if "failed" in value}

    def grades(self) -> dict[str, Grade]:
        """Returns table -> how much its rule weighs."""
        return {table: Grade(value["grade"]) for table, value in self.rows.items()}


def before(
    connection: connections.Connection,
    declared: Declared,
    key: bytes,
    *,
    applied: Sequence[str],
    timeout_s: float,
) -> BeforeValues:
    """Runs every query that speaks of the time before the change.

    Args:
        connection: inside the transaction ``measurement.snapshot`` opened.
        declared: the rules.
        key: the plan's secret; ``after`` needs the same one.
        applied: revisions this plan applies, in order. A rule with another ``from_revision`` is skipped; of two
            ``rows`` rules of one table the one of the later revision counts.
        timeout_s: limit for each query, seconds.

    Raises:
        errors.QueryFailed: the connection was lost. A query that fails is recorded as failed instead.
    """
    rows: dict[str, dict[str, Any]] = {}
    for rule in sorted(_held(declared.rows, applied), key=lambda rule: _position(rule, applied)):
        rows[rule.table] = {"grade": rule.grade.value, **_expected(connection, rule.expected, timeout_s)}
    kept = {rule.name: _kept(connection, rule, key, timeout_s) for rule in _held(declared.content, applied)}
    counted = {
        rule.name: census.count(connection, rule, timeout_s=timeout_s) for rule in _held(declared.census, applied)
    }
    return BeforeValues(rows=rows, content=kept, census=counted)


def changes(declared: Declared, applied: Sequence[str]) -> dict[str, set[str]]:
    """Returns table, as its rules name it -> columns that rules which hold let change."""
    found: dict[str, set[str]] = {}
    for rule in _held(declared.changes, applied):
        found.setdefault(rule.table, set()).update(rule.columns)
    return found


def _held(rules: Iterable[_Rule], applied: Sequence[str]) -> list[_Rule]:
    return [rule for rule in rules if not rule.from_revision or rule.from_revision in applied]


def _position(rule: RowsRule, applied: Sequence[str]) -> int:
    return applied.index(rule.from_revision) if rule.from_revision else -1


def _expected(connection: connections.Connection, query: str, timeout_s: float) -> dict[str, Any]:
    try:
        with question.ask(connection, query, timeout_s=timeout_s) as answers:
            found = answers.fetch(2)
    except errors.QueryFailed as error:
        return {"failed": question.reason(error)}
    value = found[0][0] if len(found) == 1 and len(found[0]) == 1 else None
    return {"expected": int(value)} if _is_whole(value) else {"failed": _NO_NUMBER}


def _is_whole(value: Any) -> TypeGuard[int | Decimal]:
    if isinstance(value, Decimal):
        return value.is_finite() and value == int(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _kept(connection: connections.Connection, rule: ContentRule, key: bytes, timeout_s: float) -> dict[str, Any]:
    try:
        return content.fingerprint(connection, rule.before, key=key, timeout_s=timeout_s).to_json()
    except errors.QueryFailed as error:
        return {"failed": question.reason(error)}
    except errors.ConfigurationError as error:
        return {"failed": error.what}


def after(
    connection: connections.Connection,
    declared: Declared,
    before: BeforeValues,
    key: bytes,
    *,
    applied: Sequence[str],
    timeout_s: float,
) -> list[Check]:
    """Judges the ``content`` and ``none`` rules against the database as it is now.

    Args:
        connection: inside the transaction ``measurement.snapshot`` opened.
        declared: the rules.
        before: what ``before`` returned, with the same key.
        key: the plan's secret.
        applied: revisions the plan applied; a rule with another ``from_revision`` is skipped.
        timeout_s: limit for each query, seconds.

    Returns:
        One check per rule that holds, in the order they are declared: content, then none, then census.

    Raises:
        errors.QueryFailed: the connection was lost. A query that fails is UNVERIFIED instead.
    """
    contents = [
        _judge_content(connection, rule, before.content.get(rule.name), key, timeout_s)
        for rule in _held(declared.content, applied)
    ]
    nones = [_judge_none(connection, rule, timeout_s) for rule in _held(declared.none, applied)]
    return (
        contents + nones + [_counted(connection, rule, before, timeout_s) for rule in _held(declared.census, applied)]
    )


def _counted(connection: connections.Connection, rule: CensusRule, before: BeforeValues, timeout_s: float) -> Check:
    now = census.count(connection, rule, timeout_s=timeout_s)
    return census.judge(rule, before.census.get(rule.name), now, census.query(connection, rule.table, rule.columns[0]))


def _judge_content(
    connection: connections.Connection,
    rule: ContentRule,
    kept: Mapping[str, Any] | None,
    key: bytes,
    timeout_s: float,
) -> Check:
    if kept is None or "failed" in kept:
        why = "no values were taken before the change" if kept is None else f"before the change: {kept['failed']}"
        return _unverified(rule, why, rule.before)
    try:
        now = content.fingerprint(connection, rule.after, key=key, timeout_s=timeout_s)
    except errors.QueryFailed as error:
        return _unverified(rule, question.reason(error), rule.after)
    except errors.ConfigurationError as error:
        return _unverified(rule, error.what, rule.after)
    return _compared(rule, content.Fingerprint.from_json(kept), now)


def _compared(rule: ContentRule, then: content.Fingerprint, now: content.Fingerprint) -> Check:
    differing = then.differing(now)
    least = max(differing, abs(then.rows - now.rows))
    found = f"{_values(now.rows)}, unchanged"
    if differing:
        found = f"{_values(now.rows)}; {differing} of {content.BUCKETS} groups of keys differ"
    return Check(
        name=rule.name,
        grade=rule.grade,
        outcome=Outcome.FAILED if differing else Outcome.PASSED,
        expected=f"{_values(then.rows)}, unchanged",
        found=found,
        why=f"at least {_values(least)} did not come through unaltered" if differing else "",
        next=_STOP if differing else "",
        query=rule.after,
    )


def _values(count: int) -> str:
    return f"{count:,} value" + ("" if count == 1 else "s")


def _judge_none(connection: connections.Connection, rule: NoneRule, timeout_s: float) -> Check:
    try:
        with question.ask(connection, rule.query, timeout_s=timeout_s) as answers:
            found = answers.count(COUNTED_ROWS + 1)
    except errors.QueryFailed as error:
        return _unverified(rule, question.reason(error), rule.query)
    is_open = found == 0
    return Check(
        name=rule.name,
        grade=rule.grade,
        outcome=Outcome.PASSED if is_open else Outcome.FAILED,
        expected="no row",
        found=_found(found),
        why="" if is_open else f"the query returns {_found(found)}, and each contradicts the statement",
        next="" if is_open else "Do not go on: run the query in psql to see the rows, then repair or roll back.",
        query=rule.query,
    )


def _found(count: int) -> str:
    if count > COUNTED_ROWS:
        return f"more than {COUNTED_ROWS:,} rows"
    return rows_text(count) if count else "no row"


def _unverified(rule: ContentRule | NoneRule, why: str, query: str) -> Check:
    return Check(name=rule.name, grade=rule.grade, outcome=Outcome.UNVERIFIED, why=why, next=_CORRECT, query=query)
