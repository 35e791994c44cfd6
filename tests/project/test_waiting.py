"""Nobody waits long: how long others wait behind a revision that waits itself, by the server's own clock."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alembook.postgres.connection import Connection, Database, connect, execute, rows, scalar
from alembook.project import state
from tests.project.conftest import Project

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")
LIMIT_MS = 2000
ATTEMPTS_BLOCKED = 2
#: Waits of others right now whose blocker is the agent, seconds, with when each began; waitstart is the server's.
WAITS = """
    SELECT l.pid, l.waitstart::text AS since, extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS seconds
      FROM pg_locks AS l
      JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.application_name = 'innocent' AND a.datname = current_database()
     WHERE NOT l.granted AND l.waitstart IS NOT NULL AND EXISTS (
           SELECT FROM unnest(pg_blocking_pids(l.pid)) AS b (pid) JOIN pg_stat_activity AS o ON o.pid = b.pid
            WHERE o.application_name LIKE 'alembook % agent')
"""


@contextlib.contextmanager
def traffic(database: Database, statement: str) -> Iterator[list[BaseException]]:
    """Lets another session execute a statement again and again; yields what went wrong with it."""
    ended = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with contextlib.closing(connect(database, application_name="innocent")) as connection:
                while not ended.wait(0.02):
                    execute(connection, statement)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield failed
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def watched(database: Database) -> Iterator[dict[tuple[int, str], float]]:
    """Yields (pid, since) -> the longest that this wait behind the agent was seen to last, seconds."""
    ended = threading.Event()
    longest: dict[tuple[int, str], float] = {}

    def look() -> None:
        with contextlib.closing(connect(database, application_name="watcher")) as connection:
            while not ended.wait(0.02):
                for row in rows(connection, WAITS):
                    key = (row["pid"], row["since"])
                    longest[key] = max(longest.get(key, 0.0), row["seconds"])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield longest
    finally:
        ended.set()
        thread.join()


def test_others_wait_no_longer_than_the_limit(generic: Project, connection18: Connection) -> None:
    """A reader holds the table: those behind us wait at most lock_timeout + 20%; he is named; he goes, we finish."""
    generic.upgrade(*GENERIC[:2])
    generic.set(limits={"lock_timeout_ms": LIMIT_MS})
    execute(connection18, "SET application_name = 'nightly report'")
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts WHERE email <> 'private@example.org'")

    def release(event: dict[str, Any]) -> None:
        if event["attempt"] == ATTEMPTS_BLOCKED:
            execute(connection18, "COMMIT")

    generic.on("retry", release)
    reading, writing = "SELECT count(*) FROM accounts", "UPDATE accounts SET email = email WHERE id = 1"
    with (
        watched(generic.database) as waits,
        traffic(generic.database, reading) as readers,
        traffic(generic.database, writing) as writers,
    ):
        generic.upgrade(GENERIC[2])
    assert (readers, writers) == ([], [])
    assert state.read(connection18) == (GENERIC[2],)
    assert len(generic.told("retry")) == ATTEMPTS_BLOCKED
    assert waits, "nobody was seen to wait behind the revision"
    assert max(waits.values()) <= LIMIT_MS / 1000 * 1.2, waits
    named = [event for event in generic.told("blocked") if event["application"] == "nightly report"]
    assert named
    assert named[0]["state"] == "idle in transaction"
    assert named[0]["query"] == "SELECT count(*) FROM accounts WHERE email <> ?"
    assert named[0]["pid"] == connection18.info.backend_pid
    assert named[0]["since"].startswith("20")


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        ("SET LOCAL lock_timeout = 0", "2s"),
        ("SET lock_timeout = '1h'", "2s"),
        ("SELECT set_config('lock_timeout', '0', true)", "2s"),
        ("RESET lock_timeout", "2s"),
        ("RESET ALL", "2s"),
        ("SET LOCAL lock_timeout = '50ms'", "50ms"),
    ],
)
def test_a_revision_cannot_wait_longer_than_the_policy(
    generic: Project, connection18: Connection, statement: str, holds: str
) -> None:
    """A revision may set a tighter limit for itself; one that is looser, or none, does not hold."""
    body = f"""
        op.execute("{statement}")
        shown = op.get_bind().exec_driver_sql("SHOW lock_timeout").scalar()
        op.execute("CREATE TABLE limit_was_" + shown + " (id int)")
    """
    generic.revision("4d0000000004", GENERIC[2], body)
    generic.upgrade(*GENERIC, "4d0000000004")
    assert scalar(connection18, f"SELECT to_regclass('limit_was_{holds}')") == f"limit_was_{holds}"
