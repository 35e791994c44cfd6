"""Each thing that would stop a run turns exactly its own check red."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from alembook.postgres import preflight
from alembook.postgres.connection import Connection, Database, connect, execute, scalar
from alembook.verdict import Check, Grade, Outcome

ROLE = "preflight_role"


def ask(connection: Connection, *, schemas: tuple[str, ...] = ()) -> dict[str, Check]:
    """Returns the checks by name."""
    found = preflight.checks(connection, touched=["t"], altered=["t"], schemas=schemas, dump_jobs=1)
    return {check.name: check for check in found}


def red(checks: dict[str, Check]) -> list[str]:
    """Returns the names of what is not PASSED."""
    return [name for name, check in checks.items() if check.outcome is not Outcome.PASSED]


@pytest.fixture
def table(connection18: Connection) -> Connection:
    """Returns a connection to a database with one table, its owner's."""
    execute(connection18, "CREATE TABLE t (id int PRIMARY KEY, name text)")
    return connection18


@pytest.fixture
def stranger(table: Connection, database18: Database) -> Iterator[Connection]:
    """Yields the connection of a role that owns nothing."""
    if scalar(table, f"SELECT to_regrole('{ROLE}')") is None:
        execute(table, f"CREATE ROLE {ROLE} LOGIN")
    execute(table, f"GRANT SELECT ON t TO {ROLE}")
    with contextlib.closing(connect(replace(database18, user=ROLE), application_name="stranger")) as connection:
        yield connection
    execute(table, f"DROP OWNED BY {ROLE}")


@pytest.fixture
def other(table: Connection, database18: Database) -> Iterator[Connection]:
    """Yields a second connection, named "other"."""
    with contextlib.closing(connect(database18, application_name="other")) as connection:
        yield connection


def test_a_quiet_server_is_green(table: Connection) -> None:
    """Nothing in the way: every check PASSED."""
    assert red(ask(table, schemas=("", "later"))) == []


def test_an_idle_transaction_is_named(table: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that idles in a transaction: pid, application and role, and how to end it."""
    monkeypatch.setattr(preflight, "IDLE_S", -1)
    execute(other, "BEGIN")
    execute(other, "SELECT 1")
    checks = ask(table)
    assert red(checks) == ["no session idles in a transaction"]
    pid = other.info.backend_pid
    assert checks["no session idles in a transaction"].found == f"pid {pid} (other, postgres), idle in transaction, 0 s"


def test_a_prepared_transaction_is_no_session(table: Connection) -> None:
    """Servers that allow none cannot have one."""
    if scalar(table, "SHOW max_prepared_transactions") == "0":
        assert ask(table)["no transaction is left prepared"].outcome is Outcome.PASSED


def test_a_pg_dump_is_waited_for(table: Connection, database18: Database) -> None:
    """Another's dump in its transaction is found by its name."""
    with contextlib.closing(connect(database18, application_name="pg_dump")) as dump:
        execute(dump, "BEGIN")
        execute(dump, "LOCK TABLE t IN ACCESS SHARE MODE")
        assert red(ask(table)) == ["no other pg_dump runs"]


def test_a_role_that_owns_nothing(stranger: Connection) -> None:
    """It may neither alter the table nor create in the schema; and is told who does."""
    checks = ask(stranger, schemas=("", "later"))
    assert red(checks)[:2] == ["the role may create what the plan creates", "the role owns what the plan alters"]
    assert checks["the role owns what the plan alters"].found == "public.t belongs to postgres"
    found = checks["the role may create what the plan creates"].found
    assert found == "schema public; schema later, which is not there"


def test_hidden_rows(table: Connection, stranger: Connection) -> None:
    """Row-level security is a must: an UPDATE of nothing would look like success."""
    execute(table, "ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    assert ask(stranger)["no row is hidden from the role"].found == "public.t"
    assert ask(table)["no row is hidden from the role"].outcome is Outcome.PASSED


def test_what_cannot_be_seen_is_not_passed(stranger: Connection, other: Connection) -> None:
    """A role that is not shown other sessions: UNVERIFIED, with the right that is missing."""
    check = ask(stranger)["no session idles in a transaction"]
    assert (check.outcome, check.next) == (Outcome.UNVERIFIED, "GRANT pg_read_all_stats to the role.")


def test_a_published_table(table: Connection) -> None:
    """Publications of a touched table are named."""
    execute(table, "CREATE PUBLICATION shop FOR TABLE t")
    checks = ask(table)
    assert red(checks) == ["nobody subscribes to what the plan touches"]
    assert checks["nobody subscribes to what the plan touches"].found == "public.t in shop"


def test_a_partitioned_table(connection18: Connection) -> None:
    """A parent of partitions is a may: it is said, and closes nothing."""
    execute(connection18, "CREATE TABLE t (id int) PARTITION BY RANGE (id)")
    assert red(ask(connection18)) == ["no partitioned table is touched"]


def test_few_connections(stranger: Connection, table: Connection) -> None:
    """A role's own limit counts too."""
    execute(table, f"ALTER ROLE {ROLE} CONNECTION LIMIT 4")
    try:
        check = ask(stranger)["connections are left"]
    finally:
        execute(table, f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
    assert (check.outcome, check.expected, check.found) == (Outcome.FAILED, "9 or more", "3")


def test_a_role_that_reads_only_by_default(table: Connection, database18: Database) -> None:
    """A should, with where it is set; a session that says it writes does so all the same."""
    name = "nobody has the role read only by default"
    execute(table, f'ALTER DATABASE "{database18.dbname}" SET default_transaction_read_only = on')
    with contextlib.closing(connect(database18, application_name="alembook test", read_only=True)) as connection:
        found = ask(connection)[name]
    assert (found.grade, found.outcome, found.found, found.next) == (
        Grade.SHOULD,
        Outcome.FAILED,
        "default_transaction_read_only is on",
        f"Ask who set it. What ends it: ALTER DATABASE {database18.dbname} RESET default_transaction_read_only.",
    )
    with contextlib.closing(connect(database18, application_name="alembook test", may_write=True)) as connection:
        execute(connection, "CREATE TABLE written (id int)")
        execute(connection, f'ALTER DATABASE "{database18.dbname}" RESET default_transaction_read_only')
    reads = replace(database18, parameters={"options": "-c default_transaction_read_only=on"})
    with contextlib.closing(connect(reads, application_name="alembook test")) as connection:
        assert ask(connection)[name].next == (
            "Ask who set it. What ends it: it is set for the whole server, or by the reference."
        )
