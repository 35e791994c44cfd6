"""Step verify: the tables in scope measured again in one snapshot and compared, the declared checks judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import display
from alembook.postgres import connection as connections
from alembook.project import state
from alembook.snapshots import comparison, evidence, orphans
from alembook.steps import accounting, before, cost, drift, models, predicted, schemas, standing
from alembook.steps import rows as which
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_NO_RULE = "no declared check: every table in scope must keep its rows and their values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Receipt):
    """Receipt of a verification.

    Attributes:
        comparison: one row per table, as ``evidence.merge``.
        declared: the declared checks' outcomes.
        changes: what became of the schema, as ``drift.Drift.frame``.
        rows: the rows that differ, where a copy of before is kept.
        beside: tables, rows and seconds: what, rehearsed, now; empty without a rehearsal.
    """

    comparison: pd.DataFrame
    declared: tuple[Check, ...]
    changes: pd.DataFrame
    rows: which.Rows
    beside: pd.DataFrame

    def summary(self) -> display.Html:
        """Returns the verdict and what it stands on, in numbers."""
        counts = [sum(check.outcome is outcome for check in self.checks) for outcome in Outcome]
        told = ", ".join(f"{count:,} {outcome}" for count, outcome in zip(counts, Outcome, strict=True) if count)
        sums = {side: self.comparison[side].sum() for side in ("before", "after") if side in self.comparison}
        return display.together(
            self.verdict(),
            display.facts(
                {
                    "checks": told,
                    "tables": f"{len(self.comparison):,} judged; scope: {self.facts.get('scope', 'nothing was read')}",
                    "rows": ", ".join(f"{total:,} {side}" for side, total in sums.items()),
                    "one instant": self.facts.get("taken_at", "none"),
                    "schema": f"{len(self.changes):,} objects changed",
                }
            ),
        )

    def failing(self) -> display.Html:
        """Returns each check that is not PASSED: expected, found, why, which rows, its query, and what to do."""
        found = [(check, self._more(check)) for check in self.checks if check.outcome is not Outcome.PASSED]
        return display.explained(found, empty="every check is PASSED")

    def _more(self, check: Check) -> dict[str, str]:
        rows = self.rows.of(check.subject) if check.name.startswith(("rows of ", "values of ")) else ""
        return {"rows that differ": rows} if rows else {}

    def tables(self) -> display.Html:
        """Returns rows before, after, expected, checksums and the verdict of each table, failing ones first."""
        only = self.comparison["schema"].unique().tolist() == ["public"]
        return display.table(self.comparison.drop(columns=["schema"] if only else []), verdict="verdict", limit=200)

    def counts(self) -> display.Plot | display.Html:
        """Returns rows before and after as a plot."""
        return display.counts(self.comparison)

    def differing_rows(self) -> display.Html:
        """Returns the rows that differ: missing, extra or changed; their columns, their keys where they may show."""
        note = self.rows.note or "no table differs"
        found = display.table(self.rows.frame, limit=200, empty=note)
        return found if self.rows.frame.empty else display.together(display.facts({"how": note}), found)

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
    """Returns what ``verify`` will read, how long that may take, and the declared checks. Nothing is written.

    Raises:
        errors.ConfigurationError: a check cannot be used.
    """
    rules, applied = before.declared(book), before.applied(book)
    held = [rule for rule in rules.all() if not rule.from_revision or rule.from_revision in applied]
    rows = [
        {
            "kind": type(rule).__name__.removesuffix("Rule").lower(),
            "check": rule.name,
            "grade": getattr(rule, "grade", "-"),
        }
        for rule in held
    ]
    return display.together(cost.told(book), display.table(pd.DataFrame(rows), empty=_NO_RULE))


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
        return Verification.of(book.skipped(), **nothing, declared=(), rows=which.Rows.none("nothing was read"))
    earlier, rules = before.taken(book), before.declared(book)
    if earlier.tables.empty:
        rules = before.of_an_empty_database(rules)
    seen = accounting.look(book, earlier, rules)
    account = accounting.render(book, earlier, seen, rules)
    rows = which.find(book, account.differing(), account.changes, account.folded.judged(earlier.columns))
    changes = seen.drifted.frame()
    before.write(book, "after", seen.now)
    for name, frame in (("comparison", account.frame), ("schema_changes", changes), ("differences", rows.frame)):
        book.folder.write_table(name, frame)
    receipt = book.finish(
        [
            _applied(book),
            accounting.in_scope(seen),
            *comparison.checks(account.counted),
            *evidence.checks(account.found),
            *evidence.sequences(earlier.sequences, seen.now.sequences),
            *orphans.checks(earlier.orphans, seen.orphans),
            *seen.declared,
            *_schema(book, seen.drifted),
            *(models.checks(book, earlier.models, seen.drifted) if models.is_asked(book) else []),
            _unchanged(book),
        ],
        _facts(earlier, seen, rows),
    )
    if receipt.gate.is_open:
        which.give_up(book)
    shown = {"comparison": account.frame, "changes": changes, "rows": rows}
    beside = predicted.verified(book, receipt.facts, receipt.seconds)
    return Verification.of(receipt, **shown, declared=tuple(seen.declared), beside=beside)


def _facts(earlier: before.Before, seen: accounting.Seen, rows: which.Rows) -> Mapping[str, Any]:
    return {
        "taken_at": seen.now.taken_at.isoformat(),
        "snapshot": seen.now.snapshot,
        "tables": len(seen.now.tables),
        "rows": int(seen.now.tables["rows"].sum()),
        "scope": earlier.scope.why,
        "which_rows": rows.note,
        "left_out": dict(seen.now.left_out),
        "unread": dict(seen.now.unread),
    }


def _schema(book: Book, drifted: drift.Drift) -> list[Check]:
    """Returns what is said of the schema; of an object that closes the gate by its rehearsal nothing lesser besides."""
    rehearsed = schemas.at_the_end(book, drifted)
    said = {check.subject for check in rehearsed if check.grade is Grade.MUST and check.subject}
    left = [check for check in drift.checks(drifted) if check.grade is Grade.MUST or check.subject not in said]
    return [*left, *rehearsed]


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
