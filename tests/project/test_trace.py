"""What a rehearsal observes of a project made to show it, statement by statement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alembook.postgres.connection import Database
from tests.project.conftest import MakeProject, Project
from tests.project.test_environments import ASYNC

REVISIONS = [f"0b000000000{number}" for number in range(1, 9)]


@pytest.fixture
def observed(make: MakeProject, database18: Database) -> Project:
    """Returns the project, rehearsed from its first revision to its last."""
    project = make(database18, "observed")
    project.upgrade(*REVISIONS[:1])
    project.events.clear()
    return project


def statements(project: Project, revision: str) -> list[dict[str, Any]]:
    """Returns what was told of a revision's own statements, Alembic's version row left out."""
    told = [dict(event) for event in project.told("statement") if event["revision"] == revision]
    return [event for event in told if "alembic_version" not in event["sql"]]


def locks(project: Project, revision: str) -> dict[str, str]:
    """Returns the strongest lock of each table in a revision, Alembic's own table left out."""
    [told] = [event for event in project.told("rehearsed") if event["revision"] == revision]
    assert all(lock["held_ms"] > 0 for lock in told["locks"])
    return {lock["table"]: lock["mode"] for lock in told["locks"] if lock["table"] != "public.alembic_version"}


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_locks_and_rewrites_are_observed(observed: Project, driver: str) -> None:
    """Each revision shows the lock, the rewrite and the number of statements it was written to show."""
    if driver == "asyncpg":
        observed.database = replace(observed.database, driver="asyncpg")
        observed.write("migrations/env.py", ASYNC)
    observed.upgrade(*REVISIONS[1:], is_rehearsal=True)

    [volatile] = statements(observed, REVISIONS[1])
    assert volatile["locks"] == [["public.orders", "ACCESS EXCLUSIVE"]]
    assert volatile["rewrites"] == [["public.orders", "table"], ["public.orders_pkey", "index"]]
    assert volatile["wal_bytes"] > 0
    assert locks(observed, REVISIONS[1]) == {"public.orders": "ACCESS EXCLUSIVE"}

    [index] = statements(observed, REVISIONS[2])
    assert (index["locks"], index["rewrites"]) == ([["public.orders", "SHARE"]], [])

    assert locks(observed, REVISIONS[3]) == {
        "public.customers": "SHARE ROW EXCLUSIVE",
        "public.orders": "SHARE ROW EXCLUSIVE",
    }

    [wider] = statements(observed, REVISIONS[4])
    assert (wider["locks"], wider["rewrites"]) == ([["public.customers", "ACCESS EXCLUSIVE"]], [])

    loop = statements(observed, REVISIONS[5])
    assert sum(each["times"] for each in loop) == 51
    assert sum(each["rows"] for each in loop if each["sql"].startswith("UPDATE")) == 50
    assert locks(observed, REVISIONS[5]) == {"public.customers": "ROW EXCLUSIVE"}

    [beside] = statements(observed, REVISIONS[6])
    assert (beside["is_observed"], beside["locks"]) == (False, [])


def test_production_is_not_asked(observed: Project) -> None:
    """Without a rehearsal nothing is traced: no event has a lock."""
    observed.upgrade(*REVISIONS[1:])
    assert not observed.told("rehearsed")
    assert not [event for event in observed.told("statement") if "locks" in event]


def test_sql_that_was_not_rehearsed_is_not_executed(observed: Project) -> None:
    """A changed statement ends the revision before it is executed, and what came before it is rolled back."""
    rehearsed = {REVISIONS[1]: [{"form": "0", "texts": [], "is_data": False, "sql": "ALTER TABLE other"}]}
    with pytest.raises(Exception, match="sends SQL that was not rehearsed") as caught:
        observed.upgrade(REVISIONS[1], rehearsed=rehearsed)
    assert caught.value.state == "the database is at 0b0000000001, by its version table."  # type: ignore[attr-defined]
