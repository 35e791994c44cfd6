"""The tree of errors: what each says, and the exit code it ends a command with."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from alembook import errors

EXIT_CODES = {
    "AlembookError": 1,
    "UsageError": 2,
    "ConfigurationError": 2,
    "ParameterError": 2,
    "UnknownRevision": 2,
    "UnknownRun": 2,
    "ToolMissing": 2,
    "AccessRefused": 2,
    "ScratchUnfit": 2,
    "ProtectedTarget": 2,
    "NotAvailableYet": 2,
    "CheckFailed": 3,
    "CheckUnverified": 4,
    "StepFailed": 5,
    "Unreachable": 5,
    "WrongDatabase": 5,
    "PoolerRefused": 5,
    "PlanChanged": 5,
    "SessionLost": 5,
    "BackupFailed": 5,
    "RestoreFailed": 5,
    "ProjectFailed": 5,
    "UpgradeFailed": 5,
    "BackfillFailed": 5,
    "RollbackFailed": 5,
    "QueryFailed": 5,
    "ArchiveFailed": 5,
    "EmbeddedServerFailed": 5,
    "NotebookFailed": 5,
    "KernelDied": 5,
    "CellTimedOut": 5,
    "NotebookExited": 5,
    "TargetBusy": 6,
    "RunInterrupted": 6,
    "Waiting": 7,
    "Stopped": 130,
}


def tree(root: type[errors.AlembookError], depth: int = 0) -> Iterator[tuple[str, int, int]]:
    """Yields name, depth and exit code of a class and of all below it, in the order they are written."""
    yield root.__name__, depth, root.exit_code
    below = [cls for cls in root.__subclasses__() if cls.__module__ == errors.__name__]
    for cls in sorted(below, key=lambda cls: inspect.getsourcelines(cls)[1]):
        yield from tree(cls, depth + 1)


def drawn() -> Iterator[tuple[str, int]]:
    """Yields name and depth of each class as the module's docstring draws them."""
    for line in (errors.__doc__ or "").splitlines():
        stem = line.lstrip(" │├└─")
        if stem and stem.split()[0] in EXIT_CODES:
            yield stem.split()[0], (len(line) - len(stem)) // 4 - 1


def test_every_class_has_its_exit_code() -> None:
    """A class of the tree ends a command with the code of its kind."""
    assert {name: code for name, _, code in tree(errors.AlembookError)} == EXIT_CODES


def test_the_docstring_draws_the_tree() -> None:
    """The drawing names every class, under its parent."""
    assert list(drawn()) == [(name, depth) for name, depth, _ in tree(errors.AlembookError)]


def test_a_text_says_what_why_next_and_shows_evidence() -> None:
    """What happened stands first, then cause, next move, and the evidence under its titles."""
    error = errors.AlembookError(
        "It broke.", why="it was old.", next="Buy another.", evidence={"it said": "crack\nbang", "parts": "3"}
    )
    assert str(error) == (
        "It broke.\n  why:  it was old.\n  next: Buy another.\n  it said:\n    crack\n    bang\n  parts:\n    3"
    )


def test_what_is_not_known_is_left_out() -> None:
    """An error with one sentence is one line."""
    assert str(errors.StepFailed("It broke.")) == "It broke."


def test_a_failed_step_names_the_state_it_left() -> None:
    """The state stands right below what happened, before the cause."""
    error = errors.BackupFailed("No backup.", why="the disk is full.", next="Free space.", state="nothing is left.")
    assert str(error) == ("No backup.\n  left: nothing is left.\n  why:  the disk is full.\n  next: Free space.")


def test_a_signal_has_an_exit_code_of_its_own() -> None:
    """One object may carry another code than its class."""
    assert (errors.Stopped("Stopped by SIGTERM.", exit_code=143).exit_code, errors.Stopped.exit_code) == (143, 130)


def test_a_notebook_shows_the_text_and_no_traceback() -> None:
    """IPython is given class, exit code and the lines."""
    error = errors.Unreachable("No server.", why="it is down.", state="unchanged.")
    assert error._render_traceback_() == [
        "Unreachable (exit 5)",
        "No server.",
        "  left: unchanged.",
        "  why:  it is down.",
    ]


@pytest.mark.parametrize("name", EXIT_CODES)
def test_a_class_is_found_by_its_name(name: str) -> None:
    """A kernel hands over the name; the class is found again."""
    found = errors.named(name)
    assert found is not None
    assert found.__name__ == name


@pytest.mark.parametrize("name", ["ValueError", "", "alembookerror"])
def test_what_is_not_of_the_tree_is_not_found(name: str) -> None:
    """Another error's name leads to nothing."""
    assert errors.named(name) is None
