"""A whole database at one instant: what a backup was made of, what its record keeps, what a copy is held against."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from alembook import archive, errors
from alembook.postgres import beside, fingerprint
from alembook.postgres import connection as connections
from alembook.project import state
from alembook.project.plan import Plan
from alembook.snapshots import copies, evidence, measurement, sequences
from alembook.steps import before
from alembook.steps.runbook import Book
from alembook.verdict import Check, Outcome

#: Columns of the table of sequences in the record, and how each is read back.
_POSITIONS = {"sequence": "str", "position": "Int64", "ascends": "bool", "cycles": "bool", "after": "Int64"}
_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A database at one instant.

    Attributes:
        found: rows, checksums, NULLs of every table.
        versions: the version rows; None without a version table.
        fingerprint: of its schema.
        large_objects: what they come to.
        positions: where its sequences stood when it was measured.
        after: where they stood after the dump; they go on whatever the snapshot is.
    """

    found: measurement.Measurement
    versions: tuple[str, ...] | None
    fingerprint: fingerprint.Fingerprint
    large_objects: beside.LargeObjects
    positions: Mapping[str, Mapping[str, Any]]
    after: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def keyed(self, key: bytes, why_not: str) -> Whole:
        """Returns it with every checksum keyed, as the record keeps them.

        Args:
            key: of the run.
            why_not: what is said of every table and of the large objects where there is no key.
        """
        names = [] if key else before.names(self.found)
        found = replace(
            self.found,
            columns=evidence.keyed(self.found.columns, key),
            unread={**self.found.unread, **dict.fromkeys(names, why_not)},
        )
        objects = self.large_objects
        hidden = replace(objects, checksum=evidence.hidden(objects.checksum, key))
        unread = objects.unread or ("" if key or not objects.objects else why_not)
        return replace(self, found=found, large_objects=replace(hidden, unread=unread))


def measure(
    book: Book, plan: Plan, connection: connections.Connection, connect: Any, *, earlier: pd.DataFrame | None = None
) -> Whole:
    """Returns what a database is, inside the transaction the caller opened: every table, whatever is verified.

    Args:
        book: of the step.
        plan: names the version table.
        connection: to the database.
        connect: opens further connections to it.
        earlier: columns of the measurement it will be compared with.
    """
    found = measurement.measure(
        connection,
        earlier=earlier,
        connect=connect,
        workers=book.target.verify.workers,
        timeout_s=before.limit_s(book),
        on_table=lambda done, total: book.event("table_counted", done=done, total=total) if done == total else None,
    )
    return Whole(
        found=found,
        versions=state.read(connection, plan.version_table, plan.version_table_schema),
        fingerprint=fingerprint.read(connection),
        large_objects=beside.large_objects(connection),
        positions=beside.positions(connection),
    )


def write(book: Book, whole: Whole) -> dict[str, Any]:
    """Writes what a backup was made of into the record, checksums keyed, and returns what its receipt says of it."""
    kept_in = before.write(book, "backup", whole.found)
    objects = pd.DataFrame(sorted(whole.fingerprint.objects.items()), columns=["object", "definition"])
    for name, frame in (("fingerprint", objects), ("backup_positions", _placed(whole))):
        kept_in.append(book.folder.write_table(name, frame).name)
    hidden = evidence.hidden(whole.large_objects.checksum, before.key(book))
    return {
        "kept_in": kept_in,
        "large_objects": asdict(replace(whole.large_objects, checksum=hidden)),
        "unread": dict(whole.found.unread),
        "left_out": dict(whole.found.left_out),
    }


def _placed(whole: Whole) -> pd.DataFrame:
    rows = [
        (name, row["position"], row["ascends"], row["cycles"], whole.after.get(name, row)["position"])
        for name, row in whole.positions.items()
    ]
    return pd.DataFrame(rows, columns=list(_POSITIONS)).astype(_POSITIONS)


def read(book: Book, receipt: Mapping[str, Any]) -> Whole:
    """Returns what a backup was made of, from the record of its run; checksums are keyed.

    Args:
        book: reads that run's record.
        receipt: of the backup.

    Raises:
        errors.ArchiveFailed: a table of it is missing.
    """
    objects = pd.read_csv(table(book.folder, receipt, "fingerprint"), keep_default_na=False)
    places = pd.read_csv(
        table(book.folder, receipt, "backup_positions"),
        dtype=dict(_POSITIONS),
        keep_default_na=False,
        na_values={"position": [""], "after": [""]},
    )
    rows = places.astype(object).where(places.notna(), None).to_dict("records")
    versions = receipt["version_rows"]
    return Whole(
        found=measurement.Measurement(
            taken_at=datetime.fromisoformat(receipt["taken_at"]),
            snapshot="",
            tables=measurement.read_csv(table(book.folder, receipt, "backup")),
            columns=measurement.read_csv(table(book.folder, receipt, "backup_columns"), measurement.COLUMN_DTYPES),
            sequences=measurement.read_csv(table(book.folder, receipt, "backup_sequences"), sequences.DTYPES),
            apart={},
            unread=dict(receipt.get("unread", {})),
            left_out=dict(receipt.get("left_out", {})),
        ),
        versions=None if versions is None else tuple(versions),
        fingerprint=fingerprint.Fingerprint(objects=dict(zip(objects["object"], objects["definition"], strict=True))),
        large_objects=beside.LargeObjects(**receipt.get("large_objects", {"unread": "the backup's receipt has none"})),
        positions={str(row["sequence"]): {str(name): value for name, value in row.items()} for row in rows},
        after={str(row["sequence"]): {"position": row["after"]} for row in rows},
    )


def table(run: archive.RunFolder, receipt: Mapping[str, Any], name: str) -> Path:
    """Returns the file of a table of a backup: the one its receipt names, or the last attempt where that names none.

    Raises:
        errors.ArchiveFailed: it is missing.
    """
    pattern, folder = re.compile(re.escape(name) + r"(\.a(\d+))?\.csv"), run.path / "tables"
    names = receipt.get("kept_in") or [path.name for path in folder.iterdir()]
    matches = [match for each in names if (match := pattern.fullmatch(each)) and (folder / each).is_file()]
    if not matches:
        raise errors.ArchiveFailed(
            f"tables/{name}.csv is not in the record of run {run.run_id}.",
            why="nothing can be held against the backup without it.",
            next="Restore the run's folder from a copy of the archive.",
            state="unchanged: nothing was swapped, and no revision was taken back.",
        )
    return folder / max(matches, key=lambda match: int(match[2] or 1))[0]


def judge(there: Whole, here: Whole, *, next: str) -> list[Check]:
    """Returns whether a copy is what its original was.

    Args:
        there: the original.
        here: the copy, measured with ``earlier=there.found.columns`` and keyed alike.
        next: what to do when it is not.
    """
    changed = there.fingerprint.differences(here.fingerprint, without=fingerprint.NOT_RESTORED)
    wrong = [each.sentence() for each in changed if each.kind != "extension" or None in {each.before, each.after}]
    sequences = beside.misplaced(there.positions, there.after, here.positions)
    objects = f"{len(there.fingerprint.objects):,} objects"
    return [
        *copies.judge(there.found, here.found),
        _versions(there.versions, here.versions, next),
        _differing("the copy has the schema", wrong, objects, "the same", next),
        _differing(
            "the copy's sequences stand where they stood",
            sequences,
            "1 sequence" if len(there.positions) == 1 else f"{len(there.positions):,} sequences",
            "there",
            next,
        ),
        _large_objects(there.large_objects, here.large_objects, next),
    ]


def _versions(there: tuple[str, ...] | None, here: tuple[str, ...] | None, next: str) -> Check:
    is_same = (there is None) == (here is None) and sorted(there or ()) == sorted(here or ())
    return Check(
        name="the copy has the version rows",
        outcome=Outcome.PASSED if is_same else Outcome.FAILED,
        expected=", ".join(there or ()) or "none",
        found=", ".join(here or ()) or "none",
        next="" if is_same else next,
    )


def _differing(name: str, wrong: Sequence[str], expected: str, found: str, next: str) -> Check:
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    return Check(
        name=name,
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        expected=expected,
        found=f"{len(wrong):,} differ" if wrong else found,
        why="; ".join(wrong[:_LISTED]) + more,
        next=next if wrong else "",
    )


def _large_objects(there: beside.LargeObjects, here: beside.LargeObjects, next: str) -> Check:
    unread = there.unread or here.unread
    is_same = (there.objects, there.checksum) == (here.objects, here.checksum)
    return Check(
        name="the copy has the large objects",
        outcome=Outcome.UNVERIFIED if unread else Outcome.PASSED if is_same else Outcome.FAILED,
        expected=f"{there.objects:,}",
        found=f"{here.objects:,}"
        + ("" if is_same else ", with other contents" if there.objects == here.objects else ""),
        why=unread,
        next="" if is_same and not unread else "Have the role own them, and prove it again." if unread else next,
    )
