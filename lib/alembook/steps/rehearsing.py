"""The restored copy a rehearsal works on: found or restored, held like a target, and given up at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alembook import archive, errors
from alembook.archive.events import now
from alembook.postgres import connection as connections
from alembook.postgres import identity, needs, scratch, session
from alembook.project.plan import Plan
from alembook.steps import proving
from alembook.steps.runbook import Book

_USED = "scratch"


@dataclass(slots=True, kw_only=True)
class Copy:
    """A copy at work.

    Attributes:
        book: of the step, on the target.
        scratch: the database.
        held: its locks.
        folder: of the rehearsal's own record, in the run's folder.
        plan: the run's, with the copy's server in it.
        is_at_end: every revision is applied to it, a second time: what the target is compared with at its end.
    """

    book: Book
    scratch: scratch.Scratch
    held: session.Held
    folder: archive.RunFolder
    plan: Plan
    is_at_end: bool = False
    _books: list[Book] = field(default_factory=list)

    @property
    def measured_on(self) -> str:
        """Returns where times were measured, for people."""
        return self.scratch.place.label()

    def runbook(self, step: str, stage: int = 0, *, folder: archive.RunFolder | None = None) -> Book:
        """Returns a runbook opened on the copy, for the very functions that work on the target."""
        opened = Book(
            step=step, stage=stage, target=self.book.target, folder=folder or self.folder, rehearsal=self.held
        )
        self._books.append(opened)
        return opened

    def again(self) -> archive.RunFolder:
        """Returns the record of a second pass: to the ledger of backfills it is another run."""
        second = self.folder.within("again", run_id=f"{self.folder.run_id}-again")
        second.write_receipt("plan", {"plan": self.plan.to_json()})
        return second

    def close(self) -> None:
        """Releases what was opened on the copy."""
        for each in self._books:
            each.close()
        self.held.close()


@contextlib.contextmanager
def opened(book: Book) -> Iterator[Copy]:
    """Yields the copy of the run's backup, held; dropped at the end, unless it is to stay or is at the plan's end.

    One at the plan's end stays for verification, which drops it (``rows``), as does the end of a command's work. A copy
    that an earlier attempt worked on is not the backup any more: it is dropped, and the dump restored again.

    Args:
        book: of the step; its run has a receipt of backup.

    Raises:
        errors.UnknownRun: there is no backup.
        errors.ScratchUnfit, errors.RestoreFailed, errors.ToolMissing: as ``proving.restore``.
        errors.TargetBusy: somebody works on the copy.
    """
    found = _proven(book) or _restored(book)
    folder = book.folder.within("rehearsal")
    folder.write_receipt(_USED, {"scratch": found.name, "at": now()})
    with contextlib.ExitStack() as stack:
        worked_on: list[Copy] = []
        stack.callback(_give_up, book, found, worked_on)
        held = stack.enter_context(
            session.hold(found.database, application_name=f"alembook {book.folder.run_id} rehearsal")
        )
        with connections.closing(connections.connect(found.database, application_name=book.application_name)) as there:
            plan = replace(book.plan(), server=_plain(identity.read(there).fixed()))
        folder.write_receipt("plan", {"plan": plan.to_json()})
        copy = Copy(book=book, scratch=found, held=held, folder=folder, plan=plan)
        stack.callback(copy.close)
        worked_on.append(copy)
        yield copy


def _plain(values: Any) -> dict[str, Any]:
    """Returns a server's identity as a plan keeps it."""
    return {name: value if isinstance(value, str | int | None) else str(value) for name, value in values.items()}


def _give_up(book: Book, found: scratch.Scratch, worked_on: Sequence[Copy]) -> None:
    if found.is_kept or any(copy.is_at_end for copy in worked_on):
        book.event("scratch_kept", database=found.name, drop=found.drop_command())
        return
    scratch.drop(found)
    book.event("scratch_dropped", database=found.name)


def _proven(book: Book) -> scratch.Scratch | None:
    """Returns the copy by which the backup was proven, untouched since; None when there is none."""
    told = book.previous("backup").get("scratch")
    name = told if isinstance(told, str) else (told or {}).get("database", "")
    if not name:
        return None
    for place in scratch.existing(book.target):
        found = scratch.named(place, name)
        if found is not None and name in used(book):
            book.event("scratch_used_before", database=name)
            scratch.drop(found)
        elif found is not None:
            return found
    return None


def used(book: Book) -> dict[str, str]:
    """Returns the copies that rehearsals began to work on since the run's last backup.

    Names are used again: a copy of a fresh backup may bear the name of one that is gone.

    Returns:
        Name of the copy -> folder of the last rehearsal that did.
    """
    made_at = (book.folder.receipt("backup") or {"ended_at": ""})["ended_at"]
    folders = book.folder.attempts("rehearsal", "")
    receipts = [(path.name, replace(book.folder, path=path).receipt(_USED)) for path in folders]
    return {receipt["scratch"]: name for name, receipt in receipts if receipt and receipt.get("at", made_at) >= made_at}


def _restored(book: Book) -> scratch.Scratch:
    """Returns a new copy of the run's backup."""
    for place in scratch.existing(book.target):
        for left in scratch.find(place):
            if left.run_id == book.folder.run_id and not left.is_kept:
                book.event("scratch_left_over", database=left.name)
                scratch.drop(left)
    folder = _dump(book)
    with connections.closing(book.connect()) as connection:
        needed = needs.read(connection)
    made, _ = proving.restore(book, folder, needed)
    return made


def _dump(book: Book) -> Path:
    named = book.previous("backup").get("folder")
    folder = book.target.folder / str(named or "")
    if not named or not folder.is_dir():
        raise errors.ScratchUnfit(
            "There is no dump that could be restored for the rehearsal.",
            why=f"{named} is gone." if named else "the backup was made by a command of the target's own.",
            next="Make the backup again with `--only backup`, or rehearse where pg_restore can restore it.",
        )
    return folder
