"""The values of columns that hold few: which there are, and how often, before and after.

A value that an application no longer knows, or that nobody holds any more, changes no count and no checksum that a rule
lets change; a census names it. Its values enter the record, so it is made only where a check asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.snapshots import question
from alembook.snapshots.rules import CensusRule
from alembook.verdict import Check, Outcome

#: A column with more values than this is no enumeration.
MOST_VALUES = 100
_LENGTH = 63
_NULL = "NULL"


def count(connection: connections.Connection, rule: CensusRule, *, timeout_s: float) -> dict[str, Any]:
    """Returns the values of each column with how many rows have them.

    Args:
        connection: inside a read-only transaction.
        rule: with table and columns.
        timeout_s: limit for each column, seconds.

    Returns:
        "columns": column -> value as text -> rows; or "failed", why they were not counted.

    Raises:
        errors.QueryFailed: the connection was lost.
    """
    found: dict[str, dict[str, int]] = {}
    for column in rule.columns:
        try:
            with question.ask(connection, query(connection, rule.table, column), timeout_s=timeout_s) as answers:
                rows = answers.fetch(MOST_VALUES + 1)
        except errors.QueryFailed as error:
            return {"failed": question.reason(error)}
        if len(rows) > MOST_VALUES:
            return {"failed": f"{column} has more than {MOST_VALUES} values: it is no enumeration"}
        found[column] = {_shown(value): int(count) for value, count in rows}
    return {"columns": found}


def query(connection: connections.Connection, table: str, column: str) -> str:
    """Returns the query of a column's values and how often each occurs."""
    text = sql.SQL("SELECT {column}::text AS value, count(*) AS rows FROM {table} GROUP BY 1 ORDER BY 1").format(
        column=sql.Identifier(column), table=sql.Identifier(*table.split("."))
    )
    return text.as_string(connection)


def _shown(value: str | None) -> str:
    return _NULL if value is None else value[:_LENGTH]


def judge(rule: CensusRule, before: Mapping[str, Any] | None, after: Mapping[str, Any], text: str) -> Check:
    """Judges that no value was lost and none is new; that none is foreign where the rule says which may be.

    Args:
        rule: as declared.
        before: as ``count`` returned it before the change; None when it was not counted.
        after: the same, now.
        text: the query, for the record.
    """
    why = "no census was taken before the change" if before is None else before.get("failed") or after.get("failed")
    if why or before is None:
        return Check(
            name=rule.name,
            grade=rule.grade,
            outcome=Outcome.UNVERIFIED,
            why=str(why),
            next="Correct the check where it is declared; it names a table and columns of few values.",
            query=text,
        )
    wrong = [each for column in rule.columns for each in _wrong(rule, column, before["columns"], after["columns"])]
    told = [f"{column}: {_told(before['columns'][column], after['columns'][column])}" for column in rule.columns]
    return Check(
        name=rule.name,
        grade=rule.grade,
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        expected=f"no other value than {', '.join(rule.allowed)}" if rule.allowed else "the values there were before",
        found="; ".join(told),
        why="; ".join(wrong),
        next="Do not go on: find the rows with the query, then repair or roll back." if wrong else "",
        query=text,
    )


def _wrong(
    rule: CensusRule, column: str, before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]
) -> list[str]:
    then, now = before[column], after[column]
    if rule.allowed:
        return [f"{column} has {value}, which may not be" for value in now if value not in rule.allowed]
    lost = [f"{column} {value} is lost ({rows:,} before)" for value, rows in then.items() if value not in now]
    return lost + [f"{column} {value} is new ({rows:,} now)" for value, rows in now.items() if value not in then]


def _told(then: Mapping[str, int], now: Mapping[str, int]) -> str:
    values = dict.fromkeys([*then, *now])
    return ", ".join(f"{value} {then.get(value, 0):,} -> {now.get(value, 0):,}" for value in values)
