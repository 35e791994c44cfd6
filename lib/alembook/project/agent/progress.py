"""One revision on its way, and what must be true before any begins."""

from __future__ import annotations

import time
from typing import Any, Optional, Sequence, Set

from .changes import Changes, Counted
from .environment import Environment
from .failure import Failure


class Progress:
    """One revision on its way.

    Args:
        revision: its id.
        number: 1 for the first attempt.
        commits: commits the tape had seen when it began.

    Attributes:
        transaction: the server's id of it; None before it has begun.
        counted: what it changed.
    """

    def __init__(self, revision: str, number: int, commits: int) -> None:
        self.revision = revision
        self.number = number
        self.commits = commits
        self.started = time.perf_counter()
        self.transaction: Optional[str] = None
        self.sha256 = ""
        self.down: Sequence[str] = ()
        self.changing: Optional[Changes] = None
        self.counted = Counted(None, [])

    def seconds(self) -> float:
        """Returns the seconds since it began."""
        return round(time.perf_counter() - self.started, 6)


def require_applicable(environment: Environment, applied: Any, revisions: Sequence[str], *, is_down: bool) -> None:
    """Refuses a list that is not exactly what comes next.

    Raises:
        Failure: "not_applicable".
    """
    there = set(applied)
    if is_down:
        _require_removable(environment, there, revisions)
        return
    for revision in revisions:
        missing = [parent for parent in environment.parents(revision) if parent not in there]
        if revision in there:
            raise Failure("not_applicable", "{} is applied already.".format(revision), revision=revision)
        if missing:
            message = "{} needs {}, which is not applied.".format(revision, ", ".join(missing))
            raise Failure("not_applicable", message, revision=revision)
        there.add(revision)


def _require_removable(environment: Environment, there: Set[str], revisions: Sequence[str]) -> None:
    """Refuses to take back what is not applied, or what another applied revision stands on."""
    for revision in revisions:
        above = [other for other in there if revision in environment.parents(other)]
        if revision not in there:
            raise Failure("not_applicable", "{} is not applied.".format(revision), revision=revision)
        if above:
            message = "{} is needed by {}, which is applied.".format(revision, ", ".join(sorted(above)))
            raise Failure("not_applicable", message, revision=revision)
        there.remove(revision)


def require_transactional(environment: Environment, revisions: Sequence[str]) -> None:
    """Refuses revisions with an autocommit block under an env.py that holds a transaction open around them.

    Raises:
        Failure: "autocommit", before anything was applied.
    """
    found = []
    for revision in revisions:
        script: Any = environment.script.get_revision(revision)
        with open(script.path, encoding="utf-8") as file:
            if "autocommit_block" in file.read():
                found.append(revision)
    if found:
        raise Failure("autocommit", "Revisions leave a transaction that env.py holds open.", revisions=found)
