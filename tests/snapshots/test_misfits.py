"""Rows that do not fit what is to come are counted, and named by their keys where that is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import misfits
from alembook.snapshots.misfits import Alike, Misfits, Orphans, Suspicion, Unfit, Wrong

MADE = """
    CREATE TYPE mood AS ENUM ('sad', 'fine');
    CREATE TABLE people (id int PRIMARY KEY, name text, mood text, worth numeric, "Boss" int);
    INSERT INTO people VALUES
        (1, 'ada', 'sad', 1, 2), (2, 'Ada', 'fine', 99999, 9), (3, NULL, 'odd', 12.345, NULL),
        (4, NULL, 'none', 4, 1), (10, 'ada', 'sad', 5, 7);
    CREATE TABLE seats (hall int, place int, name text NOT NULL, PRIMARY KEY (place, hall));
    INSERT INTO seats SELECT n, n % 2, 'seat' FROM generate_series(1, 4) AS n;
    CREATE TABLE heap (name text);
    INSERT INTO heap VALUES ('a'), ('a'), ('too long');
    CREATE TABLE parted (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
    INSERT INTO parted VALUES (1, 'short'), (2, 'too long'), (12, 'too long');
"""


@pytest.fixture
def looking(database: Database) -> Iterator[Connection]:
    """Yields a connection inside a read-only transaction, where the tables are."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        connections.execute(connection, MADE)
        connections.execute(connection, "BEGIN READ ONLY")
        yield connection


FOUND: list[tuple[Suspicion, str, int, tuple[str, ...]]] = [
    (Wrong(table="people", condition="name IS NULL"), "public.people", 2, ("3", "4")),
    (Wrong(table="people", condition="NOT (worth < 10)"), "public.people", 2, ("2", "3")),
    (Wrong(table="public.seats", condition="TRUE"), "public.seats", 4, ("(0,2)", "(0,4)", "(1,1)")),
    (Alike(table="people", values=("name",)), "public.people", 2, ("1", "10")),
    (Alike(table="people", values=("lower(name)",)), "public.people", 3, ("1", "2", "10")),
    (Alike(table="people", values=("name",), condition="id < 5"), "public.people", 0, ()),
    (Alike(table="people", values=("name",), are_nulls_alike=True), "public.people", 4, ("1", "10", "3")),
    (Alike(table="seats", values=("name", "place")), "public.seats", 4, ("(0,2)", "(0,4)", "(1,1)")),
    (Alike(table="heap", values=("name",)), "public.heap", 2, ()),
    (Orphans(table="people", columns=('"Boss"',), parent="people"), "public.people", 2, ("2", "10")),
    (Orphans(table="people", columns=("id", '"Boss"'), parent="seats"), "public.people", 4, ("1", "2", "4")),
    (
        Orphans(table="people", columns=('"Boss"',), parent="seats", referenced=("hall",)),
        "public.people",
        2,
        ("2", "10"),
    ),
    (Unfit(table="people", column="mood", value="mood::mood", type="mood"), "public.people", 2, ("3", "4")),
    (Unfit(table="people", column="worth", value="worth", type="numeric(4, 2)"), "public.people", 1, ("2",)),
    (Unfit(table="people", column="worth", value="worth", type="smallint"), "public.people", 1, ("2",)),
    (Unfit(table="people", column="name", value="name", type="varchar(3)"), "public.people", 0, ()),
    (Unfit(table="people", column="id", value="10 / (id - 4)", type="int"), "public.people", 1, ("4",)),
    (Unfit(table="heap", column="name", value="name", type="varchar(3)"), "public.heap", 1, ()),
    (Unfit(table="parted", column="name", value="name", type="varchar(6)"), "public.parted", 2, ("2", "12")),
]


@pytest.mark.parametrize(("suspicion", "table", "rows", "keys"), FOUND)
def test_rows_are_counted_and_named(
    looking: Connection, suspicion: Suspicion, table: str, rows: int, keys: tuple[str, ...]
) -> None:
    """As the server itself would judge them; no more keys than are asked for, and none when none are."""
    found = misfits.find(looking, suspicion, timeout_s=10, keys=3)
    assert (found.table, found.rows, found.keys, found.why) == (table, rows, keys, "")
    assert found.is_keyed == (table != "public.heap")
    without = misfits.find(looking, suspicion, timeout_s=10, keys=0)
    assert (without.rows, without.keys) == (rows, ())


@pytest.mark.parametrize(
    ("suspicion", "why"),
    [
        (Wrong(table="nowhere", condition="TRUE"), "there is no table nowhere outside the revision"),
        (Wrong(table="people", condition="later IS NULL"), 'SQLSTATE 42703: column "later" does not exist'),
        (
            Wrong(table="people", condition="pg_sleep(9) IS NULL"),
            "SQLSTATE 57014: canceling statement due to statement timeout",
        ),
        (
            Unfit(table="people", column="mood", value="mood", type="later"),
            'SQLSTATE 42704: type "later" does not exist',
        ),
        (
            Unfit(table="people", column="mood", value="CASE WHEN pg_sleep(9) IS NULL THEN mood END", type="text"),
            "SQLSTATE 57014: canceling statement due to statement timeout",
        ),
    ],
)
def test_what_cannot_be_asked_says_why(looking: Connection, suspicion: Suspicion, why: str) -> None:
    """Rows that the revision would have made are not there any more; a slow question ends in time."""
    assert misfits.find(looking, suspicion, timeout_s=0.2, keys=3) == Misfits(table=suspicion.table, why=why)


def test_a_constraint_is_defined(looking: Connection) -> None:
    """By its table and its bare name; nothing where there is none."""
    assert misfits.definition(looking, "public.seats", "seats_pkey") == "PRIMARY KEY (place, hall)"
    assert misfits.definition(looking, "people", "seats_pkey") == ""
