"""The record of one execution: the executed notebook and its events, always saying what is true at that moment."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import nbformat

from alembook import errors
from alembook.archive import atomic
from alembook.runner.outcome import CellError, Outcome, Place, Status

OnProgress = Callable[[int, int, str], None]
#: Takes secrets out of a text.
Clean = Callable[[str], str]
_AUTOSAVE_S = 5.0
_SKIPPED = "skip-execution"


class EventWriter(Protocol):
    """Where events go; ``alembook.archive.Events`` is one."""

    def write(self, event: str, **fields: Any) -> None:
        """Writes one event."""


class Record:
    """Stands where papermill has its NotebookExecutionManager, and does not believe what that would write.

    papermill marks the cells of a dead, stopped or timed out kernel "completed" and writes its file in place. Here a
    cell is what the kernel replied, and every save is whole or not there.

    Args:
        nb: the notebook as papermill prepared it; changed in place.
        path: the file to save it in.
        source: name of the notebook it was made from.
        events: where the run's events go.
        on_progress: told (number of the cell, number of cells, heading) as a cell starts.
        clean: takes secrets out of the text of each save.
    """

    def __init__(
        self,
        nb: nbformat.NotebookNode,
        *,
        path: Path,
        source: str,
        events: EventWriter,
        on_progress: OnProgress | None = None,
        clean: Clean = str,
    ) -> None:
        self.nb = nb
        self.path = path
        self.source = source
        self.runnable = [index for index, cell in enumerate(nb.cells) if _is_runnable(cell)]
        self.where: Place | None = None
        self._events = events
        self._clean = clean
        self._on_progress = on_progress or (lambda *_: None)
        self._titles = _titles(nb)
        self._began = time.monotonic()
        self._cell_began = self._began
        self._saved = self._began
        self._done: list[Place] = []

    def begins(self, kernel_pid: int) -> None:
        """Saves the notebook with nothing run yet, and says so."""
        self._began = time.monotonic()
        for cell in self.nb.cells:
            _clear(cell)
        self.nb.metadata["papermill"] = {
            **self.nb.metadata.get("papermill", {}),
            "input_path": self.source,
            "output_path": self.path.name,
            **_times(start=_now()),
            "exception": None,
        }
        self.nb.metadata["alembook"] = {"status": Status.RUNNING.value, "source": self.source, "kernel_pid": kernel_pid}
        self._save()
        self._events.write(
            "notebook_started",
            notebook=self.path.name,
            source=self.source,
            cells=len(self.runnable),
            kernel_pid=kernel_pid,
        )

    def cell_begins(self, index: int) -> None:
        """Marks a cell running."""
        cell = self.nb.cells[index]
        self.where = Place(index=index, id=cell.get("id", ""), title=self._titles[index])
        self._cell_began = time.monotonic()
        cell.metadata["papermill"].update(_times(start=_now()), status=Status.RUNNING.value)
        self._on_progress(self.runnable.index(index) + 1, len(self.runnable), self.where.title)
        self._events.write("cell_started", **self._cell_fields(self.where))
        self._save()

    def cell_ends(self, status: Status, error: CellError | None, *, is_reply: bool) -> None:
        """Marks the running cell with what became of it; saved as the next one begins, or at the end of all.

        Args:
            status: what became of it.
            error: what it raised.
            is_reply: the kernel itself answered; a cell counts as run only then.
        """
        place = self.where
        if place is None:
            return
        cell, seconds = self.nb.cells[place.index], round(time.monotonic() - self._cell_began, 3)
        cell.outputs = _joined(cell.outputs)
        failed = status is not Status.SUCCEEDED
        cell.metadata["papermill"].update(end_time=_now(), duration=seconds, status=status.value, exception=failed)
        if status is Status.SUCCEEDED:
            self._done.append(place)
        if is_reply:
            raised = {"error": error.name} if error else {}
            self._events.write(
                "cell_replied", **self._cell_fields(place), status=status.value, seconds=seconds, **raised
            )

    def _cell_fields(self, place: Place) -> dict[str, Any]:
        return {"notebook": self.path.name, "index": place.index, "cell": place.id, "title": place.title}

    def ends(self, outcome: Outcome) -> None:
        """Saves the notebook as it will stay, and writes the last event."""
        for index in self.runnable:
            state = self.nb.cells[index].metadata["papermill"]
            if state["status"] == Status.PENDING:
                state["status"] = Status.NOT_RUN.value
        failed = outcome.status is not Status.SUCCEEDED
        self.nb.metadata["papermill"].update(end_time=_now(), duration=outcome.seconds, exception=failed or None)
        what = {
            "status": outcome.status.value,
            "cells_run": outcome.cells_run,
            "cells_total": outcome.cells_total,
            "seconds": outcome.seconds,
            "exit_code": outcome.exit_code,
            **({"error": outcome.error_name} if outcome.error_name else {}),
            **({"cell": outcome.cell.id, "index": outcome.cell.index} if outcome.cell else {}),
            **({"signal": outcome.signal} if outcome.signal else {}),
        }
        self.nb.metadata["alembook"].update(what)
        self._save()
        self._events.write("notebook_ended", notebook=self.path.name, **what)

    @property
    def cells_run(self) -> int:
        """Returns how many cells ran to their end without an error."""
        return len(self._done)

    @property
    def seconds(self) -> float:
        """Returns the wall time since the beginning."""
        return round(time.monotonic() - self._began, 3)

    def autosave_cell(self) -> None:
        """Saves inside a long cell, at most every few seconds; papermill calls it at each message.

        A disk that is full just now is no reason to cut a migration short: the save after the cell is the one that
        raises.
        """
        if time.monotonic() - self._saved >= _AUTOSAVE_S:
            self._saved = time.monotonic()
            with suppress(errors.ArchiveFailed):
                self._save()

    def _save(self) -> None:
        atomic.write_text(self.path, self._clean(nbformat.writes(self.nb)) + "\n")
        self._saved = time.monotonic()


def _is_runnable(cell: nbformat.NotebookNode) -> bool:
    is_code = cell.cell_type == "code" and bool(cell.source.strip())
    return is_code and _SKIPPED not in cell.metadata.get("tags", [])


def _clear(cell: nbformat.NotebookNode) -> None:
    if cell.cell_type != "code":
        cell.metadata.pop("papermill", None)
        return
    cell.execution_count, cell.outputs = None, []
    status = Status.PENDING if _is_runnable(cell) else Status.NOT_RUN
    cell.metadata["papermill"] = {**_times(start=None), "exception": False, "status": status.value}
    if "injected-parameters" in cell.metadata.get("tags", []):
        cell["id"] = "injected-parameters"


def _times(start: str | None) -> dict[str, Any]:
    return {"start_time": start, "end_time": None, "duration": None}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _titles(nb: nbformat.NotebookNode) -> list[str]:
    """Returns, for each cell, the heading it stands under."""
    found, title = [], ""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            headings = [line.lstrip("# ").strip() for line in cell.source.splitlines() if line.startswith("#")]
            title = headings[-1] if headings else title
        found.append(title)
    return found


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Returns the outputs with neighbouring pieces of one stream joined, and of a line rewritten by CR its last state.

    In linear time, which nbclient's ``coalesce_streams`` is not: 300 kB on one line kept it busy for minutes.
    """
    joined: list[nbformat.NotebookNode] = []
    for stream, pieces in itertools.groupby(outputs, key=_stream):
        if stream:
            text = "".join(piece.text for piece in pieces)
            last = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
            joined.append(nbformat.v4.new_output("stream", name=stream, text=last))
        else:
            joined.extend(pieces)
    return joined


def _stream(output: nbformat.NotebookNode) -> str:
    return str(output.name) if output.output_type == "stream" else ""
