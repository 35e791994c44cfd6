"""Looking at projects and applying their revisions, on real servers."""

from __future__ import annotations

from alembook.postgres.connection import Connection, Database, connect, rows, scalar
from alembook.project import state
from tests.project.conftest import MakeProject, Project, relations


def test_describe_tells_graph_and_place(make: MakeProject, database: Database) -> None:
    """The description has the revisions base first, and where env.py leads."""
    project = make(database, "generic")
    found = project.describe()
    assert [revision.id for revision in found.revisions] == ["1a0000000001", "2b0000000002", "3c0000000003"]
    assert found.heads == ("3c0000000003",)
    assert found.bases == ("1a0000000001",)
    assert (found.version_table, found.version_table_schema, found.mode) == ("alembic_version", "public", "revision")
    assert found.reached["database"] == database.dbname
    assert found.lock_timeout == "2s"


def test_describe_creates_nothing(generic: Project, connection18: Connection) -> None:
    """Looking at an empty database leaves it empty: not even a version table."""
    before = relations(connection18)
    generic.describe()
    assert relations(connection18) == before


def test_upgrade_applies_in_order(make: MakeProject, database: Database) -> None:
    """Each revision is begun and committed before the next one."""
    project = make(database, "generic")
    project.upgrade("1a0000000001", "2b0000000002", "3c0000000003")
    story = [(e["event"], e["revision"]) for e in project.events if e["event"] in {"revision_started", "revision_committed"}]
    assert story == [
        (event, revision)
        for revision in ("1a0000000001", "2b0000000002", "3c0000000003")
        for event in ("revision_started", "revision_committed")
    ]
    with connect(database, application_name="test") as connection:
        assert state.read(connection) == ("3c0000000003",)
        assert scalar(connection, "SELECT count(*) FROM accounts") == 2
        ledger = rows(connection, "SELECT revision, down_revision, direction FROM alembook.applied ORDER BY applied_at")
        assert [tuple(row.values()) for row in ledger] == [
            ("1a0000000001", "", "up"),
            ("2b0000000002", "1a0000000001", "up"),
            ("3c0000000003", "2b0000000002", "up"),
        ]
