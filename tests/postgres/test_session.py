"""The session that holds a run's locks: one run at a time, and the proof of the right database."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from psycopg2 import sql

from alembook import errors, process
from alembook.postgres import connection as connections
from alembook.postgres import session
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.postgres.session import Session
from tests.postgres import wire
from tests.test_frame import ROOT

KEYS = "SELECT classid::bigint << 32 | objid::bigint AS key FROM pg_locks WHERE locktype = 'advisory' AND pid = %(pid)s"


def connect(database: Database) -> Connection:
    """Returns a connection to ask with."""
    return connections.connect(database, application_name="alembook test")


@pytest.fixture
def other18(server18: Server, database18: Database) -> Iterator[Database]:
    """Yields a second database of the same server."""
    name = f"{database18.dbname}_other"
    yield server18.create_database(name)
    with connections.closing(connect(server18.ensure())) as connection:
        connections.execute(connection, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_mutex_and_nonce_are_held_by_one_backend(database: Database) -> None:
    """Another connection of the database sees both; after the end it sees neither."""
    with connections.closing(connect(database)) as connection:
        with session.hold(database) as held:
            held.check()
            assert session.holds(connection, held.session)
            assert held.session.mutex == session.mutex_of("alembic_version")
        assert not session.holds(connection, held.session)


def test_the_mutex_of_a_version_table_never_changes() -> None:
    """Two versions of Alembook exclude each other: this number is their contract."""
    assert session.mutex_of("public.alembic_version") == 6_654_857_135_665_838_458


def test_a_second_run_is_refused(database: Database) -> None:
    """The mutex is held once; who holds it, and since when, is named."""
    with session.hold(database, application_name="alembook 20261122T120301Z-4f2a9c session"):
        with pytest.raises(errors.TargetBusy) as caught:
            session.hold(database)
        with connections.closing(connect(database)) as connection:
            names = """SELECT pid, backend_start FROM pg_stat_activity
                            WHERE application_name LIKE %(name)s AND datname = current_database()"""
            (holder,) = connections.rows(connection, names, {"name": "alembook 2026%"})
    assert caught.value.exit_code == 6
    assert str(caught.value) == (
        f"Another run holds {database.dbname}.\n"
        f"  why:  backend {holder['pid']} (alembook 20261122T120301Z-4f2a9c session) holds the run's lock since "
        f"{holder['backend_start'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.\n"
        "  next: Wait until it ends, or stop it where it runs; then start again."
    )


def test_a_second_run_of_another_role_is_refused(database18: Database, connection18: Connection) -> None:
    """A role without rights sees locks of others, and is not told since when."""
    name = f"role_of_{database18.dbname}"
    connections.execute(connection18, f"CREATE ROLE {name} LOGIN")
    of_role = replace(database18, user=name)
    with session.hold(database18) as held:
        with pytest.raises(errors.TargetBusy) as caught:
            session.hold(of_role)
        assert caught.value.why == f"backend {held.pid} (alembook session) holds the run's lock."
    connections.execute(connection18, f"DROP ROLE {name}")


def test_two_version_tables_are_two_targets(database18: Database) -> None:
    """Projects that share a database do not wait for each other."""
    with session.hold(database18, version_table="a.version") as one, session.hold(database18) as other:
        one.check()
        other.check()


def test_two_databases_of_a_server_are_two_targets(database18: Database, other18: Database) -> None:
    """The same version table in another database is another lock."""
    with session.hold(database18) as one, session.hold(other18) as other:
        assert one.session.mutex == other.session.mutex
        one.check()
        other.check()


def test_another_database_of_the_server_is_not_the_right_one(database18: Database, other18: Database) -> None:
    """pg_locks shows the keys there too; only the database's own oid makes them a proof."""
    with session.hold(database18) as held, connections.closing(connect(other18)) as elsewhere:
        seen = connections.rows(elsewhere, KEYS, {"pid": held.pid})
        assert {row["key"] for row in seen} == {held.session.mutex, held.session.nonce}
        assert not session.holds(elsewhere, held.session)


def test_two_backends_with_a_lock_each_are_no_proof(database18: Database, connection18: Connection) -> None:
    """One backend must hold both."""
    with session.hold(database18, version_table="a") as a, session.hold(database18, version_table="b") as b:
        assert not session.holds(connection18, Session(mutex=a.session.mutex, nonce=b.session.nonce))


@pytest.mark.parametrize("keys", [(0, -1), (2**63 - 1, -(2**63)), (2**31, -(2**31)), (2**32, 2**32 - 1)])
def test_every_signed_number_is_a_key(database18: Database, connection18: Connection, keys: tuple[int, int]) -> None:
    """Keys come back from pg_locks, which shows them in two unsigned halves."""
    found = Session(mutex=keys[0], nonce=keys[1])
    with connections.closing(connect(database18)) as holder:
        for key in keys:
            assert not session.holds(connection18, found)
            connections.execute(holder, "SELECT pg_advisory_lock(%(key)s)", {"key": key})
        assert session.holds(connection18, found)


def test_each_session_has_a_nonce_of_its_own(database18: Database) -> None:
    """A nonce is never used twice."""
    with session.hold(database18) as first:
        pass
    with session.hold(database18) as second:
        assert first.session.nonce != second.session.nonce


LOST = (
    "The session that holds the run's locks is gone.\n"
    "  why:  its connection ended (server restart, failover, network, or somebody ended the backend).\n"
    "  next: Run `alembook run --run RUN` to see what is applied and go on."
)


def test_a_terminated_backend_is_noticed(database: Database) -> None:
    """The holder says so at its next look, and again; others no longer see the locks."""
    with session.hold(database) as held, connections.closing(connect(database)) as connection:
        connections.execute(connection, "SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": held.pid})
        for _ in range(2):
            with pytest.raises(errors.SessionLost) as caught:
                held.check()
            assert (str(caught.value), caught.value.exit_code) == (LOST, 5)
        assert not session.holds(connection, held.session)


def test_an_ended_run_frees_the_target(database18: Database) -> None:
    """Whether it ended well or with an error, the next one may start; ending twice does no harm."""
    with pytest.raises(ZeroDivisionError), session.hold(database18) as failed:
        raise ZeroDivisionError
    failed.close()
    with session.hold(database18) as held:
        held.check()
    with pytest.raises(errors.SessionLost):
        held.check()


def test_a_killed_run_frees_the_target(database18: Database, tmp_path: Path) -> None:
    """The server drops the locks of a process that was killed."""
    text = (
        "import sys, time\nfrom pathlib import Path\nfrom alembook.postgres import session\n"
        "from alembook.postgres.connection import Database\n"
        "held = session.hold(Database.parse(sys.argv[1]))\n"
        "Path(sys.argv[2]).touch(); time.sleep(100)"
    )
    argv = [sys.executable, "-c", text, database18.conninfo(), str(tmp_path / "held")]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT / "lib")}
    with process.start(argv, environment=environment, stdout=tmp_path / "log") as running:
        deadline = time.monotonic() + 60
        while not (tmp_path / "held").exists():
            assert running.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(errors.TargetBusy):
            session.hold(database18)
        os.kill(running.pid, signal.SIGKILL)
        while time.monotonic() < deadline:
            try:
                session.hold(database18).close()
                return
            except errors.TargetBusy:
                time.sleep(0.05)
    pytest.fail("the locks of a killed process stayed")


def test_a_pooler_gets_no_lock(database18: Database, connection18: Connection) -> None:
    """Through a pooler nothing is set and nothing is locked."""
    sent = bytearray()
    with wire.pooler(database18, sent) as database, pytest.raises(errors.PoolerRefused):
        session.hold(database)
    assert b"set_config" not in sent
    assert b"advisory" not in sent
    with session.hold(database18):
        pass
