"""Declared checks: open, closed, could not run."""

from __future__ import annotations

import json

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import checks, measurement
from alembook.snapshots.checks import BeforeValues, ContentRule, Declared, NoneRule, RowsRule
from alembook.verdict import Check, Gate, Grade, Outcome

KEY = bytes(range(32))
CORRECT = "Correct the query where it is declared; if its time ran out, raise limits.check_timeout_s in alembook.toml."
SURVIVE = ContentRule(
    name="secrets survive",
    before="SELECT id AS key, secret AS value FROM old",
    after="SELECT id AS key, secret AS value FROM new",
)
MOVE = """
    CREATE TABLE old AS SELECT i AS id, 'sk-' || i AS secret FROM generate_series(1, 100) AS i;
    CREATE TABLE new AS SELECT * FROM old
"""
POINTS = NoneRule(name="every row has a secret", query="SELECT id FROM new WHERE secret IS NULL")


@pytest.fixture
def moved(connection: Connection) -> Connection:
    """Returns a connection to a database whose hundred secrets were moved from old to new."""
    connections.execute(connection, MOVE)
    return connection


@pytest.fixture
def moved18(connection18: Connection) -> Connection:
    """Returns the same on PostgreSQL 18."""
    connections.execute(connection18, MOVE)
    return connection18


def before(
    connection: Connection, declared: Declared, applied: tuple[str, ...] = (), timeout_s: float = 5
) -> BeforeValues:
    """Returns the values before, by way of a receipt's JSON."""
    with measurement.snapshot(connection):
        values = checks.before(connection, declared, KEY, applied=applied, timeout_s=timeout_s)
    return BeforeValues.from_json(json.loads(json.dumps(values.to_json())))


def after(
    connection: Connection,
    declared: Declared,
    values: BeforeValues,
    applied: tuple[str, ...] = (),
    timeout_s: float = 5,
) -> list[Check]:
    """Returns the checks after."""
    with measurement.snapshot(connection):
        return checks.after(connection, declared, values, KEY, applied=applied, timeout_s=timeout_s)


def rule(expected: str, *, table: str = "new", from_revision: str = "", grade: Grade = Grade.MUST) -> RowsRule:
    """Returns a rows rule."""
    name = f"rows of {table} {from_revision}"
    return RowsRule(name=name, table=table, expected=expected, from_revision=from_revision, grade=grade)


def test_content_and_none_that_hold_open_the_gate(moved: Connection) -> None:
    """Expected and found are numbers, never values."""
    declared = Declared(content=(SURVIVE,), none=(POINTS,))
    found = after(moved, declared, before(moved, declared))
    assert found == [
        Check(
            name="secrets survive",
            outcome=Outcome.PASSED,
            expected="100 values, unchanged",
            found="100 values, unchanged",
            query=SURVIVE.after,
        ),
        Check(
            name="every row has a secret", outcome=Outcome.PASSED, expected="no row", found="no row", query=POINTS.query
        ),
    ]
    assert Gate(checks=found).is_open


def test_content_and_none_that_do_not_hold_close_it(moved: Connection) -> None:
    """What differs is told by number; the rows stay in the database."""
    declared = Declared(content=(SURVIVE,), none=(POINTS,))
    values = before(moved, declared)
    connections.execute(moved, "UPDATE new SET secret = NULL WHERE id = 7")
    found = after(moved, declared, values)
    assert found == [
        Check(
            name="secrets survive",
            outcome=Outcome.FAILED,
            expected="100 values, unchanged",
            found="100 values; 1 of 256 groups of keys differ",
            why="at least 1 value did not come through unaltered",
            next="Do not go on: compare the two queries' rows with the backup, then repair or roll back.",
            query=SURVIVE.after,
        ),
        Check(
            name="every row has a secret",
            outcome=Outcome.FAILED,
            expected="no row",
            found="1 row",
            why="the query returns 1 row, and each contradicts the statement",
            next="Do not go on: run the query in psql to see the rows, then repair or roll back.",
            query=POINTS.query,
        ),
    ]
    with pytest.raises(errors.CheckFailed):
        Gate(checks=found).require("verify")


def test_a_query_that_cannot_run_is_unverified_and_the_others_run(moved: Connection) -> None:
    """SQLSTATE and message are kept; the gate is closed by what could not be judged."""
    declared = Declared(
        content=(
            ContentRule(name="gone", before="SELECT id AS key, lost AS value FROM old", after=SURVIVE.after),
            ContentRule(name="odd", before=SURVIVE.before, after="SELECT id FROM new"),
            ContentRule(name="later", before=SURVIVE.before, after="SELECT id AS key, lost AS value FROM new"),
            ContentRule(name="columns", before="SELECT id FROM old", after=SURVIVE.after),
        ),
        none=(
            NoneRule(name="slow", query="SELECT pg_sleep(9)"),
            NoneRule(name="two", query="SELECT 1; COMMIT; INSERT INTO new VALUES (1)"),
            NoneRule(name="value", query="SELECT secret::int FROM new", grade=Grade.MAY),
            POINTS,
        ),
    )
    found = after(moved, declared, before(moved, declared), timeout_s=0.2)
    reasons = {
        "gone": 'before the change: SQLSTATE 42703: column "lost" does not exist',
        "odd": "A content check returns the columns id.",
        "later": 'SQLSTATE 42703: column "lost" does not exist',
        "columns": "before the change: A content check returns the columns id.",
        "slow": "SQLSTATE 57014: canceling statement due to statement timeout",
        "two": "SQLSTATE 42P11: cannot open multi-query plan as cursor",
        "value": "SQLSTATE 22P02: invalid input syntax for type integer",
        "every row has a secret": "",
    }
    assert {check.name: check.why for check in found} == reasons
    assert {check.next for check in found} == {CORRECT, ""}
    assert [check.outcome for check in found] == [Outcome.UNVERIFIED] * 7 + [Outcome.PASSED]
    assert [check.grade for check in found[-2:]] == [Grade.MAY, Grade.MUST]
    with pytest.raises(errors.CheckUnverified):
        Gate(checks=found).require("verify")
    assert connections.scalar(moved, "SELECT count(*) FROM new") == 100


def test_what_was_not_taken_before_is_unverified(moved18: Connection) -> None:
    """A rule that came later has nothing to compare with."""
    (check,) = after(moved18, Declared(content=(SURVIVE,)), BeforeValues())
    assert (check.outcome, check.why) == (Outcome.UNVERIFIED, "no values were taken before the change")


def test_many_rows_are_counted_to_a_bound(moved18: Connection) -> None:
    """A query that returns millions is not read to its end."""
    declared = Declared(none=(NoneRule(name="many", query="SELECT generate_series(1, 300000)"),))
    (check,) = after(moved18, declared, BeforeValues())
    assert check.found == "more than 100,000 rows"


@pytest.mark.parametrize(
    ("expected", "kept"),
    [
        ("SELECT count(*) FROM old", {"expected": 100}),
        ("SELECT sum(1) FROM old", {"expected": 100}),
        ("SELECT 100::numeric", {"expected": 100}),
        ("SELECT 1.5", {"failed": "its query must return one row of one whole number"}),
        ("SELECT true", {"failed": "its query must return one row of one whole number"}),
        ("SELECT 'NaN'::numeric", {"failed": "its query must return one row of one whole number"}),
        ("SELECT 'Infinity'::numeric", {"failed": "its query must return one row of one whole number"}),
        ("SELECT '1'", {"failed": "its query must return one row of one whole number"}),
        ("SELECT NULL::int", {"failed": "its query must return one row of one whole number"}),
        ("SELECT 1, 2", {"failed": "its query must return one row of one whole number"}),
        ("VALUES (1), (2)", {"failed": "its query must return one row of one whole number"}),
        ("SELECT 1 WHERE false", {"failed": "its query must return one row of one whole number"}),
        ("SELECT count(*) FROM absent", {"failed": 'SQLSTATE 42P01: relation "absent" does not exist'}),
    ],
)
def test_a_rows_rule_is_one_whole_number(moved18: Connection, expected: str, kept: dict[str, object]) -> None:
    """Evaluated before the change; anything else is no number, and says so."""
    values = before(moved18, Declared(rows=(rule(expected, grade=Grade.SHOULD),)))
    assert values.rows == {"new": {"grade": "should", **kept}}
    assert values.grades() == {"new": Grade.SHOULD}
    assert values.expected() == ({"new": kept["expected"]} if "expected" in kept else {})
    assert values.unknown() == ({"new": kept["failed"]} if "failed" in kept else {})


def test_a_rule_of_a_revision_that_is_not_applied_is_skipped(moved18: Connection) -> None:
    """All three kinds, before and after; of two for one table the later revision counts."""
    declared = Declared(
        rows=(rule("SELECT 2", from_revision="b2"), rule("SELECT 1", from_revision="a1"), rule("SELECT 0")),
        content=(ContentRule(name="c", before="SELECT x", after="SELECT x", from_revision="a1"),),
        none=(NoneRule(name="n", query="SELECT x", from_revision="b2"),),
    )
    assert before(moved18, declared).expected() == {"new": 0}
    assert before(moved18, declared, applied=("a1", "b2")).expected() == {"new": 2}
    assert before(moved18, declared, applied=("b2",)).content == {}
    assert after(moved18, declared, BeforeValues()) == []
    assert [check.name for check in after(moved18, declared, BeforeValues(), applied=("b2",))] == ["n"]
