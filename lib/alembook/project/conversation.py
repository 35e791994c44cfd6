"""One agent at work: started, asked, listened to, ended."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from alembook import process
from alembook.project import handover

AGENT = Path(__file__).parent / "agent" / "__main__.py"
_KEPT_LINES = 40
_CHUNK = 65_536
_QUIET_S = 0.5

Event = dict[str, Any]


class Conversation:
    """An agent process with its four pipes: control to it; events, stdout and stderr from it.

    As a context manager it is ended on the way out, whatever it was doing.

    Args:
        python: the project's interpreter; None = ours.
        request: what the agent is to do; may hold secrets, so it goes through the pipe.
        environment: of the process, whole.
        directory: where it works.
        clean: takes secrets out of a line or a message.
    """

    def __init__(
        self,
        python: Path | None,
        request: Mapping[str, Any],
        *,
        environment: Mapping[str, str],
        directory: Path,
        clean: Callable[[str], str],
    ) -> None:
        self._clean = clean
        self._stderr: deque[str] = deque(maxlen=_KEPT_LINES)
        self._selector = selectors.DefaultSelector()
        self._control = -1
        with contextlib.ExitStack() as theirs:
            control = self._pipe(theirs, "control")
            events, stdout, stderr = (self._pipe(theirs, name) for name in ("events", "stdout", "stderr"))
            argv = [str(python or sys.executable), str(AGENT), str(control), str(events)]
            fds = (control, events)
            try:
                self._running = process.start(
                    argv, environment=environment, directory=directory, pass_fds=fds, stdout=stdout, stderr=stderr
                )
            except BaseException:
                self._close()
                raise
        self._ask(request)

    def _pipe(self, theirs: contextlib.ExitStack, name: str) -> int:
        """Returns the agent's end of a new pipe, closed here once the agent has it; ours is registered."""
        reading, writing = os.pipe()
        other, own = (reading, writing) if name == "control" else (writing, reading)
        theirs.callback(os.close, other)
        if name == "control":
            self._control = own
        else:
            self._selector.register(own, selectors.EVENT_READ, _Lines(name))
        return other

    def _ask(self, request: Mapping[str, Any]) -> None:
        line = json.dumps(request).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # it is dead already; its exit says why
            while line:
                line = line[os.write(self._control, line) :]

    def events(self, *, tick_s: float) -> Iterator[Event | None]:
        """Yields events as they come, None after each ``tick_s`` of silence, and ends with the agent.

        What the project prints comes as event "output" with stream and line.
        """
        quiet_since: float | None = None
        while self._selector.get_map():
            has_ended = self._running.poll() is not None
            ready = self._selector.select(min(tick_s, _QUIET_S) if has_ended else tick_s)
            for key, _ in ready:
                yield from self._read(key.fd, key.data)
            if ready:
                quiet_since = None
                continue
            yield None
            if has_ended:  # a process the project left behind holds the pipes
                quiet_since = quiet_since or time.monotonic()
                if time.monotonic() - quiet_since >= _QUIET_S:
                    return

    def _read(self, descriptor: int, lines: _Lines) -> Iterator[Event]:
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            self._selector.unregister(descriptor)
            os.close(descriptor)
        for line in lines.feed(chunk):
            yield self._event(lines.name, line)

    def _event(self, stream: str, line: str) -> Event:
        if stream == "events":
            event: Event = json.loads(line, object_hook=self._cleaned)
            return event
        text = handover.without_values(self._clean(line))
        if stream == "stderr":
            self._stderr.append(text)
        return {"event": "output", "stream": stream, "line": text}

    def _cleaned(self, value: dict[str, Any]) -> dict[str, Any]:
        return {key: self._clean(entry) if isinstance(entry, str) else entry for key, entry in value.items()}

    def stderr(self) -> str:
        """Returns the last lines the project wrote to stderr."""
        return "\n".join(self._stderr)

    def end(self) -> int:
        """Ends the agent, if it still runs. Returns its exit code; negative: the signal that ended it."""
        return self._running.kill()

    def exit_code(self) -> int:
        """Returns the exit code of an agent that has closed its pipes."""
        code = self._running.wait(_QUIET_S)
        return self.end() if code is None else code

    def __enter__(self) -> Conversation:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the agent and closes the pipes."""
        self.end()
        self._close()

    def _close(self) -> None:
        os.close(self._control)
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()


class _Lines:
    """Cuts a stream into lines.

    Args:
        name: of the stream.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, chunk: bytes) -> list[str]:
        """Returns the lines that are complete. The stream's end, b"", completes text; an event cut short is none."""
        *lines, self._rest = (self._rest + self._decoder.decode(chunk, final=not chunk)).split("\n")
        if len(self._rest) > _CHUNK and self.name != "events":
            lines, self._rest = [*lines, self._rest], ""
        if not chunk and self._rest and self.name != "events":
            lines, self._rest = [*lines, self._rest], ""
        return lines
