"""Revisions that leave their transaction: what a failure or a kill leaves, by name, and how the run goes on."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, Database, connect, execute, rows, scalar
from alembook.project import state
from tests.project.conftest import EXAMPLES, MakeProject, Project

WEDGE = ("1a0000000061", "2b0000000062", "3c0000000063", "4d0000000064")
CONCURRENT = WEDGE[1]
INDEX = "drafts_app_id_user_id_key"
DROP = f"DROP INDEX CONCURRENTLY {INDEX};  -- on drafts"


@pytest.fixture
def wedge(make: MakeProject, database18: Database) -> Project:
    """Returns the wedge with an empty database."""
    return make(database18, "wedge")


@pytest.mark.parametrize("example", ["wedge", "wedge_external"])
def test_a_later_failure_does_not_wedge(make: MakeProject, database: Database, example: str) -> None:
    """After a failure behind an autocommit block the run goes on where it was: at the last good revision."""
    project = make(database, example)
    with connected(database) as connection:
        execute(connection, "CREATE TABLE agents (id int)")
        with pytest.raises(errors.UpgradeFailed) as caught:
            project.upgrade(*WEDGE)
        assert caught.value.what == 'The revision 4d0000000064 failed: relation "agents" already exists.'
        assert caught.value.state == "the database is at 3c0000000063, by its version table."
        assert state.read(connection) == (WEDGE[2],)
        execute(connection, "DROP TABLE agents")
        project.upgrade(WEDGE[3])
        assert state.read(connection) == (WEDGE[3],)


def connected(database: Database) -> contextlib.closing[Connection]:
    """Returns a connection to be used in a with statement."""
    return contextlib.closing(connect(database, application_name="test"))


def test_an_autocommit_block_inside_env_s_own_transaction_is_refused(make: MakeProject, database18: Database) -> None:
    """The wedge under an env.py that holds the transaction is named before its first revision."""
    project = make(database18, "wedge")
    project.env.write_text((EXAMPLES / "external/migrations/env.py").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(errors.ProjectFailed) as caught:
        project.upgrade(*WEDGE)
    assert caught.value.what == (
        "The project's env.py opens a transaction around all revisions, and 2b0000000062 must leave it."
    )
    assert project.told("revision_started") == []


def hold_snapshot(connection: Connection) -> None:
    """Opens a transaction with an old snapshot, which CREATE INDEX CONCURRENTLY waits for."""
    execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    execute(connection, "SELECT 1")


def fail_concurrently(wedge: Project, connection: Connection) -> errors.StepFailed:
    """Returns how the concurrent index fails when its own limit is over."""
    wedge.upgrade(WEDGE[0])
    return fail_next(wedge, connection)


def fail_next(wedge: Project, connection: Connection) -> errors.StepFailed:
    """Returns the same where the first revision is applied already."""
    wedge.set(limits={"concurrent_lock_timeout_ms": 400})
    hold_snapshot(connection)
    with pytest.raises(errors.UpgradeFailed) as caught:
        wedge.upgrade(*WEDGE[1:])
    execute(connection, "COMMIT")
    return caught.value


def test_a_concurrent_index_that_fails_is_named_with_what_is_committed(
    wedge: Project, connection18: Connection
) -> None:
    """The error has the statements that stay, the invalid index, and what to do with both; nothing is repeated."""
    error = fail_concurrently(wedge, connection18)
    assert error.what == "The revision 2b0000000062 did not get its locks in 1 attempts."
    assert error.state == "the database is at 1a0000000061, by its version table; a part of 2b0000000062 is committed."
    assert error.next == (
        "Drop the invalid indexes, undo by hand what is committed, the last first (both below). Then go on with this "
        "run: it begins 2b0000000062 anew."
    )
    assert error.evidence["committed of 2b0000000062"] == "ALTER TABLE drafts ADD COLUMN user_id INTEGER"
    assert error.evidence["invalid indexes it left"] == DROP
    assert wedge.told("retry") == []


def test_after_the_advice_was_followed_the_rerun_finishes(wedge: Project, connection18: Connection) -> None:
    """The very statement of the advice drops the index; the column undone, the revision is applied anew."""
    error = fail_concurrently(wedge, connection18)
    wedge.set(limits={"concurrent_lock_timeout_ms": 60_000})
    with pytest.raises(errors.UpgradeFailed, match='column "user_id" of relation "drafts" already exists'):
        wedge.upgrade(*WEDGE[1:])
    execute(connection18, error.evidence["invalid indexes it left"])
    execute(connection18, "ALTER TABLE drafts DROP COLUMN user_id")
    wedge.upgrade(*WEDGE[1:])
    assert state.read(connection18) == (WEDGE[3],)
    assert scalar(connection18, f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{INDEX}'::regclass") is True


def test_an_index_that_was_invalid_before_is_not_ours(wedge: Project, connection18: Connection) -> None:
    """Only what became invalid during the run is offered to be dropped."""
    wedge.upgrade(WEDGE[0])
    execute(connection18, "CREATE TABLE other (id int); INSERT INTO other VALUES (1), (1)")
    with pytest.raises(errors.QueryFailed):
        execute(connection18, "CREATE UNIQUE INDEX CONCURRENTLY other_key ON other (id)")
    error = fail_next(wedge, connection18)
    assert error.evidence["invalid indexes it left"] == DROP


def test_a_kill_while_an_index_is_built_concurrently(wedge: Project, connection18: Connection) -> None:
    """SIGKILL of the agent: its statement ends, and what is committed and what is invalid are named."""
    wedge.upgrade(WEDGE[0])
    hold_snapshot(connection18)

    def kill(_: object) -> None:
        os.kill(wedge.told("connected")[-1]["pid"], signal.SIGKILL)

    wedge.on("blocked", kill)
    with pytest.raises(errors.UpgradeFailed) as caught:
        wedge.upgrade(*WEDGE[1:])
    assert caught.value.what == "The agent ended by signal 9 while it applied 2b0000000062."
    assert caught.value.state.endswith("a part of 2b0000000062 is committed.")
    assert caught.value.evidence["committed of 2b0000000062"] == "ALTER TABLE drafts ADD COLUMN user_id INTEGER"
    assert caught.value.evidence["invalid indexes it left"] == DROP
    at_work = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE%' AND state = 'active'"
    assert rows(connection18, at_work) == []


def test_a_failed_concurrent_statement_does_not_leave_its_limit(wedge: Project, connection18: Connection) -> None:
    """A project that catches the error and goes on does so under lock_timeout again."""
    body = """
        with op.get_context().autocommit_block():
            try:
                op.execute("CREATE INDEX CONCURRENTLY none ON nowhere (id)")
            except Exception:
                pass
            shown = op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar()
        op.execute("CREATE TABLE limit_was_" + shown + " (id int)")
    """
    wedge.set(limits={"lock_timeout_ms": 700})
    wedge.revision("5e0000000065", WEDGE[3], body)
    wedge.upgrade(*WEDGE, "5e0000000065")
    assert scalar(connection18, "SELECT to_regclass('limit_was_700ms')") == "limit_was_700ms"


@pytest.mark.parametrize(
    ("body", "committed"),
    [
        (
            """
            op.execute("CREATE TABLE one (id int)")
            with op.get_context().autocommit_block():
                op.execute("CREATE TABLE two (id int)")
                op.execute("CREATE TABLE three (id int)")
            op.execute("CREATE TABLE four (id int)")
            op.execute("SELECT 1 / 0")
            """,
            "CREATE TABLE one (id int)\nCREATE TABLE two (id int)\nCREATE TABLE three (id int)",
        ),
        (
            """
            with op.get_context().autocommit_block():
                op.execute("CREATE TABLE one (id int)")
                op.execute("SELECT 1 / 0")
            """,
            "CREATE TABLE one (id int)",
        ),
    ],
)
def test_exactly_what_is_committed_is_listed(
    wedge: Project, connection18: Connection, body: str, committed: str
) -> None:
    """Statements before and inside the block stay; those after it were rolled back and are not listed."""
    wedge.revision("5e0000000065", WEDGE[3], body)
    wedge.upgrade(*WEDGE)
    with pytest.raises(errors.UpgradeFailed) as caught:
        wedge.upgrade("5e0000000065")
    assert caught.value.evidence["committed of 5e0000000065"] == committed
    assert "invalid indexes it left" not in caught.value.evidence
    assert caught.value.next == (
        "Undo by hand what is committed, the last first (below). Then go on with this run: it begins 5e0000000065 anew."
    )
    there = rows(connection18, "SELECT relname FROM pg_class WHERE relname IN ('one','two','three','four') ORDER BY 1")
    assert sorted(row["relname"] for row in there) == sorted(part.split()[2] for part in committed.splitlines())


def test_a_block_that_did_nothing_left_nothing(wedge: Project) -> None:
    """A concurrent index that was refused before it began leaves nothing, and nothing is claimed."""
    body = """
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX CONCURRENTLY none ON nowhere (id)")
    """
    wedge.revision("5e0000000065", WEDGE[3], body)
    wedge.upgrade(*WEDGE)
    with pytest.raises(errors.UpgradeFailed) as caught:
        wedge.upgrade("5e0000000065")
    assert caught.value.state == "the database is at 4d0000000064, by its version table."
    assert "committed of 5e0000000065" not in caught.value.evidence
    assert caught.value.next.startswith("Correct the cause in the data and go on with this run")


def test_the_wedge_is_taken_back(wedge: Project, connection18: Connection) -> None:
    """Downgrades leave their transaction as upgrades do: an index dropped concurrently, a commit for each revision."""
    wedge.upgrade(*WEDGE)
    wedge.downgrade(*reversed(WEDGE))
    assert state.read(connection18) == ()
    assert scalar(connection18, "SELECT to_regclass('drafts')") is None
    assert [event["revision"] for event in wedge.told("revision_committed")] == [*WEDGE, *reversed(WEDGE)]
