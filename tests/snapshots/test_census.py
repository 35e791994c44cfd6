"""The values of columns that hold few, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import checks, measurement, rules
from alembook.verdict import Check, Outcome

TABLE = """
    CREATE TABLE jobs AS
    SELECT i AS id, (ARRAY['new', 'done', NULL])[1 + i % 3] AS status FROM generate_series(1, 9) AS i
"""


def declared(**more: Any) -> checks.Declared:
    """Returns one census of the status."""
    return checks.Declared(census=(rules.CensusRule(name="states", table="jobs", columns=("status",), **more),))


def judged(connection: Connection, statement: str, **more: Any) -> Check:
    """Returns what is said of what a statement did."""
    with measurement.snapshot(connection):
        then = checks.before(connection, declared(**more), b"k", applied=[], timeout_s=60)
    then = checks.BeforeValues.from_json(then.to_json())
    connections.execute(connection, statement)
    with measurement.snapshot(connection):
        (check,) = checks.after(connection, declared(**more), then, b"k", applied=[], timeout_s=60)
    return check


@pytest.mark.parametrize(
    ("statement", "why", "found"),
    [
        ("SELECT 1", "", "status: done 3 -> 3, new 3 -> 3, NULL 3 -> 3"),
        (
            "UPDATE jobs SET status = 'new' WHERE status = 'done'",
            "status done is lost (3 before)",
            "status: done 3 -> 0, new 3 -> 6, NULL 3 -> 3",
        ),
        (
            "UPDATE jobs SET status = '' WHERE id = 2",
            "status  is new (1 now)",
            "status: done 3 -> 3, new 3 -> 3, NULL 3 -> 2,  0 -> 1",
        ),
    ],
)
def test_lost_and_new_values_are_named(connection18: Connection, statement: str, why: str, found: str) -> None:
    """With how many rows had them; NULL is a value."""
    connections.execute(connection18, TABLE)
    check = judged(connection18, statement)
    assert (check.outcome, check.why, check.found) == (Outcome.FAILED if why else Outcome.PASSED, why, found)
    assert check.query == 'SELECT "status"::text AS value, count(*) AS rows FROM "jobs" GROUP BY 1 ORDER BY 1'


def test_allowed_values_are_the_only_ones(connection18: Connection) -> None:
    """Whatever there was before."""
    connections.execute(connection18, TABLE)
    check = judged(connection18, "UPDATE jobs SET status = 'open' WHERE status = 'new'", allowed=("open", "done"))
    assert (check.outcome, check.why) == (Outcome.FAILED, "status has NULL, which may not be")
    assert judged(connection18, "DELETE FROM jobs WHERE status IS NULL", allowed=("open", "done")).why == ""


def test_too_many_values_are_unverified_and_not_kept(connection18: Connection) -> None:
    """They would be somebody's data."""
    connections.execute(connection18, "CREATE TABLE jobs AS SELECT i::text AS status FROM generate_series(1, 101) i")
    check = judged(connection18, "SELECT 1")
    assert (check.outcome, check.why) == (
        Outcome.UNVERIFIED,
        "status has more than 100 values: it is no enumeration",
    )


def test_a_census_is_declared_in_the_file(tmp_path: Path) -> None:
    """Table and columns; a name and what is allowed may follow."""
    path = tmp_path / "checks.toml"
    path.write_text('[[census]]\ntable = "jobs"\ncolumns = ["status"]\nallowed = ["a"]\n', encoding="utf-8")
    (rule,) = rules.load(path).census
    assert (rule.name, rule.columns, rule.allowed) == ("values of status in jobs", ("status",), ("a",))
    path.write_text('[[census]]\ntable = "jobs"\n', encoding="utf-8")
    with pytest.raises(errors.ConfigurationError, match="columns"):
        rules.load(path)
