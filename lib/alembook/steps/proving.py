"""Proving a backup: it is restored, and the copy is held against what its database was at one instant."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres import needs, restoring, scratch, tools
from alembook.snapshots import measurement
from alembook.steps import whole
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_LISTED = 10
_AGAIN = "Do not rely on this backup: make another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a restore said of a backup.

    Attributes:
        checks: judged.
        facts: how it was proven, for the receipt.
        scratch: the copy, for the rehearsal; None when there is none.
    """

    checks: Sequence[Check]
    facts: Mapping[str, Any] = field(default_factory=dict)
    scratch: scratch.Scratch | None = None

    @property
    def outcome(self) -> Outcome:
        """Returns PASSED when every must check is, FAILED when one is, else UNVERIFIED."""
        found = {check.outcome for check in self.checks if check.grade is Grade.MUST}
        return next((each for each in (Outcome.FAILED, Outcome.UNVERIFIED) if each in found), Outcome.PASSED)


def prove(book: Book, folder: Path, original: whole.Whole, needed: needs.Needs, *, keep: bool) -> Proof:
    """Restores a dump into a scratch database and holds it against what its database was.

    Args:
        book: of the step.
        folder: the dump.
        original: what was measured in the dump's snapshot.
        needed: what the database uses that a server must have.
        keep: the copy is to stay when the run ends.

    Returns:
        The proof. A copy that is not the same is dropped, unless it is to stay.
    """
    try:
        made, restored = restore(book, folder, needed, keep=keep)
    except errors.RestoreFailed as error:
        return Proof(checks=[_not_restored(error, Outcome.FAILED)], facts={"how": "restored"})
    except errors.AlembookError as error:
        return Proof(checks=[_not_restored(error, Outcome.UNVERIFIED)], facts={"how": "not restored"})
    began = time.monotonic()
    checks = [_restored(made, restored), *_compare(book, original, made), _alone(book, made)]
    facts = {
        "how": "restored",
        "restore_seconds": round(restored.seconds, 3),
        "analyze_seconds": round(restored.analyze_seconds, 3),
        "compare_seconds": round(time.monotonic() - began, 3),
        "left_out": list(restored.left_out),
        "harmless": restored.harmless,
        "remarks": list(made.place.remarks),
    }
    proof = Proof(checks=checks, facts=facts, scratch=made)
    if proof.outcome is Outcome.FAILED and not keep:
        _dropped(book, made)
        return Proof(checks=checks, facts=facts)
    return proof


def restore(
    book: Book, folder: Path, needed: needs.Needs, *, keep: bool = False
) -> tuple[scratch.Scratch, restoring.Restored]:
    """Restores a dump into a new scratch database of the book's run; when that fails, none is left.

    Raises:
        errors.ScratchUnfit: there is no place for it.
        errors.RestoreFailed: pg_restore failed.
        errors.ToolMissing, errors.QueryFailed, errors.Unreachable, errors.EmbeddedServerFailed: as they say.
    """
    place = scratch.place(book.target, needed)
    tool = tools.find(
        "pg_restore",
        server_version_num=needed.version_num,
        database=place.database,
        postgres_bin=book.target.postgres_bin,
    )
    made = scratch.create(place, needed, run_id=book.folder.run_id, target=book.target.name, keep=keep)
    book.event("scratch_made", database=made.name, place=place.label())
    done = Counter(book, "restore_progress")
    try:
        restored = restoring.restore(
            tool,
            folder,
            made.database,
            jobs=book.target.backup.jobs,
            application_name=book.application_name,
            on_table=lambda _table: done.add(),
        )
    except BaseException:
        if not keep:
            _dropped(book, made)
        raise
    done.end()
    return made, restored


def _dropped(book: Book, made: scratch.Scratch) -> None:
    """Drops a copy that is of no use; when its server cannot, the record says so, and the run's end tries again."""
    try:
        scratch.drop(made)
    except errors.AlembookError as error:
        book.event("scratch_left", database=made.name, error="\n".join(error.lines()))


@dataclass(slots=True)
class Counter:
    """How many tables are done, told as events: not more than one each second, and the last."""

    book: Book
    event: str
    folder: Path | None = None
    done: int = 0
    _told_at: float = 0.0

    def add(self) -> None:
        """Counts one more table."""
        self.done += 1
        if time.monotonic() - self._told_at > 1:
            self.end()

    def end(self) -> None:
        """Tells where it is."""
        self._told_at = time.monotonic()
        written = {"bytes": size_bytes(self.folder)} if self.folder else {}
        self.book.event(self.event, tables=self.done, **written)


def size_bytes(folder: Path) -> int:
    """Returns what the files of a folder come to."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0


def _compare(book: Book, original: whole.Whole, made: scratch.Scratch) -> list[Check]:
    def connect() -> connections.Connection:
        return connections.connect(made.database, application_name=book.application_name, read_only=True)

    with connections.closing(connect()) as connection, measurement.snapshot(connection):
        copy = whole.measure(book, book.plan(), connection, connect, earlier=original.found.columns)
    return whole.judge(original, copy, next=_AGAIN)


def _alone(book: Book, made: scratch.Scratch) -> Check:
    """Names copies that other runs of this archive left on the server: each takes the room of a whole database."""
    known = {run.run_id for run in archive.runs(book.folder.path.parents[1], book.target.name)} - {made.run_id}
    left = [each for each in scratch.find(made.place) if each.run_id in known and each.target in {"", made.target}]
    return Check(
        name="no other run has left a scratch database",
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if left else Outcome.PASSED,
        expected="none",
        found=", ".join(each.name for each in left[:_LISTED]) or "none",
        why="each takes the room of a whole copy; its run was killed, waits, or was asked to keep it." if left else "",
        next=f"Go on with its run, or `alembook abandon` it; or {left[0].drop_command()}." if left else "",
    )


def _restored(made: scratch.Scratch, restored: restoring.Restored) -> Check:
    said = ", ".join(f"{name} ({number})" for name, number in restored.harmless.items())
    left_out = f"{len(restored.left_out)} entries left out on purpose; " if restored.left_out else ""
    return Check(
        name="the backup was restored",
        outcome=Outcome.PASSED,
        expected="without an error that is not known to be harmless",
        found=f"{made.name} ({made.place.label()}); {left_out}{said or 'no error'}",
    )


def _not_restored(error: errors.AlembookError, outcome: Outcome) -> Check:
    said = next(iter(error.evidence.values()), "").splitlines()
    return Check(
        name="the backup was restored",
        outcome=outcome,
        expected="without an error that is not known to be harmless",
        found="it was not",
        why=" ".join(part for part in (error.what, error.why, *said[:1]) if part),
        next=error.next,
    )
