"""What a program prints: read as it comes, handed on by line, the last lines kept."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Callable
from typing import IO, TypeAlias

#: Called with "stdout" or "stderr", and a line.
OnLine: TypeAlias = Callable[[str, str], None]

_LINE_BYTES = 65_536
_QUIET_S = 0.5


class Output:
    """Reads both streams of a program until it ends, in memory bounded by ``kept_lines``."""

    def __init__(self, popen: subprocess.Popen[bytes], kept_lines: int, on_line: OnLine | None) -> None:
        self._popen = popen
        self._started = time.monotonic()
        self._on_line = on_line
        self._selector = selectors.DefaultSelector()
        self._lines: dict[str, deque[str]] = {}
        self._rests: dict[str, bytes] = {}
        streams: dict[str, IO[bytes] | None] = {"stdout": popen.stdout, "stderr": popen.stderr}
        for name, stream in streams.items():
            self._lines[name] = deque(maxlen=kept_lines)
            self._rests[name] = b""
            if stream is not None:
                self._selector.register(stream.fileno(), selectors.EVENT_READ, name)

    @property
    def is_open(self) -> bool:
        """Says whether somebody still holds the program's output."""
        return bool(self._selector.get_map())

    def text(self, name: str) -> str:
        """Returns the last lines of "stdout" or "stderr"."""
        return "\n".join(self._lines[name])

    def seconds(self) -> float:
        """Returns the time since the start."""
        return time.monotonic() - self._started

    def until_end(self, timeout_s: float | None) -> bool:
        """Returns True when the program has ended, False when the time was up first.

        A program that has ended while one it left behind holds its output open counts as ended after half a second.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self.is_open:
            left_s = _QUIET_S if deadline is None else min(_QUIET_S, deadline - time.monotonic())
            if left_s <= 0:
                return False
            ready = self._selector.select(left_s)
            for key, _ in ready:
                self._read(key.fd, key.data)
            if not ready and self._popen.poll() is not None:
                return True
        return self._has_ended(deadline)

    def _has_ended(self, deadline: float | None) -> bool:
        try:
            self._popen.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read(self, descriptor: int, name: str) -> None:
        chunk = os.read(descriptor, _LINE_BYTES)
        if not chunk:
            self._selector.unregister(descriptor)
        *lines, rest = (self._rests[name] + chunk).split(b"\n")
        if rest and (not chunk or len(rest) > _LINE_BYTES):
            lines, rest = [*lines, rest], b""
        self._rests[name] = rest
        for line in lines:
            self._take(name, line.rstrip(b"\r").decode("utf-8", "replace"))

    def _take(self, name: str, line: str) -> None:
        self._lines[name].append(line)
        if self._on_line is not None:
            self._on_line(name, line)

    def close(self) -> None:
        """Stops reading."""
        self._selector.close()
