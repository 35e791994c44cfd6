"""Several connections that see one snapshot share work: whoever is free takes what is next."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import psycopg2

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements

Connect = Callable[[], connections.Connection]
Task = TypeVar("Task")
Answer = TypeVar("Answer")
#: Below this many pages (64 MB) and this many tasks, opening another connection costs more than it saves.
_WORTH_ANOTHER_PAGES = 8192
_WORTH_ANOTHER_TASKS = 16
_CANCELED = "57014"
_LOOK_EVERY_S = 0.1
_IMPORT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT %(snapshot)s"
_SETTINGS = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off"
_AS_BEFORE = "ROLLBACK TO SAVEPOINT alembook_piece"


@dataclass(slots=True)
class _Crew(Generic[Task]):
    """What the connections have in common."""

    opened: Sequence[connections.Connection]
    todo: queue.SimpleQueue[Task]
    work: Callable[[connections.Connection, Task], None]
    timeout_s: float
    stopped: threading.Event
    failures: list[BaseException] = field(default_factory=list)

    def drain(self, connection: connections.Connection) -> None:
        """Works until nothing is left, or until anyone failed."""
        try:
            with _pinned(connection, self.timeout_s):
                while not self.stopped.is_set():
                    try:
                        task = self.todo.get_nowait()
                    except queue.Empty:
                        return
                    self.work(connection, task)
        except BaseException as failure:  # noqa: BLE001 - ``share`` raises it, when every thread is at its end
            self.fail(failure)

    def fail(self, failure: BaseException) -> None:
        """Lets nobody begin anything; a cancelled statement's own error comes after the one it was cancelled for."""
        self.failures.append(failure)
        self.stopped.set()

    def see_through(self, working: set[Future[None]]) -> None:
        """Waits for every thread; when one failed, or an interrupt comes, cancels what the others wait for.

        Again and again: a statement that had not begun when it was to be cancelled goes on.
        """
        while working:
            try:
                _, working = wait(working, timeout=_LOOK_EVERY_S, return_when=FIRST_COMPLETED)
                if working and self.stopped.is_set():
                    self.cancel()
            except BaseException as failure:  # noqa: BLE001 - ``share`` raises it, when every thread is at its end
                self.fail(failure)

    def cancel(self) -> None:
        """Cancels what runs."""
        for each in self.opened:
            if not each.closed:
                with suppress(psycopg2.Error):
                    each.cancel()


def share(
    connection: connections.Connection,
    tasks: Sequence[Task],
    work: Callable[[connections.Connection, Task], None],
    *,
    timeout_s: float,
    connect: Connect | None = None,
    workers: int = 1,
    pages: int = 0,
    stopped: threading.Event | None = None,
) -> None:
    """Does every task on one of several connections that see the snapshot of the first.

    Each connection is under ``pinned_settings.sql``. A task that fails stops all: statements under way are cancelled,
    and the error of the first to fail is raised.

    Args:
        connection: inside the transaction ``measurement.snapshot`` opened; it works too.
        tasks: in the order they are taken.
        work: does one task; called from several threads at once.
        timeout_s: limit for one statement, seconds; 0 is none.
        connect: opens another connection to the same database.
        workers: how many connections work at once, ``connection`` included.
        pages: what there is to read in all; little of it, in few tasks, is not worth another connection.
        stopped: set, also by the caller, when nothing is to be begun or waited for any more.

    Raises:
        errors.QueryFailed: a task failed, or a connection was lost.
    """
    todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
    for task in tasks:
        todo.put(task)
    is_worth = max(pages // _WORTH_ANOTHER_PAGES, len(tasks) // _WORTH_ANOTHER_TASKS)
    helpers = max(min(workers - 1, len(tasks) - 1, is_worth), 0) if connect else 0
    with ExitStack() as stack:
        others = [stack.enter_context(_imported(connection, connect)) for _ in range(helpers) if connect]
        crew = _Crew([connection, *others], todo, work, timeout_s, stopped or threading.Event())
        with ThreadPoolExecutor(max_workers=len(crew.opened)) as pool:
            crew.see_through({pool.submit(crew.drain, each) for each in crew.opened})
    if crew.failures:
        raise crew.failures[0]


def together(works: Sequence[Callable[[], Answer]], stopped: threading.Event) -> list[Answer]:
    """Returns what several functions return that run side by side, each of which may use ``share``.

    Args:
        works: the functions.
        stopped: the ``stopped`` of what they share; set when one of them fails, or an interrupt comes.

    Raises:
        BaseException: what the first to fail raised.
    """
    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        doing = [pool.submit(work) for work in works]
        try:
            done, left = wait(doing, return_when=FIRST_EXCEPTION)
        except BaseException:
            stopped.set()
            raise
        if left:
            stopped.set()
    failed = [failure for each in done if (failure := each.exception())]
    if failed:
        raise failed[0]
    return [each.result() for each in doing]


def within(
    connection: connections.Connection,
    read: Callable[[], Answer],
    otherwise: Callable[[], Answer],
    *,
    timeout_s: float,
) -> tuple[Answer, bool]:
    """Returns a statement's answer and True; or, when its time ran out, that of another without a limit and False.

    For tasks of ``share``, with its limit: the transaction is as it was.

    Raises:
        errors.QueryFailed: the server refused one of them, or ended it for another reason.
    """
    began = time.monotonic()
    try:
        return read(), True
    except errors.QueryFailed as error:
        is_over = timeout_s and time.monotonic() - began >= timeout_s
        if not is_over or getattr(error.__cause__, "pgcode", None) != _CANCELED:
            raise
    connections.execute(connection, f"{_AS_BEFORE}; SET LOCAL statement_timeout = 0")
    answer = otherwise()
    connections.execute(connection, _AS_BEFORE)
    return answer, False


def tried(connection: connections.Connection, read: Callable[[], Answer]) -> Answer | None:
    """Returns a statement's answer; None, with the transaction as it was, when the server refused it or ended it.

    For tasks of ``share``.

    Raises:
        errors.QueryFailed: the connection was lost.
    """
    try:
        return read()
    except errors.QueryFailed:
        if connection.closed:
            raise
    connections.execute(connection, _AS_BEFORE)
    return None


@contextmanager
def _imported(connection: connections.Connection, connect: Connect) -> Iterator[connections.Connection]:
    snapshot = connections.scalar(connection, "SELECT pg_export_snapshot()")
    with connections.closing(connect()) as other:
        connections.execute(other, _IMPORT, {"snapshot": snapshot})
        connections.execute(other, _SETTINGS)
        yield other


@contextmanager
def _pinned(connection: connections.Connection, timeout_s: float) -> Iterator[None]:
    """Puts a connection under the settings checksums are computed under, and gives it back with its own names."""
    before = connections.scalar(connection, "SHOW search_path")
    pinned = statements.load(__package__, "pinned_settings.sql")
    connections.execute(connection, pinned, {"timeout_ms": str(int(timeout_s * 1000))})
    connections.execute(connection, "SAVEPOINT alembook_piece")
    yield
    connections.execute(connection, "RELEASE SAVEPOINT alembook_piece")
    connections.execute(
        connection,
        "SELECT set_config('search_path', %(path)s, true), set_config('statement_timeout', '0', true)",
        {"path": before},
    )
