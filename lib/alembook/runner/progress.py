"""How far a run is: a live line per notebook at a terminal, plain lines with the time everywhere else."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_HEARTBEAT_S = 10.0
_STYLES = {"PASSED": "bold green", "FAILED": "bold red", "UNVERIFIED": "bold yellow"}
_SPINNER = "|/-\\"


@dataclass(slots=True, kw_only=True)
class _Line:
    """One notebook's line."""

    name: str
    began: float
    cell: str = ""
    title: str = ""
    note: str = ""
    verdict: str = ""
    seconds: float | None = None

    def elapsed(self) -> str:
        """Returns the wall time so far, or in all once it has ended."""
        seconds = time.monotonic() - self.began if self.seconds is None else self.seconds
        minutes, rest = divmod(seconds, 60)
        return f"{minutes:.0f} min {rest:02.0f} s" if minutes else f"{rest:.1f} s"


class Progress:
    """Shows the notebooks of a run as they go. Its methods may be called from any thread.

    Args:
        console: where to show it; default: standard error.
        heartbeat_s: away from a terminal, how often a notebook that goes on says so.
    """

    def __init__(self, console: Console | None = None, *, heartbeat_s: float = _HEARTBEAT_S) -> None:
        self._console = console or Console(stderr=True)
        self._is_live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._heartbeat_s = heartbeat_s
        self._lines: list[_Line] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._live = Live(console=self._console, get_renderable=self._shown, refresh_per_second=4, transient=False)
        self._beats = threading.Thread(target=self._beat, daemon=True, name="progress")

    def __enter__(self) -> Self:
        """Begins to show."""
        if self._is_live:
            self._live.start()
        else:
            self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops; what was shown stays."""
        self._ended.set()
        if self._is_live:
            self._live.stop()
        else:
            self._beats.join()

    def notebook_started(self, name: str) -> None:
        """Adds a notebook ("40_upgrade.s1")."""
        with self._lock:
            self._lines.append(_Line(name=name, began=time.monotonic()))
        self._say(f"{name}  started")

    def cell(self, number: int, total: int, title: str) -> None:
        """Says which cell of the latest notebook runs now; fits ``notebook.execute``'s ``on_progress``."""
        with self._lock:
            if self._lines:
                self._lines[-1].cell = f"{number}/{total}"
                self._lines[-1].title = title
                self._lines[-1].note = ""

    def note(self, text: str) -> None:
        """Says what happens in the cell that runs: a revision begins, waits for somebody, is committed."""
        with self._lock:
            line = self._lines[-1] if self._lines else None
            if line is not None:
                line.note = text
        self._say(f"{line.name}  {text}" if line else text)

    def notebook_ended(self, name: str, verdict: str, seconds: float) -> None:
        """Says what became of a notebook.

        Args:
            name: as it was started.
            verdict: PASSED, FAILED, UNVERIFIED, STOPPED or WAITING.
            seconds: wall time.
        """
        with self._lock:
            line = next((line for line in reversed(self._lines) if line.name == name), None)
            if line is None:
                line = _Line(name=name, began=time.monotonic())
                self._lines.append(line)
            line.verdict, line.seconds = verdict, seconds
        self._say(f"{name}  {verdict}  {line.elapsed()}")

    def say(self, text: str) -> None:
        """Shows a line of its own, before any notebook."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _say(self, text: str) -> None:
        if not self._is_live:
            at = datetime.now(UTC).strftime("%H:%M:%SZ")
            self._console.print(f"{at}  {text}", markup=False, highlight=False, soft_wrap=True)

    def _beat(self) -> None:
        while not self._ended.wait(self._heartbeat_s):
            with self._lock:
                line = self._lines[-1] if self._lines else None
                text = f"{line.name}  cell {line.cell} {line.title}, {line.elapsed()}" if line and line.cell else ""
                is_over = line is None or bool(line.verdict)
            if text and not is_over:
                self._say(text)

    def _shown(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, overflow="ellipsis")
        with self._lock:
            for line in self._lines:
                table.add_row(*_row(line))
        return table


def _row(line: _Line) -> tuple[Text, Text, Text, Text]:
    if line.verdict:
        state = Text(line.verdict, style=_STYLES.get(line.verdict, "bold blue"))
    else:
        turn = _SPINNER[int(time.monotonic() * 4) % len(_SPINNER)]
        state = Text(f"{turn} {line.note or line.title or 'kernel starts'}", style="dim")
    return Text(line.name), Text(line.cell, style="dim"), Text(line.elapsed(), style="dim"), state
