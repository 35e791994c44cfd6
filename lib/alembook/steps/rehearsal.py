"""Step rehearse: the whole plan on a restored copy, by the very code that works on the target, and back again.

What is seen there is what production is measured against: locks, rewrites, rows and SQL transfer, seconds do not (a
restored copy has no bloat and a warm cache).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from alembook import display, errors
from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Fingerprint
from alembook.snapshots import measurement
from alembook.steps import (
    advice,
    backfill,
    misfits,
    observed,
    rehearsing,
    standing,
    traces,
    upgrade,
    verification,
    wayback,
)
from alembook.steps.receipt import Receipt
from alembook.steps.rehearsing import Copy
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

#: What makes a rehearsal impossible, as opposed to one that fails.
_NO_PLACE = (errors.ScratchUnfit, errors.ToolMissing, errors.Unreachable, errors.AccessRefused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal(Receipt):
    """Receipt of a rehearsal.

    Attributes:
        seen: one row per revision, as ``observed.REVISIONS``.
        held: one row per revision and table it locked, as ``observed.LOCKS``.
        spans: what the timeline shows, as ``observed.SPANS``.
        losses: what the way back does not bring back, as ``wayback.LOSSES``.
        traced: one row per statement, as ``traces.STATEMENTS``.
        grown: the copy's size and its tables', as ``traces.SIZES``.
        parts: receipts of the steps on the copy, in order.
    """

    seen: pd.DataFrame
    held: pd.DataFrame
    spans: pd.DataFrame
    losses: pd.DataFrame
    traced: pd.DataFrame
    grown: pd.DataFrame
    parts: tuple[Receipt, ...] = ()

    def timeline(self) -> display.Plot | display.Html:
        """Returns the revisions one after another, with the locks they held on each table."""
        return display.locks(self.spans)

    def revisions(self) -> display.Html:
        """Returns what each revision took and did."""
        return display.table(self.seen, limit=200, empty="no revision was rehearsed")

    def locks(self) -> display.Html:
        """Returns the strongest lock of each revision on each table, and what was written anew."""
        return display.table(self.held, limit=200, empty="no revision locked a table that was there before")

    def judged(self) -> display.Html:
        """Returns the checks, failing ones first, and below them the query behind each that closes the gate."""
        checks = super(Rehearsal, self).judged()
        closed: list[tuple[Check, dict[str, str]]] = [(check, {}) for check in self.gate.closed_by if check.query]
        return display.together(checks, display.explained(closed, empty="")) if closed else checks

    def statements(self) -> display.Html:
        """Returns what single statements locked and wrote: those that write a table anew, then the slowest."""
        return display.table(traces.slowest(self.traced), limit=50, empty="no statement was rehearsed")

    def sizes(self) -> display.Html:
        """Returns the size of the copy before and after, and of the tables whose size changed."""
        return display.table(self.grown, empty="nothing was rehearsed")

    def way_back(self) -> display.Html:
        """Returns what does not come back by downgrade, table by table."""
        told = self.facts.get("way_back") or {}
        if not told:
            return display.table(self.losses, empty="the way back was not tried")
        stopped = str(told["stopped"])
        return display.table(
            self.losses, verdict="verdict", empty=stopped or "everything comes back: schema, rows and values", limit=200
        )


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What a rehearsal gathers on its way."""

    checks: list[Check] = field(default_factory=list)
    parts: list[Receipt] = field(default_factory=list)
    revisions: list[observed.Revision] = field(default_factory=list)
    tables: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(measurement.DTYPES)))
    back: wayback.WayBack | None = None
    traced: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=traces.STATEMENTS))
    grown: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=traces.SIZES))
    facts: dict[str, Any] = field(default_factory=dict)


def preview(book: Book) -> display.Html:
    """Returns what ``rehearse`` will do, in order. Nothing is written."""
    plan = book.plan()
    goes = "; ".join(
        f"stage {stage.number}: {len(stage.revisions)} revisions"
        + (f", then {', '.join(stage.backfills)}" if stage.backfills else "")
        for stage in plan.stages
    )
    way = "forward to" if plan.direction == "down" else "back to"
    return display.facts(
        {
            "works on": "the copy by which the backup was proven, else one restored anew; the target is not touched",
            "applies": goes or "nothing",
            "verifies": "as 60_verify does",
            "then goes": f"{way} {', '.join(plan.start) or 'base'}, and through all of it again",
            "child sees": "ALEMBOOK_REHEARSAL=1",
        }
    )


def rehearse(book: Book) -> Rehearsal:
    """Rehearses the plan and returns the receipt; a failure is a check in it, by name.

    Where no copy can be made, that is UNVERIFIED: a must for a protected target, for another one a should.

    Raises:
        errors.PlanChanged: a file differs from the plan; nothing was rehearsed.
        errors.UnknownRun: the run has no backup.
        errors.RestoreFailed: the backup cannot be restored.
        errors.SessionLost: the run's locks are gone.
    """
    if book.dry_run:
        return _receipt(book.skipped(), book, _Seen())
    book.require_session()
    standing.require_unchanged(book.target, book.plan())
    seen = _Seen()
    try:
        with rehearsing.opened(book) as copy:
            _perform(copy, seen)
    except _NO_PLACE as error:
        seen.checks.append(_no_place(book, error))
    facts = {"plan_hash": book.plan().hash, **seen.facts}
    return _receipt(book.finish(seen.checks, facts), book, seen)


def _receipt(receipt: Receipt, book: Book, seen: _Seen) -> Rehearsal:
    return Rehearsal.of(
        receipt,
        seen=observed.revisions_frame(seen.revisions, book.plan()),
        held=observed.locks_frame(seen.revisions, seen.tables),
        spans=observed.spans_frame(seen.revisions),
        losses=seen.back.losses() if seen.back else pd.DataFrame(columns=wayback.LOSSES),
        traced=seen.traced,
        grown=seen.grown,
        parts=tuple(seen.parts),
    )


def _no_place(book: Book, error: errors.AlembookError) -> Check:
    return Check(
        name="the plan was rehearsed on a restored copy",
        grade=Grade.MUST if book.target.protected else Grade.SHOULD,
        outcome=Outcome.UNVERIFIED,
        expected="a copy of the backup",
        found="no place for one",
        why=f"{error.what} {error.why}",
        next=error.next,
    )


def _perform(copy: Copy, seen: _Seen) -> None:
    began = time.monotonic()
    watch = copy.runbook("rehearse")
    schema, size = wayback.objects(watch), _size(watch)
    copy.folder.write_receipt("fingerprint.start", schema.to_json())
    for part in _parts(copy):
        seen.parts.append(part)
        copy.book.event("rehearsed", step=part.step, stage=part.stage, outcome=part.gate.outcome.value)
        seen.checks += _part(copy, part)
        if part.gate.closed_by:
            break
    seen.revisions = observed.read(copy.folder, copy.plan)
    seen.traced = traces.statements(copy.folder, copy.plan)
    copy.book.folder.write_table("rehearsed_statements", seen.traced)
    start = wayback.at_start(watch, schema)
    seen.tables, sizes = start.tables, (size, _size(watch))
    seen.grown = traces.sizes(start.tables, start.tables, sizes)
    seen.facts = {**_measured(copy, seen, schema), "size_before_bytes": sizes[0], "size_after_bytes": sizes[1]}
    if seen.parts[-1].step == "verify":  # whatever it says: what the way back loses is worth knowing
        end = _end(copy, watch)
        seen.grown = traces.sizes(start.tables, end.tables, sizes)
        copy.folder.write_receipt("fingerprint.end", end.schema.to_json())
        seen.back = wayback.tried(copy, start, end)
        copy.is_at_end = seen.back.again is not None
        seen.checks += seen.back.checks(copy.book.target.way_back)
        seen.facts["way_back"] = seen.back.to_json()
    seen.facts["rehearsal_seconds"] = round(time.monotonic() - began, 3)


def _parts(copy: Copy) -> Iterator[Receipt]:
    """Yields the receipt of each step on the copy, in the order of a run."""
    for stage in copy.plan.stages:
        if stage.revisions:
            yield upgrade.apply(copy.runbook("upgrade", stage.number))
        if stage.backfills:
            yield backfill.run(copy.runbook("backfill", stage.number))
    yield verification.verify(copy.runbook("verify"))


def _part(copy: Copy, part: Receipt) -> list[Check]:
    """Returns what a step on the copy says of the same step on the target: its closed checks under their own names.

    So one waiver of a name holds in both places.
    """
    closed = part.gate.closed_by
    failed = observed.failure(copy.folder, copy.plan) if closed and part.step == "upgrade" else {}
    if failed.get("revision"):
        may_show = copy.book.target.verify.show_keys
        rows = misfits.find(copy, failed)
        return [advice.check(failed, copy.plan.revision(failed["revision"]), rows, may_show=may_show)]
    if closed:
        return [replace(check, why=f"on the copy: {check.why}".removesuffix(": ")) for check in closed]
    what = f"{part.step}{f' of stage {part.stage}' if part.stage else ''}"
    return [Check(name=f"{what} succeeds on the copy", outcome=Outcome.PASSED, found=f"{len(part.checks)} checks")]


def _measured(copy: Copy, seen: _Seen, schema: Fingerprint) -> dict[str, Any]:
    """Returns what production is measured against."""
    named = [name.partition(" ")[2] for name in schema.objects if name.startswith("table ")]
    tables = sorted(name for name in named if name.rpartition(".")[2] != copy.plan.version_table)
    moved: dict[str, Mapping[str, Any]] = {
        each["backfill"]: each for part in seen.parts if part.step == "backfill" for each in part.facts["backfills"]
    }
    verified = next((part for part in seen.parts if part.step == "verify"), None)
    return {
        "record": copy.folder.path.name,
        "measured_on": copy.measured_on,
        "revisions": observed.to_json(seen.revisions),
        "backfills": moved,
        "verified": {**_counts(verified), "seconds": round(verified.seconds, 3)} if verified else {},
        "tables_before": tables,
        "rows_before": {f"{row['schema']}.{row['table']}": int(row["rows"]) for row in seen.tables.to_dict("records")},
    }


def _counts(verified: Receipt) -> dict[str, Any]:
    return {name: verified.facts[name] for name in ("tables", "rows")}


def _end(copy: Copy, watch: Book) -> wayback.Instant:
    """Returns what verification measured at the end of the first pass."""
    folder = copy.folder.path / "tables"
    return wayback.Instant(
        schema=wayback.objects(watch),
        tables=measurement.read_csv(folder / "after.csv"),
        columns=measurement.read_csv(folder / "after_columns.csv", measurement.COLUMN_DTYPES),
    )


def _size(book: Book) -> int:
    with connections.closing(book.connect()) as connection:
        return int(connections.scalar(connection, "SELECT pg_database_size(current_database())"))
