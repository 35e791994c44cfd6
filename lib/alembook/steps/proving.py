"""Proving a backup: what its database was at one instant, and whether a restored copy is the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembook import archive, errors
from alembook.postgres import beside, fingerprint, needs, restoring, scratch, tools
from alembook.postgres import connection as connections
from alembook.project import state
from alembook.snapshots import copies, measurement
from alembook.steps.before import limit_s
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_LISTED = 10
_AGAIN = "Do not rely on this backup: make another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What the database was at the instant of a dump.

    Attributes:
        needs: what it uses that a server must have.
        found: rows, checksums, NULLs of every table.
        versions: the version rows; None without a version table.
        fingerprint: of its schema.
        large_objects: what they come to.
        positions: where its sequences stood when it was measured.
    """

    needs: needs.Needs
    found: measurement.Measurement
    versions: tuple[str, ...] | None
    fingerprint: fingerprint.Fingerprint
    large_objects: beside.LargeObjects
    positions: Mapping[str, Mapping[str, Any]]


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


def measure(book: Book, connection: connections.Connection) -> Original:
    """Returns what the database is, inside the transaction the caller opened: every table, whatever is verified."""
    plan = book.plan()
    return Original(
        needs=needs.read(connection),
        found=measured(book, connection, book.connect),
        versions=state.read(connection, plan.version_table, plan.version_table_schema),
        fingerprint=fingerprint.read(connection),
        large_objects=beside.large_objects(connection),
        positions=beside.positions(connection),
    )


def prove(book: Book, folder: Path, original: Original, after: Mapping[str, Mapping[str, Any]], *, keep: bool) -> Proof:
    """Restores a dump into a scratch database and holds it against what its database was.

    Args:
        book: of the step.
        folder: the dump.
        original: what was measured in the dump's snapshot.
        after: positions of the original's sequences after the dump.
        keep: the copy is to stay when the run ends.

    Returns:
        The proof. A copy that is not the same is dropped, unless it is to stay.
    """
    try:
        made, restored = restore(book, folder, original.needs, keep=keep)
    except errors.RestoreFailed as error:
        return Proof(checks=[_not_restored(error, Outcome.FAILED)], facts={"how": "restored"})
    except errors.AlembookError as error:
        return Proof(checks=[_not_restored(error, Outcome.UNVERIFIED)], facts={"how": "not restored"})
    began = time.monotonic()
    checks = [_restored(made, restored), *_compare(book, original, after, made), _alone(book, made)]
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


def measured(
    book: Book, connection: connections.Connection, connect: Any, earlier: Any = None
) -> measurement.Measurement:
    """Returns what every table of a database comes to, whatever is verified. As ``measurement.measure``."""
    return measurement.measure(
        connection,
        earlier=earlier,
        connect=connect,
        workers=book.target.verify.workers,
        timeout_s=limit_s(book),
        on_table=lambda done, total: book.event("table_counted", done=done, total=total) if done == total else None,
    )


def _compare(
    book: Book, original: Original, after: Mapping[str, Mapping[str, Any]], made: scratch.Scratch
) -> list[Check]:
    def connect() -> connections.Connection:
        return connections.connect(made.database, application_name=book.application_name, read_only=True)

    plan = book.plan()
    with connections.closing(connect()) as connection, measurement.snapshot(connection):
        copy = measured(book, connection, connect, original.found.columns)
        versions = state.read(connection, plan.version_table, plan.version_table_schema)
        schema = fingerprint.read(connection)
        objects = beside.large_objects(connection)
        positions = beside.positions(connection)
    changed = original.fingerprint.differences(schema, without=fingerprint.NOT_RESTORED)
    wrong = [each.sentence() for each in changed if each.kind != "extension" or None in {each.before, each.after}]
    return [
        *copies.judge(original.found, copy),
        _check("the copy has the version rows", original.versions == versions, original.versions, versions),
        _differing("the copy has the schema", wrong, f"{len(original.fingerprint.objects):,} objects", "the same"),
        _differing(
            "the copy's sequences stand where they stood",
            beside.misplaced(original.positions, after, positions),
            f"{len(original.positions):,} sequences",
            "there",
        ),
        _large_objects(original.large_objects, objects),
    ]


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


def _check(name: str, is_same: bool, expected: tuple[str, ...] | None, found: tuple[str, ...] | None) -> Check:
    return Check(
        name=name,
        outcome=Outcome.PASSED if is_same else Outcome.FAILED,
        expected=", ".join(expected or ()) or "none",
        found=", ".join(found or ()) or "none",
        next="" if is_same else _AGAIN,
    )


def _differing(name: str, wrong: Sequence[str], expected: str, found: str) -> Check:
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    return Check(
        name=name,
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        expected=expected,
        found=f"{len(wrong):,} differ" if wrong else found,
        why="; ".join(wrong[:_LISTED]) + more,
        next=_AGAIN if wrong else "",
    )


def _large_objects(there: beside.LargeObjects, here: beside.LargeObjects) -> Check:
    unread = there.unread or here.unread
    is_same = (there.objects, there.checksum) == (here.objects, here.checksum)
    return Check(
        name="the copy has the large objects",
        outcome=Outcome.UNVERIFIED if unread else Outcome.PASSED if is_same else Outcome.FAILED,
        expected=f"{there.objects:,}",
        found=f"{here.objects:,}"
        + ("" if is_same else ", with other contents" if there.objects == here.objects else ""),
        why=unread,
        next="" if is_same and not unread else "Have the role own them, and prove it again." if unread else _AGAIN,
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
