"""A backup made by a program of the operator's (pgBackRest, a cloud's snapshot), and proven by another of his.

Each is run in the folder of ``alembook.toml``, with the variables ``VARIABLES`` names and libpq's own (PGHOST, ...) for
the target. It succeeds with exit code 0; the last line it prints names the backup, or says what the proof was.
"""

from __future__ import annotations

import hashlib
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path

from alembook import config, errors, process
from alembook.config.redaction import Redactor
from alembook.postgres import cluster
from alembook.steps.runbook import Book
from alembook.verdict import Check, Outcome

#: What a program finds in its environment, besides libpq's variables.
VARIABLES = {
    "ALEMBOOK_TARGET": "name of the target",
    "ALEMBOOK_RUN_ID": "the run",
    "ALEMBOOK_DIRECTORY": "a private folder of this backup; files left there are hashed",
    "ALEMBOOK_BACKUP": "for the proof: the name that the backup's program printed",
}
_LONGEST_NAME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a program of the operator's did.

    Attributes:
        said: the last line it printed.
        seconds: how long it took.
    """

    said: str
    seconds: float


def method(command: str) -> str:
    """Returns what tells one command from another without telling it: it may hold what nobody should read."""
    return f"{shlex.split(command)[0]} {hashlib.sha256(command.encode()).hexdigest()[:12]}"


def make(book: Book, folder: Path) -> Made:
    """Lets ``backup.command`` make a backup.

    Raises:
        errors.BackupFailed: it failed, or did not name the backup.
        errors.ConfigurationError: it is no command line.
        errors.ToolMissing: there is no such program.
    """
    command = book.target.backup.command or ""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise _failed(
            book, "backup.command", f"the folder {folder} could not be made: {error.strerror}.", ""
        ) from error
    finished = _run(book, "backup.command", command, folder, {})
    said = _last_line(book, finished)
    if finished.exit_code == 0 and said:
        return Made(said=said, seconds=finished.seconds)
    why = (
        f"it ended with exit code {finished.exit_code}."
        if finished.exit_code
        else "it did not print a name of the backup."
    )
    raise _failed(book, "backup.command", why, _said(book, finished))


def prove(book: Book, folder: Path, name: str) -> Check:
    """Lets ``backup.proof_command`` prove a backup, and returns what it said; without one nothing is proven."""
    command = book.target.backup.proof_command
    expected = "exit code 0 of backup.proof_command"
    if not command:
        return Check(
            name="the backup was restored",
            outcome=Outcome.UNVERIFIED,
            expected=expected,
            found="no backup.proof_command",
            why="nobody has restored it.",
            next="Set backup.proof_command to a program that restores the backup elsewhere and looks at it.",
        )
    finished = _run(book, "backup.proof_command", command, folder, {"ALEMBOOK_BACKUP": name})
    is_proven = finished.exit_code == 0
    return Check(
        name="the backup was restored",
        outcome=Outcome.PASSED if is_proven else Outcome.FAILED,
        expected=expected,
        found=_last_line(book, finished) or f"exit code {finished.exit_code}",
        why="" if is_proven else _said(book, finished),
        next="" if is_proven else "Do not rely on this backup: make another one.",
    )


def _run(book: Book, key: str, command: str, folder: Path, more: dict[str, str]) -> process.Finished:
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise errors.ConfigurationError(
            f"{key} of {book.target.name} cannot be read as a command line.",
            why=f"{error}.",
            next="Quote it as a shell would; it is run without one.",
        ) from error
    told = {
        "ALEMBOOK_TARGET": book.target.name,
        "ALEMBOOK_RUN_ID": book.folder.run_id,
        "ALEMBOOK_DIRECTORY": str(folder),
        "PGAPPNAME": book.application_name,
        **more,
    }
    return process.run(
        argv,
        environment=config.child_environment({**book.database.environment(), **told}),
        directory=book.target.folder,
        on_line=lambda stream, line: book.event("output", stream=stream, text=line),
        death_signal=signal.SIGTERM,
    )


def _last_line(book: Book, finished: process.Finished) -> str:
    lines = [line.strip() for line in finished.stdout.splitlines() if line.strip()]
    return Redactor(book.database.password).clean(lines[-1])[:_LONGEST_NAME] if lines else ""


def _said(book: Book, finished: process.Finished) -> str:
    return Redactor(book.database.password).clean(cluster.last_lines(finished.stderr or finished.stdout, 5))


def _failed(book: Book, key: str, why: str, said: str) -> errors.BackupFailed:
    return errors.BackupFailed(
        f"{key} of {book.target.name} made no backup.",
        why=why,
        next="Correct what it says below, and make the backup again.",
        state="the database is unchanged; what the program left elsewhere is its own.",
        evidence={"it said": said} if said else {},
    )
