"""Step backup: a dump under one exported snapshot, hashed, restored into a scratch database and compared there.

A backup that a program of the operator's makes (``backup.command``) takes the place of the dump, and
``backup.proof_command`` that of the restore.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import display, errors
from alembook.postgres import connection as connections
from alembook.postgres import identity
from alembook.snapshots import measurement
from alembook.steps import before, dumps, earlier, elsewhere, making, proving, whole
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Gate, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Receipt):
    """Receipt of a backup.

    Attributes:
        tables: one row per table of the dump's own snapshot, as ``measurement.Measurement.tables``.
    """

    tables: pd.DataFrame

    def counted(self) -> display.Html:
        """Returns the rows and sizes of the dumped tables, largest first."""
        return display.table(self.tables.sort_values("size_bytes", ascending=False), limit=25)

    def sizes(self) -> display.Plot | display.Html:
        """Returns the largest tables as a plot."""
        return display.sizes(self.tables)

    def proof(self) -> display.Html:
        """Returns how the backup was proven, where the copy lies and what is not in it."""
        proof = self.facts.get("proof", {})
        scratch = self.facts.get("scratch") or {}
        return display.facts(
            {
                "proven": proof.get("outcome", "not yet"),
                "how": proof.get("how", "it was not"),
                "copy": f"{scratch['database']} ({scratch['place']})" if scratch else "none",
                "other there": "; ".join(proof.get("remarks", [])) or "nothing",
                "left out on purpose": "; ".join(proof.get("left_out", [])) or "nothing",
                "restored in": _seconds(proof, "restore_seconds"),
                "compared in": _seconds(proof, "compare_seconds"),
            }
        )


def preview(book: Book) -> display.Html:
    """Returns what ``make`` will do: program, folder, jobs, where it is proven. Nothing is written."""
    policy = book.target.backup
    with connections.closing(book.connect()) as connection:
        version_num = identity.read(connection).version_num
    made = {"program": "backup.command"}
    if not policy.command:
        made = {"program": f"pg_dump {making.tool(book, 'pg_dump', version_num).version}", "jobs": str(policy.jobs)}
    proof = "backup.proof_command" if policy.command else f"rehearsal.scratch ({book.target.scratch or 'embedded:'})"
    return display.facts(
        {
            **made,
            "into": making.shown(book, dumps.new(book)),
            "snapshot": "one, exported; rows and checksums are of the same one",
            "proven by": f"a recent restore, or {proof}" if policy.proof == "recent" else proof,
            "kept": f"the last {policy.keep} good ones, and the last proven one",
        }
    )


def make(book: Book, *, keep_scratch: bool = False) -> Backup:
    """Makes a backup, proves it, and returns its receipt.

    Args:
        book: the opened runbook.
        keep_scratch: the copy is to stay when the run ends; somebody will drop it by hand.

    Raises:
        errors.UsageError: the run has begun to change the database.
        errors.ToolMissing: no pg_dump of the server's version.
        errors.BackupFailed: pg_dump failed, or the disk is full; what it wrote is removed or named.
        errors.SessionLost: the run's locks are gone.
    """
    if book.dry_run:
        return Backup.of(book.skipped(), tables=pd.DataFrame(columns=list(measurement.DTYPES)))
    book.require_session()
    _require_unchanged(book)
    folder = dumps.new(book)
    made = making.by_command(book, folder) if book.target.backup.command else making.dump(book, folder)
    judged = [*making.judge(book, made), *earlier.judge(book, made.original.found.tables)]
    proof = _prove(book, made, judged, keep=keep_scratch)
    checks = [*judged, *proof.checks]
    kept = whole.write(book, made.original)
    is_good, is_proven = Gate(checks=book.with_waivers(checks)).is_open, proof.outcome is Outcome.PASSED
    told = {"outcome": proof.outcome.value, **proof.facts}
    scratch = proof.scratch
    copy = {"scratch": {"place": scratch.place.kind, "database": scratch.name}} if scratch else {}
    facts = {**made.facts, **kept, "method": made.method, "proof": told, **copy}
    dumps.note(book, folder, is_good=is_good, is_proven=is_proven and proof.facts.get("how") != "recent", facts=facts)
    pruned = dumps.prune(book, folder) if is_good else dumps.Pruned()
    told = {"removed": pruned.gone, "not_removed": pruned.left}
    receipt = book.finish([*checks, pruned.check()] if pruned.left else checks, {**facts, **told})
    return Backup.of(receipt, tables=made.original.found.tables)


def _require_unchanged(book: Book) -> None:
    """Does nothing before the run's first change. Raises errors.UsageError after it."""
    if not before.is_taken(book):
        return
    name, run_id = book.target.name, book.folder.run_id
    raise errors.UsageError(
        f"Run {run_id} has begun to change {name}, and makes no further backup.",
        why="what it would hold is no way back: the run's own changes are in it.",
        next=f"Keep the backup that was made before. For one of the database as it is now begin a run of its own: "
        f"`alembook run -t {name} --through backup`.",
    )


def _prove(book: Book, made: making.Made, judged: Collection[Check], *, keep: bool) -> proving.Proof:
    """Proves a backup as the policy asks; one that is known to be no good is not restored."""
    if not Gate(checks=tuple(judged)).is_open:
        return proving.Proof(checks=[_not_tried()], facts={"how": "not restored"})
    if recent := earlier.recent(book, made.method):
        return proving.Proof(checks=[recent], facts={"how": "recent"})
    if book.target.backup.command:
        return proving.Proof(checks=[elsewhere.prove(book, made.folder, made.name)], facts={"how": "command"})
    return proving.prove(book, made.folder, made.original, made.needs, keep=keep)


def _not_tried() -> Check:
    return Check(
        name="the backup was restored",
        outcome=Outcome.UNVERIFIED,
        expected="a restored copy",
        found="none",
        why="it was not tried: the checks before are not PASSED.",
        next="See to them first.",
    )


def _seconds(facts: Mapping[str, Any], name: str) -> str:
    return f"{facts[name]:,.1f} s" if name in facts else "-"
