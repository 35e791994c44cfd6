"""Taking revisions back: one commit each, in the ledger with its direction, and only what nothing stands on."""

from __future__ import annotations

import contextlib

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, Database, connect, execute, rows
from alembook.project import state
from tests.project.conftest import MakeProject, Project

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")


@pytest.mark.parametrize("mode", ["revision", "external"])
def test_one_commit_each(make: MakeProject, database: Database, mode: str) -> None:
    """Each revision is taken back in a transaction of its own, also where env.py opens them."""
    project = make(database, "generic")
    if mode == "external":
        project.edit_env(("with connectable.connect()", "with connectable.begin()"))
    project.upgrade(*GENERIC)
    project.downgrade(*reversed(GENERIC))
    with contextlib.closing(connect(database, application_name="test")) as connection:
        assert state.read(connection) == ()
        found = rows(connection, "SELECT revision, down_revision, direction FROM alembook.applied ORDER BY applied_at")
    assert [tuple(row.values()) for row in found[3:]] == [
        ("3c0000000003", "2b0000000002", "down"),
        ("2b0000000002", "1a0000000001", "down"),
        ("1a0000000001", "", "down"),
    ]
    assert [event["revision"] for event in project.told("revision_committed")] == [*GENERIC, *reversed(GENERIC)]


def test_what_something_stands_on_stays(generic: Project, connection18: Connection) -> None:
    """A revision below another applied one is not taken back, and nothing else is."""
    generic.upgrade(*GENERIC)
    with pytest.raises(errors.StepFailed) as caught:
        generic.downgrade(GENERIC[1])
    assert caught.value.what.endswith(": 2b0000000002 is needed by 3c0000000003, which is applied")
    assert state.read(connection18) == ("3c0000000003",)


def test_what_is_not_applied_cannot_be_taken_back(generic: Project, connection18: Connection) -> None:
    """The plan does not begin where the database is: refused."""
    generic.upgrade(*GENERIC[:2])
    with pytest.raises(errors.StepFailed, match="3c0000000003 is not applied"):
        generic.downgrade(GENERIC[2], GENERIC[1])
    assert state.read(connection18) == ("2b0000000002",)


def test_a_lock_is_waited_for(generic: Project, connection18: Connection) -> None:
    """A reader in the way: tried again under the same limits, then done."""
    generic.set(limits={"lock_timeout_ms": 300})
    generic.upgrade(*GENERIC)
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts")
    generic.on("retry", lambda _: execute(connection18, "COMMIT"))
    generic.downgrade(GENERIC[2])
    assert len(generic.told("retry")) == 1
    assert state.read(connection18) == ("2b0000000002",)


def test_a_failing_downgrade_keeps_what_was_taken_back(generic: Project, connection18: Connection) -> None:
    """The last good point stays, and the message says where the database is."""
    path = generic.folder / "migrations/versions/2b0000000002.py"
    path.write_text(path.read_text().replace("DELETE FROM accounts", "DELETE FROM no_accounts"))
    generic.upgrade(*GENERIC)
    with pytest.raises(errors.UpgradeFailed) as caught:
        generic.downgrade(*reversed(GENERIC))
    assert caught.value.state == "the database is at 2b0000000002, by its version table."
    assert state.read(connection18) == ("2b0000000002",)
