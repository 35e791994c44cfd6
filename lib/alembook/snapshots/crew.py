"""Reading the pieces of many tables with several connections that see one snapshot."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import scan
from alembook.snapshots.layout import Layout

Connect = Callable[[], connections.Connection]
#: Below this many pages in all, opening another connection costs more than it saves.
_WORTH_ANOTHER_PAGES = scan.PIECE_PAGES
_CANCELED = "57014"
_IMPORT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT %(snapshot)s"
_SETTINGS = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off"


@dataclass(slots=True)
class _Work:
    """Pieces to be read, largest table first, and what was found so far; shared by all connections."""

    todo: queue.SimpleQueue[scan.Piece]
    left: dict[str, int]
    ends: Mapping[str, Sequence[str]]
    timeout_s: float
    on_table: Callable[[int, int], None]
    found: dict[str, scan.Found]
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopped: threading.Event = field(default_factory=threading.Event)

    def take_in(self, piece: scan.Piece, answer: Mapping[str, object], unread: str) -> None:
        with self.lock:
            name = piece.layout.name
            found = self.found[name]
            found.unread = found.unread or unread
            found.add(piece if not unread else _counted_only(piece), answer)
            self.left[name] -= 1
            if not self.left[name]:
                self.on_table(sum(not left for left in self.left.values()), len(self.left))


def read(
    connection: connections.Connection,
    layouts: Sequence[Layout],
    *,
    ends: Mapping[str, Sequence[str]],
    timeout_s: float,
    on_table: Callable[[int, int], None],
    connect: Connect | None = None,
    workers: int = 1,
) -> dict[str, scan.Found]:
    """Returns what each table came to, by "schema.table".

    Args:
        connection: inside the transaction ``measurement.snapshot`` opened; it reads too.
        layouts: the tables.
        ends: "schema.table" -> columns whose lowest and highest value are asked for.
        timeout_s: limit for one piece, seconds; a piece that reaches it is counted only.
        on_table: called with (tables done, tables in all); never from two threads at once.
        connect: opens another connection to the same database.
        workers: how many connections read at once, ``connection`` included.

    Raises:
        errors.QueryFailed: a table could not be counted; the error names it.
    """
    largest = sorted(layouts, key=lambda layout: -layout.pages)
    pieces = [piece for layout in largest for piece in scan.pieces(layout)]
    left = {layout.name: 0 for layout in layouts}
    todo: queue.SimpleQueue[scan.Piece] = queue.SimpleQueue()
    for piece in pieces:
        left[piece.layout.name] += 1
        todo.put(piece)
    found = {layout.name: scan.Found() for layout in layouts}
    work = _Work(todo, left, ends, timeout_s, on_table, found)
    helpers = _helpers(layouts, len(pieces), workers) if connect else 0
    with ExitStack() as stack:
        others = [stack.enter_context(_imported(connection, connect)) for _ in range(helpers) if connect]
        _share(connection, others, work)
    return work.found


def _helpers(layouts: Sequence[Layout], pieces: int, workers: int) -> int:
    pages = sum(layout.pages for layout in layouts)
    return max(min(workers - 1, pieces - 1, pages // _WORTH_ANOTHER_PAGES), 0)


@contextmanager
def _imported(connection: connections.Connection, connect: Connect) -> Iterator[connections.Connection]:
    snapshot = connections.scalar(connection, "SELECT pg_export_snapshot()")
    with connections.closing(connect()) as other:
        connections.execute(other, _IMPORT, {"snapshot": snapshot})
        connections.execute(other, _SETTINGS)
        yield other


def _share(own: connections.Connection, others: Sequence[connections.Connection], work: _Work) -> None:
    """Lets every connection read until nothing is left; a failure of one stops all."""
    with ThreadPoolExecutor(max_workers=max(len(others), 1)) as pool:
        reading = [pool.submit(_drain, other, work) for other in others]
        try:
            _drain(own, work)
        except BaseException:
            for other in others:
                other.cancel()
            raise
    for each in reading:
        each.result()


def _drain(connection: connections.Connection, work: _Work) -> None:
    before = connections.scalar(connection, "SHOW search_path")
    pinned = statements.load(__package__, "pinned_settings.sql")
    try:
        connections.execute(connection, pinned, {"timeout_ms": str(int(work.timeout_s * 1000))})
        connections.execute(connection, "SAVEPOINT alembook_piece")
        while not work.stopped.is_set():
            try:
                piece = work.todo.get_nowait()
            except queue.Empty:
                break
            answer, unread = _read(connection, piece, work)
            work.take_in(piece, answer, unread)
        connections.execute(connection, "RELEASE SAVEPOINT alembook_piece")
        connections.execute(
            connection,
            "SELECT set_config('search_path', %(path)s, true), set_config('statement_timeout', '0', true)",
            {"path": before},
        )
    except BaseException:
        work.stopped.set()
        raise


def _read(connection: connections.Connection, piece: scan.Piece, work: _Work) -> tuple[Mapping[str, object], str]:
    """Returns a piece's answer; when its time ran out, its first piece counts the table instead."""
    try:
        return scan.read(connection, piece, work.ends.get(piece.layout.name, ())), ""
    except errors.QueryFailed as error:
        if getattr(error.__cause__, "pgcode", None) != _CANCELED or not work.timeout_s:
            raise _uncounted(piece.layout, error) from error
    connections.execute(connection, "ROLLBACK TO SAVEPOINT alembook_piece; SET LOCAL statement_timeout = 0")
    try:
        answer = scan.count(connection, piece)
    except errors.QueryFailed as error:
        raise _uncounted(piece.layout, error) from error
    return answer, f"a pass over it took longer than {work.timeout_s:g} s"


def _counted_only(piece: scan.Piece) -> scan.Piece:
    return scan.Piece(layout=piece.layout, first=piece.first, end=piece.end, columns=(), counts=piece.counts)


def _uncounted(layout: Layout, error: errors.QueryFailed) -> errors.QueryFailed:
    return errors.QueryFailed(
        f"{layout.name} could not be counted.",
        why=f"{error.what} {error.why}",
        next="Remove the cause, or leave the table out with `verify.exclude` in alembook.toml; then run again.",
        state="unchanged: counting only reads.",
    )
