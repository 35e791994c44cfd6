"""Events of a run: one file per writer, one JSON object a line, on disk before the next thing happens."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from alembook import errors
from alembook.archive import atomic
from alembook.config.redaction import Redactor

_NO_SECRET = Redactor()


class Events:
    """One writer's file, ``events/<writer>.jsonl``, open for appending.

    While it is open the file carries a shared lock, which the kernel drops when the writer dies: a reader can tell a
    run that goes on from one that was cut off. A line that was cut off (disk full, power lost) is dropped when the file
    is opened again, so that what follows stands on lines of its own.
    """

    def __init__(self, path: Path, redactor: Redactor = _NO_SECRET) -> None:
        self.path = path
        self._redactor = redactor
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: TextIO = path.open("a", encoding="utf-8", errors=atomic.UNENCODABLE)
            fcntl.flock(self._stream, fcntl.LOCK_SH)
            _drop_cut_line(path)
        except OSError as error:
            raise atomic.failed(path, error) from error

    def write(self, event: str, *, is_durable: bool = True, **fields: Any) -> None:
        """Appends one event with the time it is written at.

        Args:
            event: its name.
            is_durable: return when it is on disk; else it outlives this process, but maybe not the machine.
            **fields: JSON values.

        Raises:
            errors.ArchiveFailed: it could not be written.
        """
        line = json.dumps({"at": now(), "event": event, **fields}, ensure_ascii=False, default=str)
        try:
            self._stream.write(self._redactor.clean(line) + "\n")
            self._stream.flush()
            if is_durable:
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise atomic.failed(self.path, error) from error

    def close(self) -> None:
        """Ends the file. Safe to call twice."""
        try:
            self._stream.close()
        except OSError as error:
            raise atomic.failed(self.path, error) from error

    def __enter__(self) -> Events:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the file."""
        self.close()


def _drop_cut_line(path: Path) -> None:
    """Shortens a file to its last whole line; one that ends with a whole line is left alone."""
    if not path.is_file() or not path.stat().st_size:
        return
    with path.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read() != b"\n":
            stream.seek(0)
            stream.truncate(sum(len(line) for line in stream if line.endswith(b"\n")))


def now() -> str:
    """Returns the time in UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yields the events of one file in order. A last line cut off by a crash is left out.

    Raises:
        errors.ArchiveFailed: a line in the middle is not JSON.
    """
    if not path.exists():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise errors.ArchiveFailed(
                    f"{path.name} is damaged at line {number}.",
                    why="it is not JSON; something other than Alembook wrote there.",
                    next="Restore the file from a copy of the archive.",
                ) from error


def has_writer(path: Path) -> bool:
    """Says whether a living process has the file open for writing."""
    if not path.exists():
        return False
    with _opened(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _opened(path: Path) -> BinaryIO:
    """Returns the file open for a lock: NFS grants an exclusive one to who may write, others to who may only read."""
    try:
        return path.open("r+b")
    except OSError:
        return path.open("rb")
