"""Reading the pieces of many tables, and adding up what they came to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from alembook import errors
from alembook.postgres import connection as connections
from alembook.snapshots import crew, scan
from alembook.snapshots.layout import Layout


@dataclass(slots=True)
class _Reading:
    """What was found so far, what is left of each table, and how many are done; shared by all connections."""

    left: dict[str, int]
    timeout_s: float
    on_table: Callable[[int, int], None]
    found: dict[str, scan.Found]
    done: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, connection: connections.Connection, pieces: Sequence[scan.Piece]) -> None:
        """Reads pieces; several that cannot be read together are read one by one, so that an error names its table."""
        if len(pieces) > 1:
            answers = crew.tried(connection, lambda: scan.read(connection, pieces))
            if answers is None:
                for piece in pieces:
                    self._read_one(connection, piece)
            else:
                for piece, answer in zip(pieces, answers, strict=True):
                    self._take_in(piece, answer, "")
            return
        self._read_one(connection, pieces[0])

    def _read_one(self, connection: connections.Connection, piece: scan.Piece) -> None:
        """Reads a piece; when its time runs out, its rows are counted and nothing else."""
        try:
            answer, is_read = crew.within(
                connection,
                lambda: scan.read(connection, [piece])[0],
                lambda: scan.count(connection, piece),
                timeout_s=self.timeout_s,
            )
        except errors.QueryFailed as error:
            raise _uncounted(piece.layout, error) from error
        unread = "" if is_read else f"a pass over it took longer than {self.timeout_s:g} s"
        self._take_in(piece if is_read else replace(piece, columns=(), ends=()), answer, unread)

    def _take_in(self, piece: scan.Piece, answer: Mapping[str, object], unread: str) -> None:
        with self.lock:
            name = piece.layout.name
            found = self.found[name]
            found.unread = found.unread or unread
            found.add(piece, answer)
            self.left[name] -= 1
            if not self.left[name]:
                self.done += 1
                self.on_table(self.done, len(self.left))


def read(
    connection: connections.Connection,
    layouts: Sequence[Layout],
    *,
    ends: Mapping[str, Sequence[str]],
    timeout_s: float,
    on_table: Callable[[int, int], None],
    connect: crew.Connect | None = None,
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
    pieces = [each for layout in largest for each in scan.pieces(layout, ends.get(layout.name, ()), workers)]
    left = {layout.name: 0 for layout in layouts}
    for piece in pieces:
        left[piece.layout.name] += 1
    reading = _Reading(left, timeout_s, on_table, {layout.name: scan.Found() for layout in layouts})
    pages = sum(layout.pages for layout in layouts)
    how = {"timeout_s": timeout_s, "pages": pages, "workers": workers}
    crew.share(connection, list(scan.together(pieces)), reading.read, connect=connect, **how)  # type: ignore[arg-type]
    return reading.found


def _uncounted(layout: Layout, error: errors.QueryFailed) -> errors.QueryFailed:
    return errors.QueryFailed(
        f"{layout.name} could not be counted.",
        why=f"{error.what} {error.why}",
        next="Remove the cause, or leave the table out with `verify.exclude` in alembook.toml; then run again.",
        state="unchanged: counting only reads.",
    )
