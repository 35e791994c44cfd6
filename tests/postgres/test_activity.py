"""What a run still does on the server, and ending it there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest

from alembook import errors
from alembook.postgres import activity, session
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database

RUN = "20261122T120301Z-4f2a9c"
STATE = "SELECT state FROM pg_stat_activity WHERE pid = %(pid)s"


@pytest.fixture
def backends(database18: Database) -> Iterator[dict[str, Connection]]:
    """Yields connections by application name: two of the run, one of another run, one of somebody else."""
    names = (f"alembook {RUN} upgrade", f"alembook {RUN} watch", "alembook 20261122T120301Z-000000 upgrade", "psql")
    with ExitStack() as stack:
        found = {}
        for name in names:
            found[name] = connections.connect(database18, application_name=name)
            stack.callback(found[name].close)
        yield found


def pid(connection: Connection) -> int:
    """Returns a connection's backend."""
    return int(connection.info.backend_pid)


def sleeps(connection: Connection, asking: Connection) -> threading.Thread:
    """Starts a long statement in a thread, and returns when the server works on it."""

    def run() -> None:
        with suppress(errors.QueryFailed):
            connections.execute(connection, "SELECT pg_sleep(600)")

    thread = threading.Thread(target=run)
    thread.start()
    while connections.scalar(asking, STATE, {"pid": pid(connection)}) != "active":
        time.sleep(0.01)
    return thread


def test_only_the_backends_of_the_run_are_its_own(
    database18: Database, connection18: Connection, backends: dict[str, Connection]
) -> None:
    """The run's two, by name; not the session that holds its locks, another run, others, or who asks."""
    upgrade, watch, *_ = backends.values()
    with session.hold(database18, application_name=activity.session_name(RUN)):
        assert activity.of_run(connection18, RUN) == sorted([pid(upgrade), pid(watch)])
        assert activity.of_run(upgrade, RUN) == [pid(watch)]


def test_nothing_is_left_to_end(connection18: Connection) -> None:
    """A run that does nothing is ended at once."""
    began = time.monotonic()
    assert activity.end(connection18, RUN) == []
    assert time.monotonic() - began < 2


def test_a_run_is_ended_on_the_server(
    database18: Database, connection18: Connection, backends: dict[str, Connection]
) -> None:
    """A long statement is cancelled, what stays is terminated; locks are kept, and others are left alone."""
    upgrade, watch, other_run, somebody = backends.values()
    connections.execute(upgrade, "CREATE TABLE t (a int)")
    connections.execute(upgrade, "BEGIN; INSERT INTO t VALUES (1)")
    thread = sleeps(watch, connection18)
    with session.hold(database18, application_name=activity.session_name(RUN)) as held:
        ended = activity.end(connection18, RUN, grace_s=0.5)
        thread.join(10)
        assert ended == sorted([pid(upgrade), pid(watch)])
        assert activity.of_run(connection18, RUN) == []
        held.check()
    assert not thread.is_alive()
    assert [connections.scalar(one, "SELECT 1") for one in (other_run, somebody)] == [1, 1]
    assert connections.scalar(connection18, "SELECT count(*) FROM t") == 0


def test_a_statement_is_cancelled_before_its_backend_is_ended(
    connection18: Connection, backends: dict[str, Connection]
) -> None:
    """A client that ends by itself after the cancel has the time to."""
    upgrade, watch, *_ = backends.values()
    watch.close()
    thread = sleeps(upgrade, connection18)

    def close_then() -> None:
        thread.join()
        upgrade.close()

    closing = threading.Thread(target=close_then)
    closing.start()
    began = time.monotonic()
    activity.end(connection18, RUN, grace_s=30)
    assert time.monotonic() - began < 20
    closing.join(10)


def test_a_role_that_may_not_end_it(
    database18: Database, connection18: Connection, backends: dict[str, Connection]
) -> None:
    """The server's refusal is ours."""
    name = f"role_of_{database18.dbname}"
    connections.execute(connection18, f"CREATE ROLE {name} LOGIN")
    of_role = connections.connect(replace(database18, user=name), application_name="alembook test")
    with connections.closing(of_role) as connection, pytest.raises(errors.QueryFailed) as caught:
        activity.end(connection, RUN, grace_s=0.1)
    connections.execute(connection18, f"DROP ROLE {name}")
    assert str(caught.value) == (
        "The server refused a query: permission denied to cancel query.\n"
        "  why:  SQLSTATE 42501.\n"
        "  next: Correct what it names, or grant the role what it lacks, then run again."
    )
    assert len(activity.of_run(connection18, RUN)) == 2
