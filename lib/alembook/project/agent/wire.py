"""The two descriptors between the agent and its parent.

``control`` (parent to agent) begins with one line, the request, and then stays open: its end says that the parent died.
``events`` (agent to parent) carries one JSON object a line. Both are the agent's own, so nothing the project prints can
be mistaken for an event.
"""

from __future__ import annotations

import json
import os
import threading
from typing import Any, Dict

DONE = 0
FAILED = 1
REFUSED = 3
PARENT_GONE = 70


class Wire:
    """Speaks with the parent.

    Args:
        control: descriptor to read from.
        events: descriptor to write to.
    """

    def __init__(self, control: int, events: int) -> None:
        os.set_inheritable(control, False)
        os.set_inheritable(events, False)
        self._control = os.fdopen(control, encoding="utf-8")
        self._events = events
        self._lock = threading.Lock()

    def request(self) -> Dict[str, Any]:
        """Returns what the parent asks for; ends the process when it died before it could ask."""
        line = self._control.readline()
        if not line:
            os._exit(PARENT_GONE)
        request: Dict[str, Any] = json.loads(line)
        return request

    def end_with_parent(self) -> None:
        """Lets a thread end this process at once when the parent dies, whatever the project is doing."""
        threading.Thread(target=self._watch, name="alembook-control", daemon=True).start()

    def _watch(self) -> None:
        self._control.read()
        os._exit(PARENT_GONE)

    def send(self, event: str, **fields: Any) -> None:
        """Writes one event; returns when the pipe has it. Ends the process when nobody reads any more."""
        line = json.dumps(dict(fields, event=event), default=str) + "\n"
        try:
            with self._lock:
                self._write(line.encode("ascii"))
        except BrokenPipeError:
            os._exit(PARENT_GONE)

    def _write(self, left: bytes) -> None:
        while left:
            left = left[os.write(self._events, left) :]
