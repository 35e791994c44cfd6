"""What became of a notebook, as the error and the exit code it stands for."""

from __future__ import annotations

from typing import Any

import pytest

from alembook import errors
from alembook.runner import outcome
from alembook.runner.outcome import CellError, Outcome, Place, Status


def ended(status: Status, **fields: Any) -> Outcome:
    """Returns an ending in cell 7 of 40_upgrade.ipynb."""
    place = Place(index=6, id="apply", title="Upgrade")
    known: dict[str, Any] = {"cell": place, "cells_run": 5, "cells_total": 9, "seconds": 1.0, "kernel_pid": 7}
    return Outcome(notebook="40_upgrade.ipynb", status=status, **(known | fields))


def reply(error: errors.AlembookError) -> dict[str, object]:
    """Returns what a kernel replies to a cell that raised the error."""
    return {"ename": type(error).__name__, "evalue": str(error), "traceback": error._render_traceback_()}


@pytest.mark.parametrize(
    "error",
    [
        errors.UpgradeFailed(
            "Revision a failed.",
            why="two\nlines",
            next="Do this.",
            state="nothing of it is applied.",
            evidence={"statement": "ALTER TABLE t\n  ADD x:\n", "blockers": "pid 7"},
        ),
        errors.CheckFailed(
            "verify: the gate is closed.", why="FAILED  rows", evidence={"checks": "FAILED  a\nFAILED  b"}
        ),
        errors.CheckUnverified("x"),
        errors.Stopped("Stopped.", exit_code=143),
        errors.TargetBusy("Busy.", next="Wait."),
        errors.ParameterError("No.", why="why"),
    ],
)
def test_an_error_of_ours_comes_back_as_it_was_raised(error: errors.AlembookError) -> None:
    """Class, text, exit code and evidence survive the way through the kernel's reply."""
    restored = CellError.from_reply(reply(error)).restored()
    assert type(restored) is type(error)
    assert restored is not None
    assert str(restored) == str(error).rstrip("\n")
    assert restored.exit_code == error.exit_code


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (
            Status.KERNEL_DIED,
            errors.KernelDied,
            "The kernel died: 40_upgrade.ipynb, cell 7 (Upgrade).\n"
            "  left: 5 of 9 cells ran to their end; the database was not asked since.\n"
            "  why:  its process is gone (killed, or out of memory).\n"
            "  next: `alembook show RUN` says what was applied; `alembook run --run RUN` goes on from there.",
        ),
        (
            Status.TIMED_OUT,
            errors.CellTimedOut,
            "A cell took too long: 40_upgrade.ipynb, cell 7 (Upgrade).\n"
            "  left: 5 of 9 cells ran to their end; the database was not asked since.\n"
            "  why:  it was interrupted at its time limit.\n"
            "  next: `alembook show RUN` says what was applied; `alembook run --run RUN` goes on from there.",
        ),
        (
            Status.EXITED,
            errors.NotebookExited,
            "A cell ended the notebook: 40_upgrade.ipynb, cell 7 (Upgrade).\n"
            "  left: 5 of 9 cells ran to their end; the database was not asked since.\n"
            "  why:  it called exit(), which is not an end.\n"
            "  next: `alembook show RUN` says what was applied; `alembook run --run RUN` goes on from there.",
        ),
    ],
)
def test_each_early_end_teaches(status: Status, kind: type[errors.AlembookError], text: str) -> None:
    """Each is its own error, exit 5, and says what is left and what to do."""
    failure = ended(status).failure()
    assert type(failure) is kind
    assert str(failure) == text
    assert ended(status).exit_code == 5


def test_the_kernels_last_words_are_evidence() -> None:
    """The cause, which comes first, and the end are shown of a long one."""
    words = "\n".join(["Fatal Python error: Segmentation fault", *(f"line {n}" for n in range(99))])
    failure = ended(Status.KERNEL_DIED, last_words=words).failure()
    assert failure is not None
    shown = failure.evidence["last lines of the kernel"].splitlines()
    assert shown[0] == "Fatal Python error: Segmentation fault"
    assert shown[2:4] == ["...", "line 87"]
    assert shown[-1] == "line 98"


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143), (1, 129), (None, 130)])
def test_an_interrupted_notebook_has_the_code_of_its_signal(number: int | None, code: int) -> None:
    """128 and the signal's number; an interrupt of the kernel alone counts as SIGINT."""
    failure = ended(Status.INTERRUPTED, signal=number).failure()
    assert isinstance(failure, errors.Stopped)
    assert failure.exit_code == code


def test_success_has_no_failure() -> None:
    """Exit 0 and nothing to raise."""
    done = ended(Status.SUCCEEDED, cell=None)
    assert (done.failure(), done.exit_code, done.error_name, done.error_text) == (None, 0, "", "")


def test_lost_outputs_are_no_success() -> None:
    """A cell whose record is not complete failed, with exit 5 or 1 but never 0."""
    error = CellError(name="OutputLost", text="The kernel replied, but the cell's outputs did not all arrive.")
    assert ended(Status.FAILED, error=error).exit_code == 1


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\nDETAIL:  Key (email)=(x@y).\n", "a\nDETAIL:  (left out, it may quote a row)\n"),
        ("a\nDETAIL:  row (1,\n two\n).\nHINT:  h", "a\nDETAIL:  (left out, it may quote a row)\nHINT:  h"),
        ("a\nDETAIL:  (1).\nCONTEXT:  c", "a\nDETAIL:  (left out, it may quote a row)\nCONTEXT:  c"),
        ("a\nDETAIL:  (1).\n[SQL: INSERT]", "a\nDETAIL:  (left out, it may quote a row)\n[SQL: INSERT]"),
        ("no DETAIL: here", "no DETAIL: here"),
    ],
)
def test_detail_is_left_out_and_the_rest_stays(text: str, left: str) -> None:
    """Only the part that quotes a row goes."""
    assert outcome.without_detail(text) == left


def test_plain_has_no_colours() -> None:
    """IPython colours its tracebacks."""
    assert outcome.plain("\x1b[31mred\x1b[39;49;00m") == "red"
