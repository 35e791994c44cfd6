"""Step verify: every table measured again in one snapshot, compared with before, and the declared checks judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import display
from alembook.postgres import connection as connections
from alembook.project import state
from alembook.project.plan import Plan
from alembook.snapshots import checks, comparison, evidence, measurement, orphans
from alembook.steps import before, drift, models, predicted, standing, touched
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Receipt):
    """Receipt of a verification.

    Attributes:
        comparison: one row per table, as ``evidence.merge``.
        declared: the declared checks' outcomes.
        changes: what became of the schema, as ``drift.Drift.frame``.
        beside: tables, rows and seconds: what, rehearsed, now; empty without a rehearsal.
    """

    comparison: pd.DataFrame
    declared: tuple[Check, ...]
    changes: pd.DataFrame
    beside: pd.DataFrame

    def failing(self) -> display.Html:
        """Returns what is not as it should be, with what to do."""
        return display.checks(self.gate.closed_by) if not self.gate.is_open else self.verdict()

    def tables(self) -> display.Html:
        """Returns rows before, after, expected, checksums and the verdict of each table, failing ones first."""
        only = self.comparison["schema"].unique().tolist() == ["public"]
        return display.table(self.comparison.drop(columns=["schema"] if only else []), verdict="verdict", limit=200)

    def counts(self) -> display.Plot | display.Html:
        """Returns rows before and after as a plot."""
        return display.counts(self.comparison)

    def schema(self) -> display.Html:
        """Returns what became of the schema, what others did first."""
        return display.table(self.changes, limit=200, empty="no object of the schema is another one than before")

    def predicted(self) -> display.Html:
        """Returns what the verification of the rehearsal counted and took, and this one."""
        return display.table(self.beside, empty="this plan was not rehearsed")

    def declared_checks(self) -> display.Html:
        """Returns the outcome of each declared check."""
        return display.checks(self.declared)


def preview(book: Book) -> display.Html:
    """Returns the declared checks that ``verify`` will judge. Nothing is written.

    Raises:
        errors.ConfigurationError: a check cannot be used.
    """
    rules, applied = before.declared(book), before.applied(book)
    rows = [
        {"kind": kind, "check": rule.name, "grade": rule.grade.value}
        for kind, found in (("rows", rules.rows), ("content", rules.content), ("none", rules.none))
        for rule in found
        if not rule.from_revision or rule.from_revision in applied
    ] + [
        {"kind": "changes", "check": f"{rule.table}: {', '.join(rule.columns)}", "grade": "-"}
        for rule in rules.changes
        if not rule.from_revision or rule.from_revision in applied
    ]
    return display.table(pd.DataFrame(rows), empty="no declared check: every table must keep its rows and their values")


def _version_rows(plan: Plan) -> dict[str, int]:
    """Returns how many rows the version table must have: one for each head, none at base."""
    return {_version_table(plan): len(standing.end(plan))}


def verify(book: Book) -> Verification:
    """Counts, compares, judges; returns the receipt. Reads only.

    Raises:
        errors.PlanChanged: the database is at no point of the plan.
        errors.UnknownRun: nothing was measured before the change.
        errors.QueryFailed: a table could not be counted.
    """
    if book.dry_run:
        nothing = {"comparison": pd.DataFrame(columns=list(comparison.DTYPES)), "changes": pd.DataFrame()}
        nothing["beside"] = pd.DataFrame()
        return Verification.of(book.skipped(), **nothing, declared=())
    earlier, rules = before.taken(book), before.declared(book)
    if earlier.tables.empty:
        rules = before.of_an_empty_database(rules)
    seen = _look(book, earlier, rules)
    counted = _counted(book, earlier, seen.now)
    columns = evidence.keyed(seen.now.columns, before.key(book))
    found = evidence.judge(earlier.columns, columns, _known(book, earlier, seen, rules))
    frame, changes = evidence.merge(counted, found), seen.drifted.frame()
    before.write(book, "after", seen.now)
    book.folder.write_table("comparison", frame)
    book.folder.write_table("schema_changes", changes)
    receipt = book.finish(
        [
            _applied(book),
            _in_scope(seen),
            *comparison.checks(counted),
            *evidence.checks(found),
            *evidence.sequences(earlier.sequences, seen.now.sequences),
            *orphans.checks(earlier.orphans, seen.orphans),
            *seen.declared,
            *drift.checks(seen.drifted),
            *([models.check(book, earlier.models)] if models.is_asked(book) else []),
            _unchanged(book),
        ],
        {**_facts(seen.now), "scope": earlier.scope.why},
    )
    beside = predicted.verified(book, receipt.facts, receipt.seconds)
    return Verification.of(receipt, comparison=frame, declared=tuple(seen.declared), changes=changes, beside=beside)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the database showed in one snapshot.

    Attributes:
        now: what was measured.
        executed: tables that the run's statements lead to.
        unmeasured: those of them that were there before and were not measured then.
        orphans: as ``orphans.count``.
        declared: the declared checks' outcomes.
        drifted: what became of the schema.
    """

    now: measurement.Measurement
    executed: set[str]
    unmeasured: list[str]
    orphans: Mapping[str, Mapping[str, Any]]
    declared: list[Check]
    drifted: drift.Drift


def _look(book: Book, earlier: before.Before, rules: checks.Declared) -> _Seen:
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        executed = touched.executed(book, connection)
        there = before.outline(book, connection)
        new = there - earlier.there
        only = None if earlier.scope.tables is None else earlier.scope.tables | new
        now = before.measure(book, connection, earlier=earlier.columns, only=only)
        return _Seen(
            now=now,
            executed=executed,
            unmeasured=sorted(name for name in executed & there if only is not None and name not in only),
            orphans=before.orphaned(book, connection, now),
            declared=checks.after(
                connection,
                rules,
                earlier.values,
                before.key(book),
                applied=before.applied(book),
                timeout_s=before.limit_s(book),
            ),
            drifted=drift.judge(drift.moments(book), drift.read(book, connection)),
        )


def _in_scope(seen: _Seen) -> Check:
    """Judges whether every table the run worked on was measured before: its plan's texts are what told them."""
    shown = ", ".join(seen.unmeasured[:10])
    return Check(
        name="every table the run worked on was measured before",
        outcome=Outcome.UNVERIFIED if seen.unmeasured else Outcome.PASSED,
        expected=f"{len(seen.executed):,} tables",
        found=f"{len(seen.executed) - len(seen.unmeasured):,} tables",
        why=f"statements of the run name {shown}, and the texts of its plan do not" if seen.unmeasured else "",
        next='Compare them with the restored backup (`alembook compare`); set scope = "all" in [verify] for later runs.'
        if seen.unmeasured
        else "",
    )


def _facts(now: measurement.Measurement) -> dict[str, Any]:
    return {
        "taken_at": now.taken_at.isoformat(),
        "snapshot": now.snapshot,
        "tables": len(now.tables),
        "rows": int(now.tables["rows"].sum()),
        "left_out": dict(now.left_out),
        "unread": dict(now.unread),
    }


def _counted(book: Book, earlier: before.Before, now: measurement.Measurement) -> pd.DataFrame:
    """Returns rows before, after and expected, table by table."""
    values = earlier.values
    return comparison.compare(
        earlier.tables,
        now.tables,
        expected={**values.expected(), **_version_rows(book.plan())},
        dropped=before.dropped(book),
        unknown=values.unknown(),
        grades=values.grades(),
        left_out=now.left_out,
    )


def _applied(book: Book) -> Check:
    """Judges whether the whole plan is applied: expected numbers are those of its end."""
    plan = book.plan()
    with connections.closing(book.connect()) as connection:
        current = state.read(connection, plan.version_table, plan.version_table_schema) or ()
    done = standing.position(plan, current)
    is_complete = done == len(plan.order())
    return Check(
        name="the whole plan is applied",
        outcome=Outcome.PASSED if is_complete else Outcome.FAILED,
        expected=f"{len(plan.order())} revisions",
        found=f"{done} revisions",
        next="" if is_complete else f"Go on with `alembook run --run {book.folder.run_id}`; verify comes last.",
    )


def _unchanged(book: Book) -> Check:
    """Judges whether what was verified with is what was planned with: a query may be corrected, and that shows."""
    changed = standing.changed(book.target, book.plan())
    return Check(
        name="the files of the plan are unchanged",
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if changed else Outcome.PASSED,
        expected="every file as it was planned with",
        found="; ".join(changed) or "every file as it was planned with",
        next="Make sure that the change was meant; it stays in the record." if changed else "",
    )


def _known(book: Book, earlier: before.Before, seen: _Seen, rules: checks.Declared) -> evidence.Known:
    """Returns what the rules, the plan and the record say of the tables, by "schema.table"."""
    now, names = seen.now, before.names(seen.now)
    changes = {
        **comparison.placed(checks.changes(rules, before.applied(book)), names),
        **comparison.placed({_version_table(book.plan()): {evidence.EVERY}}, names),
    }
    by_rule = comparison.placed(dict.fromkeys(earlier.values.rows, True), names)
    unread = {
        **earlier.unread,
        **now.unread,
        **({} if before.key(book) else dict.fromkeys(names, before.lost_key(book))),
    }
    return evidence.Known(
        changes=changes,
        by_rule=set(by_rule),
        unread={name: why for name, why in unread.items() if name in names},
        apart=now.apart,
        traffic=_traffic(book, names, seen.executed),
    )


def _traffic(book: Book, names: set[str], executed: set[str]) -> Collection[str]:
    """Returns the tables in which a changed value may be somebody else's, or the way back's, which declares none."""
    if book.plan().direction == "down":
        return names
    return names - executed if book.target.writers == "running" else ()


def _version_table(plan: Plan) -> str:
    """Returns the table in which Alembic notes the revision: the run is meant to change it."""
    return f"{plan.version_table_schema}.{plan.version_table}" if plan.version_table_schema else plan.version_table
