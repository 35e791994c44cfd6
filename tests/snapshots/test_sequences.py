"""Sequences held against the tables that take their values from them."""

from __future__ import annotations

import pandas as pd
import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import evidence, measurement
from alembook.verdict import Grade, Outcome

PEOPLE = """
    CREATE TABLE people (id serial PRIMARY KEY, name text);
    INSERT INTO people (name) SELECT 'name ' || i FROM generate_series(1, 100) AS i
"""
#: A sequence of no column that two tables take their default from, one of them computing something else.
SHARED = """
    CREATE SEQUENCE numbers;
    CREATE TABLE left_half (id bigint PRIMARY KEY DEFAULT nextval('numbers'));
    CREATE TABLE right_half (
        id int PRIMARY KEY DEFAULT nextval('numbers'), other int DEFAULT 1000 + nextval('numbers'));
    INSERT INTO left_half SELECT nextval('numbers') FROM generate_series(1, 100);
    INSERT INTO right_half (id, other) VALUES (nextval('numbers'), 5000);
"""


def standing(connection: Connection) -> pd.DataFrame:
    """Returns the sequences as they are measured in a snapshot of its own."""
    with measurement.snapshot(connection):
        return measurement.measure(connection).sequences


@pytest.mark.parametrize(
    ("statement", "outcome", "grade"),
    [
        ("SELECT 1", Outcome.PASSED, Grade.MUST),
        ("INSERT INTO people (id) VALUES (101)", Outcome.FAILED, Grade.MUST),
        ("SELECT setval('people_id_seq', 50)", Outcome.FAILED, Grade.MUST),
        ("SELECT setval('people_id_seq', 1, false)", Outcome.FAILED, Grade.MUST),
        ("TRUNCATE people RESTART IDENTITY", Outcome.PASSED, Grade.MUST),
    ],
)
def test_a_sequence_must_be_ahead_of_its_table(
    connection18: Connection, statement: str, outcome: Outcome, grade: Grade
) -> None:
    """The next value it gives must not be in the table or behind it."""
    connections.execute(connection18, PEOPLE)
    before = standing(connection18)
    connections.execute(connection18, statement)
    (check,) = evidence.sequences(before, standing(connection18))
    assert (check.name, check.outcome, check.grade) == (
        "sequence public.people_id_seq is ahead of public.people.id",
        outcome,
        grade,
    )


def test_a_sequence_that_was_behind_is_only_a_should(connection18: Connection) -> None:
    """The run did not do it; it is said all the same."""
    connections.execute(connection18, PEOPLE)
    connections.execute(connection18, "SELECT setval('people_id_seq', 50)")
    before = standing(connection18)
    (check,) = evidence.sequences(before, before)
    assert (check.grade, check.outcome, check.why) == (Grade.SHOULD, Outcome.FAILED, "it was so before the change")


def test_a_sequence_that_no_column_owns_is_ahead_of_every_table_that_uses_it(connection18: Connection) -> None:
    """By its default: set back it is behind the tables whose values it has passed, and that alone."""
    connections.execute(connection18, SHARED)
    before = standing(connection18)
    assert [(c.subject, c.outcome) for c in evidence.sequences(before, before)] == [
        ("public.left_half", Outcome.PASSED),
        ("public.right_half", Outcome.PASSED),
    ]
    connections.execute(connection18, "SELECT setval('numbers', 100)")
    behind = standing(connection18)
    left, right = evidence.sequences(before, behind)
    assert (left.outcome, right.outcome, right.grade) == (Outcome.PASSED, Outcome.FAILED, Grade.MUST)
    assert right.name == "sequence public.numbers is ahead of public.right_half.id"
    connections.execute(connection18, "SELECT setval('numbers', 5)")
    left, right = evidence.sequences(behind, standing(connection18))
    assert [(left.outcome, left.grade), (right.outcome, right.grade)] == [
        (Outcome.FAILED, Grade.MUST),
        (Outcome.FAILED, Grade.SHOULD),
    ]


def test_a_sequence_behind_before_is_so_under_the_tables_new_name(connection18: Connection) -> None:
    """Where it was behind everything that used it, the name of the table plays no part."""
    connections.execute(connection18, f"{SHARED}; SELECT setval('numbers', 5)")
    before = standing(connection18)
    connections.execute(connection18, "ALTER TABLE left_half RENAME TO other_half")
    found = evidence.sequences(before, standing(connection18))
    assert [(c.outcome, c.grade) for c in found] == [(Outcome.FAILED, Grade.SHOULD)] * 2
