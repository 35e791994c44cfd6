"""What a revision changed, counted by the server in the revision's own transaction."""

from __future__ import annotations

import pytest

from alembook.postgres.connection import Connection, Database, connect, execute, rows
from tests.project.conftest import MakeProject, Project

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")
LAST = "4d0000000004"


def changes(project: Project, revision: str = LAST) -> object:
    """Returns what the agent told of a revision."""
    [found] = [event["changes"] for event in project.told("revision_committed") if event["revision"] == revision]
    return found


def test_rows_of_each_table_are_counted(make: MakeProject, database: Database) -> None:
    """Inserted, updated and deleted rows, the version table's included; the ledger has the same."""
    project = make(database, "generic")
    body = """
        op.execute("INSERT INTO accounts (email) SELECT 'x' || n FROM generate_series(1, 500) AS n")
        op.execute("UPDATE accounts SET name = 'y' WHERE id <= 100")
        op.execute("DELETE FROM accounts WHERE id > 490")
        op.execute("CREATE TABLE fresh AS SELECT 1 AS id")
    """
    project.revision(LAST, "3c0000000003", body)
    project.upgrade(*GENERIC, LAST)
    assert changes(project) == {
        "public.accounts": {"inserted": 500, "updated": 100, "deleted": 12},
        "public.alembic_version": {"inserted": 0, "updated": 1, "deleted": 0},
        "public.fresh": {"inserted": 1, "updated": 0, "deleted": 0},
    }
    connection = connect(database, application_name="test")
    told = rows(connection, "SELECT revision, changes FROM alembook.applied ORDER BY applied_at")
    connection.close()
    assert {row["revision"]: row["changes"] for row in told} == {
        event["revision"]: event["changes"] for event in project.told("revision_committed")
    }


def test_what_others_write_is_not_counted(generic: Project, connection18: Connection) -> None:
    """Another session's rows, committed while the revision runs, are not the revision's."""
    body = """
        op.execute("INSERT INTO accounts (email) VALUES ('mine')")
        op.execute("SELECT pg_advisory_lock(1)")
        op.execute("UPDATE accounts SET name = 'mine' WHERE email = 'mine'")
    """
    generic.upgrade(*GENERIC)
    generic.revision(LAST, "3c0000000003", body)
    execute(connection18, "SELECT pg_advisory_lock(1)")

    def write(_: object) -> None:
        execute(connection18, "INSERT INTO accounts (email) SELECT 'z' || n FROM generate_series(1, 777) AS n")
        execute(connection18, "SELECT pg_advisory_unlock(1)")

    generic.on("blocked", write)
    generic.set(limits={"lock_timeout_ms": 60_000})
    generic.upgrade(LAST)
    found = changes(generic)
    assert isinstance(found, dict)
    assert found["public.accounts"] == {"inserted": 1, "updated": 1, "deleted": 0}


def test_a_failed_attempt_does_not_count(generic: Project, connection18: Connection) -> None:
    """What an attempt did that was rolled back and repeated is counted once."""
    body = """
        op.execute("INSERT INTO accounts (email) SELECT 'x' || n FROM generate_series(1, 50) AS n")
        op.execute("ALTER TABLE busy ADD COLUMN late int")
    """
    generic.upgrade(*GENERIC)
    generic.set(limits={"lock_timeout_ms": 200})
    generic.revision(LAST, "3c0000000003", body)
    execute(connection18, "CREATE TABLE busy (id int)")
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM busy")
    generic.on("retry", lambda _: execute(connection18, "COMMIT"))
    generic.upgrade(LAST)
    found = changes(generic)
    assert isinstance(found, dict)
    assert found["public.accounts"] == {"inserted": 50, "updated": 0, "deleted": 0}


VERSION = {"public.alembic_version": {"inserted": 0, "updated": 1, "deleted": 0}}
#: What the counters cannot say -> (body of a revision, what is told).
BLIND = {
    "it commits in its middle": ("with op.get_context().autocommit_block():\n    pass", None),
    "a savepoint is rolled back": (
        "inner = op.get_bind().begin_nested()\n"
        "op.execute(\"INSERT INTO accounts (email) VALUES ('x')\")\ninner.rollback()",
        None,
    ),
    "a block catches what failed": (
        'op.execute("DO $$ BEGIN INSERT INTO accounts VALUES (1); EXCEPTION WHEN others THEN NULL; END $$")',
        None,
    ),
    "another connection deletes": (
        "import sqlalchemy as sa\nwith sa.create_engine(op.get_bind().engine.url).begin() as other:\n"
        '    other.execute(sa.text("DELETE FROM accounts"))',
        None,
    ),
    "TRUNCATE": ('op.execute("TRUNCATE accounts")', {"public.accounts": None, **VERSION}),
    "TRUNCATE in a function": ('op.execute("SELECT reset_all()")', {"public.accounts": None, **VERSION}),
    "another table takes its name": (
        'op.execute("CREATE TABLE a2 (LIKE accounts)")\nop.execute("INSERT INTO a2 SELECT * FROM accounts")\n'
        'op.execute("DROP TABLE accounts")\nop.execute("ALTER TABLE a2 RENAME TO accounts")',
        {"public.accounts": None, **VERSION},
    ),
    "it takes another name": ('op.rename_table("accounts", "people")', {"public.people": None, **VERSION}),
}


@pytest.mark.parametrize("name", BLIND)
def test_what_the_counters_cannot_say_is_not_known(generic: Project, connection18: Connection, name: str) -> None:
    """They end with their transaction, keep what was taken back, are set back, or are another table's."""
    body, told = BLIND[name]
    generic.upgrade(*GENERIC)
    execute(
        connection18,
        "CREATE FUNCTION reset_all() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE accounts; END'",
    )
    generic.revision(LAST, "3c0000000003", body)
    generic.upgrade(LAST)
    assert changes(generic) == told


#: Values may be others without a row counted -> does the record say so?
REWRITES = {
    "ALTER TABLE accounts ALTER id TYPE bigint": True,
    "ALTER TABLE accounts DROP COLUMN name; ALTER TABLE accounts ADD COLUMN name text": True,
    "ALTER TABLE accounts RENAME name TO was; ALTER TABLE accounts RENAME email TO name": True,
    "ALTER TABLE accounts ADD COLUMN late int DEFAULT 3; CREATE INDEX ON accounts (late)": False,
    "ALTER TABLE accounts DROP COLUMN name": False,
}


@pytest.mark.parametrize("statement", REWRITES)
def test_a_table_that_is_written_anew_is_named_and_its_rows_are_known(generic: Project, statement: str) -> None:
    """A rewrite, or a name that means another column; what keeps rows, places and names is not named."""
    generic.upgrade(*GENERIC)
    generic.revision(LAST, "3c0000000003", f'op.execute("{statement}")')
    generic.upgrade(LAST)
    told = next(event for event in generic.told("revision_committed") if event["revision"] == LAST)
    assert told["rewritten"] == (["public.accounts"] if REWRITES[statement] else [])
    assert told["changes"] == VERSION


def test_a_server_that_does_not_count_makes_it_unknown(generic: Project, connection18: Connection) -> None:
    """With track_counts off the counters stay at nothing, which is not "nothing changed"."""
    name = generic.database.dbname
    execute(connection18, f'ALTER DATABASE "{name}" SET track_counts = off')
    generic.upgrade(*GENERIC)
    assert changes(generic, "2b0000000002") is None


def test_env_with_its_own_transaction_is_counted_too(make: MakeProject, database18: Database) -> None:
    """Where env.py ends the transactions each revision is still counted in its own."""
    project = make(database18, "external")
    project.revision(
        LAST, "1a0000000033", 'op.execute("CREATE TABLE t (id int)"); op.execute("INSERT INTO t VALUES (1)")'
    )
    project.upgrade("1a0000000031", "1a0000000032", "1a0000000033", LAST)
    found = changes(project)
    assert isinstance(found, dict)
    assert found["public.t"] == {"inserted": 1, "updated": 0, "deleted": 0}
