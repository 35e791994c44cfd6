"""Rows that point nowhere: found, counted, told from older ones."""

from __future__ import annotations

from typing import Any

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import measurement, orphans
from alembook.verdict import Check, Grade, Outcome

SCHEMA = """
    CREATE SCHEMA "Odd one";
    CREATE TABLE people (a int, b text, PRIMARY KEY (a, b));
    CREATE TABLE simple (id int, a int, b text, FOREIGN KEY (a, b) REFERENCES people);
    CREATE TABLE "Odd one"."Full %s" (a int, b text, FOREIGN KEY (a, b) REFERENCES people MATCH FULL);
    CREATE TABLE parted (id int, a int, b text, FOREIGN KEY (a, b) REFERENCES people) PARTITION BY LIST (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
    CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree);
    INSERT INTO people VALUES (1, 'x');
    INSERT INTO simple VALUES (1, 1, 'x'), (2, 1, NULL), (3, NULL, 'y');
    INSERT INTO "Odd one"."Full %s" VALUES (1, 'x'), (NULL, NULL);
    INSERT INTO parted VALUES (1, 1, 'x');
    INSERT INTO tree VALUES (1, NULL), (2, 1)
"""
NAMES = {
    "full": "Odd one.Full %s (a, b) -> public.people (a, b)",
    "parted": "public.parted (a, b) -> public.people (a, b)",
    "simple": "public.simple (a, b) -> public.people (a, b)",
    "tree": "public.tree (parent) -> public.tree (id)",
}
TABLES = ["Odd one.Full %s", "public.parted_1", "public.people", "public.simple", "public.tree"]


def counted(connection: Connection, tables: list[str] = TABLES, **options: Any) -> dict[str, dict[str, Any]]:
    """Returns what is counted in a snapshot of its own."""
    with measurement.snapshot(connection):
        return orphans.count(connection, tables, **{"timeout_s": 60, **options})


def behind_its_back(connection: Connection, statement: str) -> None:
    """Executes a statement with the triggers of foreign keys off."""
    connections.execute(connection, f"SET session_replication_role = replica; {statement}; RESET ALL")


def test_each_foreign_key_is_asked_once(connection: Connection) -> None:
    """Of all schemas, a partitioned table's once; rows with NULL in their key point at nothing and are none."""
    connections.execute(connection, SCHEMA)
    found = counted(connection)
    assert {name: each["rows"] for name, each in found.items()} == dict.fromkeys(NAMES.values(), 0)
    assert [check.outcome for check in orphans.checks({}, found)] == [Outcome.PASSED] * 4


@pytest.mark.parametrize(
    ("name", "statement", "value"),
    [
        ("simple", "INSERT INTO simple VALUES (4, 2, 'x')", "2, x"),
        ("full", """INSERT INTO "Odd one"."Full %s" VALUES (1, NULL)""".replace("%", "%"), "1"),
        ("parted", "INSERT INTO parted_1 VALUES (1, 9, 'x')", "9, x"),
        ("tree", "DELETE FROM tree WHERE id = 1", "1"),
    ],
)
def test_an_orphan_is_found(connection18: Connection, name: str, statement: str, value: str) -> None:
    """The foreign key is named; the value only where it was asked for."""
    connections.execute(connection18, SCHEMA)
    before = counted(connection18)
    behind_its_back(connection18, statement)
    found = {check.name: check for check in orphans.checks(before, counted(connection18))}
    failed = [check for check in found.values() if check.outcome is Outcome.FAILED]
    child, _, parent = NAMES[name].partition(" -> ")
    assert [(c.name, c.grade, c.expected, c.found, c.why) for c in failed] == [
        (f"every {child} is in {parent}", Grade.MUST, "no row", "1 row", "rows that point at nothing")
    ]
    shown = orphans.checks(before, counted(connection18, with_values=True))
    assert [c.why for c in shown if c.outcome is Outcome.FAILED] == [
        f"rows that point at nothing; they point at {value}"
    ]


def test_orphans_that_were_there_before_are_only_noticed(connection18: Connection) -> None:
    """The run did not make them; one more it did."""
    connections.execute(connection18, SCHEMA)
    behind_its_back(connection18, "INSERT INTO simple VALUES (4, 2, 'x')")
    before = counted(connection18)
    (check,) = [c for c in orphans.checks(before, before) if c.outcome is not Outcome.PASSED]
    assert (check.grade, check.why) == (Grade.SHOULD, "it was so before the change")
    behind_its_back(connection18, "INSERT INTO simple VALUES (5, 3, 'x')")
    (check,) = [c for c in orphans.checks(before, counted(connection18)) if c.outcome is not Outcome.PASSED]
    assert (check.grade, check.expected, check.found) == (Grade.MUST, "no row more than the 1 row before", "2 rows")


def test_only_foreign_keys_of_the_tables_are_asked(connection18: Connection) -> None:
    """A side of it among them is enough; a leaf stands for its partitioned table."""
    connections.execute(connection18, SCHEMA)
    assert list(counted(connection18, ["public.tree"])) == [NAMES["tree"]]
    assert list(counted(connection18, ["public.parted_1"])) == [NAMES["parted"]]
    assert list(counted(connection18, ["public.people"])) == [NAMES["full"], NAMES["parted"], NAMES["simple"]]


def test_what_cannot_be_counted_in_time_is_unverified(connection18: Connection) -> None:
    """With the reason and the query; the others are counted all the same."""
    connections.execute(connection18, SCHEMA)
    connections.execute(connection18, "INSERT INTO tree SELECT i, 1 FROM generate_series(10, 300000) AS i")
    found = counted(connection18, timeout_s=0.002)
    check = next(c for c in orphans.checks({}, found) if c.subject == "public.tree")
    assert check == Check(
        name="every public.tree (parent) is in public.tree (id)",
        subject="public.tree",
        outcome=Outcome.UNVERIFIED,
        why="SQLSTATE 57014: canceling statement due to statement timeout",
        next="If its time ran out, raise limits.check_timeout_s in alembook.toml; then verify again.",
        query=found[NAMES["tree"]]["query"],
    )
    assert "NOT EXISTS" in check.query


#: Keys over periods, of PostgreSQL 18: a stay must lie in the times its room was there, of which several may adjoin.
PERIODS = """
    CREATE TABLE rooms (id int4range, at daterange, PRIMARY KEY (id, at WITHOUT OVERLAPS));
    CREATE TABLE stays (n int PRIMARY KEY, room int4range, at daterange,
                        FOREIGN KEY (room, PERIOD at) REFERENCES rooms (id, PERIOD at));
    INSERT INTO rooms VALUES ('[1,2)', '[2026-01-01,2026-02-01)'), ('[1,2)', '[2026-02-01,2026-03-01)');
    INSERT INTO stays VALUES (1, '[1,2)', '[2026-01-20,2026-02-10)'), (2, NULL, '[2030-01-01,2030-02-01)')
"""
STAYS = "public.stays (room, at) -> public.rooms (id, at)"


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("INSERT INTO stays VALUES (3, '[1,2)', '[2026-02-20,2026-03-02)')", "[1,2), [2026-02-20,2026-03-02)"),
        ("INSERT INTO stays VALUES (3, '[9,10)', '[2026-01-05,2026-01-06)')", "[9,10), [2026-01-05,2026-01-06)"),
        ("DELETE FROM rooms WHERE at @> date '2026-02-01'", "[1,2), [2026-01-20,2026-02-10)"),
    ],
)
def test_an_orphan_over_a_period_is_found(connection18: Connection, statement: str, value: str) -> None:
    """A time that no row of the parent covers, wholly or in part; NULL says nothing."""
    connections.execute(connection18, PERIODS)
    assert counted(connection18, ["public.stays"])[STAYS]["rows"] == 0
    behind_its_back(connection18, statement)
    found = counted(connection18, ["public.rooms"], with_values=True)
    assert (found[STAYS]["rows"], found[STAYS]["values"]) == (1, [value])
    (check,) = orphans.checks({}, found)
    assert (check.name, check.outcome, check.found) == (
        "every public.stays (room, at) is in public.rooms (id, at)",
        Outcome.FAILED,
        "1 row",
    )


def test_orphans_of_which_nobody_knows_whether_they_were_there(connection18: Connection) -> None:
    """Counting failed before the change: old ones are not held against the run, and new ones not passed over."""
    connections.execute(connection18, SCHEMA)
    before = {NAMES["simple"]: {"failed": "SQLSTATE 57014: too slow", "query": ""}}
    checks = orphans.checks(before, counted(connection18, ["public.simple"]))
    assert [check.outcome for check in checks if check.subject == "public.simple"] == [Outcome.PASSED]
    behind_its_back(connection18, "INSERT INTO simple VALUES (4, 2, 'x')")
    now = counted(connection18, ["public.simple"])
    (check,) = [c for c in orphans.checks(before, now) if c.subject == "public.simple"]
    assert check == Check(
        name=check.name,
        subject="public.simple",
        outcome=Outcome.UNVERIFIED,
        expected="no row more than before",
        found="1 row",
        why="nobody knows how many there were before the change: SQLSTATE 57014: too slow",
        next="Count them with the query in the restored backup: what is there as well is not the run's.",
        query=now[NAMES["simple"]]["query"],
    )
