"""What the agent tells while a notebook runs: shown to the operator at once, not when the cell is over."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from alembook.project import watch

_EVERY_S = 0.5


class Tail:
    """Follows one file of events from where it ends now. Use it as a context manager.

    Args:
        path: of the events; it need not be there yet.
        show: told one line at a time, from a thread.
        every_s: how often to look.
    """

    def __init__(self, path: Path, show: Callable[[str], None], *, every_s: float = _EVERY_S) -> None:
        self._path = path
        self._show = show
        self._every_s = every_s
        self._at = path.stat().st_size if path.exists() else 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="tail")

    def __enter__(self) -> Self:
        """Begins to follow."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Shows what came last, and stops."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(self._every_s):
            self._look()
        self._look()

    def _look(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._at)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                text = sentence(json.loads(line))
                if text:
                    self._show(text)


def sentence(event: Mapping[str, Any]) -> str:
    """Returns an event in one line; "" for one that nobody need see at once."""
    name, revision = event.get("event"), event.get("revision")
    if name == "blocked":
        return f"{revision} waits for {watch.sentence(event)}"
    if name == "retry":
        wait_s = event["wait_ms"] / 1000
        return f"{revision} was rolled back ({event['sqlstate']}) and is tried again in {wait_s:.1f} s"
    if name == "revision_started" and event["attempt"] == 1:
        return f"{revision} begins"
    if name == "revision_committed":
        return f"{revision} is committed, {event['seconds']:.1f} s"
    return ""
