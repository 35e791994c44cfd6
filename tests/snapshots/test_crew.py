"""Several connections that share work: the same answer as one, and an end that is always defined."""

from __future__ import annotations

import contextlib
import threading

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import crew, measurement

#: So many pages of 8 kB are worth three connections.
PAGES = 8192 * 3


def opened(database: Database) -> Connection:
    """Returns a connection that only reads."""
    return connections.connect(database, application_name="alembook test", read_only=True)


def test_three_workers_find_what_one_finds(connection18: Connection, database18: Database) -> None:
    """They see one snapshot: what is committed meanwhile is in nobody's piece."""
    connections.execute(
        connection18,
        f"""CREATE UNLOGGED TABLE wide (id int PRIMARY KEY, v text STORAGE PLAIN);
            INSERT INTO wide SELECT i, repeat('x', 5000) || i FROM generate_series(1, {PAGES + 10}) AS i;
            CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, NULL), (2, 3);
            ANALYZE wide""",
    )
    with connections.closing(opened(database18)) as looking, measurement.snapshot(looking):
        _compare_workers(looking, connection18, database18)


def _compare_workers(looking: Connection, connection18: Connection, database18: Database) -> None:
    one = measurement.measure(looking)
    connections.execute(connection18, "UPDATE wide SET v = '' WHERE id < 1000; INSERT INTO small VALUES (3, 4)")
    names = set()

    def connect() -> Connection:
        names.add(threading.current_thread().name)
        return opened(database18)

    three = measurement.measure(looking, connect=connect, workers=3)
    assert names
    assert three.tables["rows"].tolist() == [2, PAGES + 10]
    assert three.columns.to_dict("records") == one.columns.to_dict("records")


def test_a_worker_that_is_killed_ends_all(
    looking18: Connection, connection18: Connection, database18: Database
) -> None:
    """Its own error is raised, the others stop, and no session is left behind."""
    pids: list[int] = []

    def connect() -> Connection:
        other = opened(database18)
        pids.append(other.info.backend_pid)
        return other

    reading = threading.Barrier(3, timeout=60)

    def work(connection: Connection, task: int) -> None:
        reading.wait()
        if connection.info.backend_pid == pids[0]:
            connections.execute(connection18, "SELECT pg_terminate_backend(%(pid)s)", {"pid": pids[0]})
        connections.execute(connection, "SELECT pg_sleep(600)")

    with pytest.raises(errors.QueryFailed) as caught:
        crew.share(looking18, range(30), work, timeout_s=0, connect=connect, workers=3, pages=PAGES)
    assert caught.value.what == "The connection to the server was lost."
    assert _sessions(connection18, pids) == 0


def test_an_interrupt_ends_all(looking18: Connection, connection18: Connection, database18: Database) -> None:
    """Whoever waits for a statement is cancelled, and what was interrupted is raised."""
    pids: list[int] = []
    reading = threading.Barrier(2, timeout=60)

    def connect() -> Connection:
        other = opened(database18)
        pids.append(other.info.backend_pid)
        return other

    def work(connection: Connection, task: int) -> None:
        reading.wait()
        if connection is looking18:
            raise KeyboardInterrupt
        connections.execute(connection, "SELECT pg_sleep(600)")

    with pytest.raises(KeyboardInterrupt):
        crew.share(looking18, range(30), work, timeout_s=0, connect=connect, workers=2, pages=PAGES)
    assert _sessions(connection18, pids) == 0


def test_one_side_that_fails_ends_the_other(looking18: Connection, database18: Database) -> None:
    """Two that work side by side: nobody waits for what the other one waits for."""
    stopped = threading.Event()
    reading = threading.Barrier(2, timeout=60)

    def sleep() -> None:
        def work(connection: Connection, task: int) -> None:
            reading.wait()
            connections.execute(connection, "SELECT pg_sleep(600)")

        crew.share(looking18, range(3), work, timeout_s=0, stopped=stopped)

    def fail() -> None:
        reading.wait()
        raise errors.QueryFailed("It is lost.", why="so.", next="Go on.", state="unchanged")

    with pytest.raises(errors.QueryFailed, match=r"It is lost\."):
        crew.together([sleep, fail], stopped)


def test_a_limit_that_one_task_reached_holds_for_the_next(looking18: Connection) -> None:
    """What stands in for a statement without an answer has no limit; the statements after it have."""
    answers = []

    def work(connection: Connection, task: int) -> None:
        slow = "SELECT pg_sleep(600)"
        limit = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"
        answers.append(
            crew.within(
                connection,
                lambda: connections.scalar(connection, slow if task == 0 else limit),
                lambda: connections.scalar(connection, limit),
                timeout_s=0.2,
            )
        )

    crew.share(looking18, range(2), work, timeout_s=0.2)
    assert answers == [("0", False), ("200", True)]
    assert connections.scalar(looking18, "SHOW statement_timeout") == "0"


def test_what_is_cancelled_is_no_limit_that_was_reached(looking18: Connection, connection18: Connection) -> None:
    """Nor is one that was cancelled because another failed: the error is told as it is."""

    def work(connection: Connection, task: int) -> None:
        timer = threading.Timer(0.2, connection.cancel)
        with contextlib.closing(_Started(timer)):
            crew.within(
                connection,
                lambda: connections.scalar(connection, "SELECT pg_sleep(600)"),
                lambda: connections.scalar(connection, "SELECT 1"),
                timeout_s=500,
            )

    with pytest.raises(errors.QueryFailed, match="canceling statement due to user request"):
        crew.share(looking18, range(1), work, timeout_s=500)


class _Started:
    """A timer that runs inside a block."""

    def __init__(self, timer: threading.Timer) -> None:
        self._timer = timer
        timer.start()

    def close(self) -> None:
        """Waits for it."""
        self._timer.join()


def _sessions(connection: Connection, pids: list[int]) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%(pids)s) AND state = 'active'"
    return int(connections.scalar(connection, query, {"pids": pids}))
