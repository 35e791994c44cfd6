"""Everything Alembook raises on purpose, and the exit code each carries.

    AlembookError                     1   unexpected: a fault of ours
    ├── UsageError                    2   what was asked for or configured cannot be done as written
    │   ├── ConfigurationError            alembook.toml: file, key, accepted values
    │   ├── ParameterError                a notebook parameter that is unknown or of the wrong type
    │   ├── UnknownRevision               a revision the project does not have
    │   ├── UnknownRun                    a run the archive does not have
    │   ├── ToolMissing                   a program or interpreter that is needed and not there
    │   ├── AccessRefused                 the server answered: wrong password, role, database, too few rights
    │   ├── ScratchUnfit                  no place where this backup could be restored
    │   ├── ProtectedTarget               a protected target, and what it asks of people is missing
    │   └── NotAvailableYet               a key that is understood and whose feature this version lacks
    ├── CheckFailed                   3   a must check FAILED: the gate is closed
    ├── CheckUnverified               4   a must check could not be judged: the gate is closed
    ├── StepFailed                    5   a step failed; ``state`` names what it left behind
    │   ├── Unreachable                   no server answered
    │   ├── WrongDatabase                 the project connected to another database than the target
    │   ├── PoolerRefused                 a transaction pooler stands between us and the server
    │   ├── PlanChanged                   something differs from the frozen plan
    │   ├── SessionLost                   the session that holds the run's locks is gone
    │   ├── BackupFailed
    │   ├── RestoreFailed
    │   ├── ProjectFailed                 the project (env.py, a revision's file) could not be loaded or run
    │   ├── UpgradeFailed
    │   ├── BackfillFailed
    │   ├── RollbackFailed                a run could not be taken back
    │   ├── QueryFailed                   a query of ours that the server refused
    │   ├── ArchiveFailed                 the record could not be written (rights, disk full)
    │   ├── EmbeddedServerFailed
    │   └── NotebookFailed                a runbook did not run to its end
    │       ├── KernelDied
    │       ├── CellTimedOut
    │       └── NotebookExited            a cell called exit()
    ├── TargetBusy                    6   another run holds the target
    ├── RunInterrupted                6   an interrupted run must be resolved first
    ├── Waiting                       7   for an approval, or at a hold
    └── Stopped                 130/143   by SIGINT or SIGTERM, after cleaning up

Each says *what* happened, *why*, and what to do *next*; evidence stands below under titles. A text never holds
a password or a value of a customer's row: callers pass SQLSTATE, message and names, never DETAIL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class AlembookError(Exception):
    """Base of every error raised on purpose.

    Args:
        what: what happened, one sentence.
        why: the cause, as far as it is known.
        next: what the operator can do now.
        evidence: title -> text, shown below (a program's last lines, a list of names).
        exit_code: only where one class has several (a signal's).
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        next: str = "",
        evidence: Mapping[str, str] | None = None,
        exit_code: int | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.evidence = dict(evidence or {})
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        """Returns what, why, next and the evidence, a paragraph each."""
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yields the text line by line, labels included."""
        yield self.what
        if self.why:
            yield f"  why:  {self.why}"
        if self.next:
            yield f"  next: {self.next}"
        for title, text in self.evidence.items():
            yield f"  {title}:"
            yield from (f"    {line}" for line in text.splitlines())

    def _render_traceback_(self) -> list[str]:
        """Returns what a notebook shows instead of a Python traceback (IPython's protocol)."""
        return [f"{type(self).__name__} (exit {self.exit_code})", *self.lines()]


class UsageError(AlembookError):
    """What was asked for cannot be done as written."""

    exit_code = 2


class ConfigurationError(UsageError):
    """``alembook.toml`` or a reference in it cannot be used."""


class ParameterError(UsageError):
    """A notebook parameter is unknown or of the wrong type."""


class UnknownRevision(UsageError):
    """The project has no such revision."""


class UnknownRun(UsageError):
    """The archive has no such run."""


class ToolMissing(UsageError):
    """A program that is needed is not there, or is too old."""


class AccessRefused(UsageError):
    """The server answered and refused."""


class ScratchUnfit(UsageError):
    """No place where the backup could be restored for proof and rehearsal."""


class ProtectedTarget(UsageError):
    """A protected target, and what it asks of people is missing."""


class NotAvailableYet(UsageError):
    """A key that is understood and whose feature this version lacks."""


class CheckFailed(AlembookError):
    """A must check FAILED."""

    exit_code = 3


class CheckUnverified(AlembookError):
    """A must check is UNVERIFIED, which is not PASSED."""

    exit_code = 4


class StepFailed(AlembookError):
    """A step failed.

    Args:
        state: the state the step left the database and the record in; one sentence.
    """

    exit_code = 5

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        next: str = "",
        evidence: Mapping[str, str] | None = None,
        exit_code: int | None = None,
        state: str = "",
    ) -> None:
        super().__init__(what, why=why, next=next, evidence=evidence, exit_code=exit_code)
        self.state = state

    def lines(self) -> Iterator[str]:
        """Yields the text line by line; the state left stands right below what happened."""
        first, *rest = super().lines()
        yield first
        if self.state:
            yield f"  left: {self.state}"
        yield from rest


class Unreachable(StepFailed):
    """No server answered."""


class WrongDatabase(StepFailed):
    """The project connected to another database than the target."""


class PoolerRefused(StepFailed):
    """A transaction pooler stands between us and the server."""


class PlanChanged(StepFailed):
    """Something differs from the frozen plan."""


class SessionLost(StepFailed):
    """The session that holds the run's locks is gone."""


class BackupFailed(StepFailed):
    """No usable backup was made."""


class RestoreFailed(StepFailed):
    """A dump could not be restored."""


class ProjectFailed(StepFailed):
    """The project could not be loaded or run."""


class UpgradeFailed(StepFailed):
    """A revision failed."""


class BackfillFailed(StepFailed):
    """A backfill did not reach its end."""


class RollbackFailed(StepFailed):
    """A run could not be taken back."""


class QueryFailed(StepFailed):
    """The server refused a query of ours."""


class ArchiveFailed(StepFailed):
    """The record could not be written or read."""


class EmbeddedServerFailed(StepFailed):
    """The embedded PostgreSQL could not be made, started or stopped."""


class NotebookFailed(StepFailed):
    """A runbook did not run to its end."""


class KernelDied(NotebookFailed):
    """The kernel went away in the middle of a cell."""


class CellTimedOut(NotebookFailed):
    """A cell ran longer than it may."""


class NotebookExited(NotebookFailed):
    """A cell called ``exit()``; that is not an end."""


class TargetBusy(AlembookError):
    """Another run holds the target."""

    exit_code = 6


class RunInterrupted(AlembookError):
    """An interrupted run must be resolved first."""

    exit_code = 6


class Waiting(AlembookError):
    """The run waits for people."""

    exit_code = 7


class Stopped(AlembookError):
    """A signal stopped the run; everything was cleaned up."""

    exit_code = 130


def named(name: str) -> type[AlembookError] | None:
    """Returns the class of the tree with this name, or None.

    A kernel hands its error over by class name; the runner looks the exit code up here.
    """
    waiting: list[type[AlembookError]] = [AlembookError]
    while waiting:
        candidate = waiting.pop()
        if candidate.__name__ == name:
            return candidate
        waiting.extend(candidate.__subclasses__())
    return None
