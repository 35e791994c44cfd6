"""What became of one notebook."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alembook import errors
from alembook.verdict import Check, Gate, sentence, worst_first

#: The first line our errors show instead of a Python traceback, see ``errors.AlembookError._render_traceback_``.
_OURS = re.compile(r"(\w+) \(exit (\d+)\)")
_LABELS = {"  why:  ": "why", "  next: ": "next", "  left: ": "state"}
_TRACEBACK_LINES = 8
_KERNEL_LINES = 12


class Status(StrEnum):
    """What became of a notebook or of one of its cells. ``not_run``, ``pending`` and ``running`` are of cells only."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXITED = "exited"
    TIMED_OUT = "timed_out"
    KERNEL_DIED = "kernel_died"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not_run"
    PENDING = "pending"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A cell of the executed notebook.

    Attributes:
        index: its position, from 0, as in the file.
        id: its id, the same as in the source.
        title: the heading it stands under.
    """

    index: int
    id: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellError:
    """What a cell raised.

    Attributes:
        name: class of the exception.
        text: its message; of one of our errors, the whole text.
        traceback: lines without colours; "" when none came.
        exit_code: of one of our errors; None of any other.
    """

    name: str = ""
    text: str = ""
    traceback: str = ""
    exit_code: int | None = None

    @classmethod
    def from_reply(cls, content: Mapping[str, object]) -> CellError:
        """Returns the error in a kernel's ``execute_reply``; one of ours is known by the first line it shows."""
        lines = content.get("traceback")
        traceback = plain("\n".join(lines)) if isinstance(lines, list) else ""
        name = str(content.get("ename", ""))
        ours = _OURS.match(traceback)
        code = int(ours[2]) if ours and ours[1] == name and errors.named(name) else None
        return cls(name=name, text=plain(str(content.get("evalue", ""))), traceback=traceback, exit_code=code)

    def restored(self) -> errors.AlembookError | None:
        """Returns our error as the kernel raised it, or None when it was none of ours."""
        kind = errors.named(self.name) if self.exit_code is not None else None
        if kind is None:
            return None
        parts, evidence = parts_of(self.text)
        state = parts.pop("state", "")
        what = parts.pop("what")
        if issubclass(kind, errors.StepFailed):
            return kind(what, state=state, evidence=evidence, exit_code=self.exit_code, **parts)
        return kind(what, evidence=evidence, exit_code=self.exit_code, **parts)


def parts_of(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the parts and the evidence of a text that ``errors.AlembookError.lines`` wrote."""
    parts, evidence = {"what": ""}, dict[str, str]()
    name, into = "what", parts
    for line in text.splitlines():
        label = next((label for label in _LABELS if line.startswith(label)), None)
        if label and into is parts:
            name = _LABELS[label]
            parts[name] = line.removeprefix(label)
        elif line.startswith("  ") and not line.startswith("    ") and line.endswith(":"):
            name, into = line.strip().removesuffix(":"), evidence
            evidence[name] = ""
        else:
            text_line = line.removeprefix("    ") if into is evidence else line
            into[name] += f"\n{text_line}" if into[name] else text_line
    return parts, evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one notebook, from the kernel's own replies and never from papermill's metadata.

    Attributes:
        notebook: name of the executed file.
        status: succeeded, failed, exited, timed_out, kernel_died or interrupted.
        error: what the failing cell raised; None when none did.
        cell: where it ended; None when it succeeded, or ended before its first cell.
        cells_run: code cells that ran to their end without an error.
        cells_total: code cells there are.
        seconds: wall time.
        kernel_pid: process that ran it.
        signal: number of the signal that stopped it, or None.
        last_words: last lines the kernel wrote to its own log, when it died.
    """

    notebook: str
    status: Status
    error: CellError | None = None
    cell: Place | None = None
    cells_run: int
    cells_total: int
    seconds: float
    kernel_pid: int
    signal: int | None = None
    last_words: str = ""

    @property
    def error_name(self) -> str:
        """Returns the class of the exception, "" when there was none."""
        return self.error.name if self.error else ""

    @property
    def error_text(self) -> str:
        """Returns the text of the exception, "" when there was none."""
        return self.error.text if self.error else ""

    @property
    def exit_code(self) -> int:
        """Returns the exit code of DESIGN.md 3.2 this ending stands for."""
        failure = self.failure()
        return failure.exit_code if failure else 0

    def failure(self) -> errors.AlembookError | None:
        """Returns the error to raise for it: our own as the kernel raised it, else one that tells; or None."""
        if self.status is Status.SUCCEEDED:
            return None
        if self.status is Status.INTERRUPTED:
            return self._interrupted()
        if self.status is Status.FAILED and self.error:
            return self.error.restored() or self._unexpected(self.error)
        return self._ended_early()

    def _where(self) -> str:
        if self.cell is None:
            return f"{self.notebook}, before its first cell"
        return f"{self.notebook}, cell {self.cell.index + 1}" + (f" ({self.cell.title})" if self.cell.title else "")

    def _interrupted(self) -> errors.Stopped:
        number = self.signal or signal.SIGINT
        by = signal.Signals(number).name if self.signal else "an interrupt of its kernel"
        return errors.Stopped(
            f"The run was stopped by {by} in {self._where()}.",
            next="Go on with `alembook run --run RUN`; the record says what was done.",
            exit_code=128 + number,
        )

    def _unexpected(self, error: CellError) -> errors.AlembookError:
        return errors.AlembookError(
            f"{error.name} in {self._where()}.",
            why=error.text.partition("\n")[0] or "the error has no text.",
            next="This is not an error Alembook knows; the executed notebook has all of it.",
            evidence={"last lines": _tail(error.traceback, _TRACEBACK_LINES)} if error.traceback else None,
        )

    def _ended_early(self) -> errors.NotebookFailed:
        kind, happened, why = {
            Status.KERNEL_DIED: (
                errors.KernelDied,
                "The kernel died",
                "its process is gone (killed, or out of memory).",
            ),
            Status.TIMED_OUT: (errors.CellTimedOut, "A cell took too long", "it was interrupted at its time limit."),
            Status.EXITED: (
                errors.NotebookExited,
                "A cell ended the notebook",
                "it called exit(), which is not an end.",
            ),
        }.get(self.status, (errors.NotebookFailed, "The notebook did not end", "its record is not complete."))
        return kind(
            f"{happened}: {self._where()}.",
            why=why,
            state=f"{self.cells_run} of {self.cells_total} cells ran to their end; the database was not asked since.",
            next="`alembook show RUN` says what was applied; `alembook run --run RUN` goes on from there.",
            evidence={"last lines of the kernel": _tail(self.last_words, _KERNEL_LINES)} if self.last_words else None,
        )


def _tail(text: str, count: int) -> str:
    """Returns the last lines of a text, and above them its first ones: a crash names its cause first."""
    lines = [line for line in text.splitlines() if line.strip("-")]
    return "\n".join([*lines[:2], "...", *lines[-count:]] if len(lines) > count + 2 else lines)


_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_DETAIL = re.compile(
    r"^DETAIL:.*?(?=^(?:HINT|CONTEXT|QUERY|STATEMENT|LINE \d+|LOCATION|\[SQL):|^\[SQL|\Z)", re.M | re.S
)


def plain(text: str) -> str:
    """Returns an error's text without colours and without what it quotes of a row, see ``without_detail``."""
    return without_detail(_COLOURS.sub("", text))


def without_detail(text: str) -> str:
    """Returns a text without PostgreSQL's DETAIL, which quotes values of rows ("Failing row contains (...)")."""
    return _DETAIL.sub("DETAIL:  (left out, it may quote a row)\n", text)


def headlines(receipt: Mapping[str, Any] | None, failure: errors.AlembookError | None) -> Sequence[str]:
    """Returns what stands at the top of a page: musts that are not PASSED, else what stopped it; and waivers."""
    checks = [Check.from_json(check) for check in receipt["checks"]] if receipt else []
    closed = [sentence(check) for check in worst_first(Gate(checks=tuple(checks)).closed_by)]
    waived = [sentence(check) for check in worst_first(checks) if check.waived]
    return (closed or (list(failure.lines()) if failure else [])) + waived
