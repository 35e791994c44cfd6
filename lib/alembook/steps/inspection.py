"""Step inspect: where the database is, what would happen, frozen as the plan. Looking does not touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from alembook import display, errors
from alembook.postgres import catalog, identity, tools
from alembook.postgres import connection as connections
from alembook.project import driver, state, watch
from alembook.project import plan as plans
from alembook.project.findings import Review
from alembook.snapshots import checks as declared_checks
from alembook.steps import commits, planning, stamp, ways
from alembook.steps import review as reviews
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_OLDEST_SERVER = 140000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Receipt):
    """Receipt of an inspection.

    Attributes:
        plan: what will happen.
        found: what the version rows mean.
        server: where.
        tables: one row per table, as ``catalog.tables``.
        review: source, SQL and findings of what is pending.
    """

    plan: plans.Plan
    found: state.State
    server: identity.Identity
    tables: pd.DataFrame
    review: Review

    def state(self) -> display.Html:
        """Returns where the database is and where it would go."""
        return display.facts(
            {
                "database is": self.found.message,
                "version rows": ", ".join(self.found.rows) or "none",
                **({"what to do": self.found.next} if self.found.next else {}),
                "goes to": f"{self.plan.wanted}: {', '.join(self.plan.goal) or 'base'}",
                f"revisions to {'take back' if self.plan.direction == 'down' else 'apply'}": len(self.plan.order()),
                "stages": len(self.plan.stages),
                "plan": self.plan.hash,
            }
        )

    def revisions(self) -> display.Html:
        """Returns the pending revisions in the order they will be applied."""
        rows = [
            {
                "order": number,
                "stage": stage.number,
                "revision": entry.id,
                "what": entry.doc,
                "commit": "several" if entry.uses_autocommit else "one",
                "sha256": entry.sha256[:12],
            }
            for number, (stage, entry) in enumerate(self._walk(), start=1)
        ]
        return display.table(
            pd.DataFrame(rows), limit=200, empty="nothing is pending: the database is where it was asked to be"
        )

    def _walk(self) -> Iterator[tuple[plans.Stage, plans.Entry]]:
        for stage in self.plan.stages:
            for identifier in stage.revisions:
                yield stage, self.plan.revision(identifier)

    def stages(self) -> display.Html:
        """Returns the stages: revisions, then backfills."""
        rows = [
            {
                "stage": stage.number,
                "revisions": f"{len(stage.revisions)}: {' '.join(stage.revisions)}" if stage.revisions else "none",
                "then backfills": ", ".join(stage.backfills) or "none",
                "then waits for": stage.hold or "nobody",
            }
            for stage in self.plan.stages
        ]
        return display.table(pd.DataFrame(rows), empty="there is nothing to do")

    def findings(self) -> display.Html:
        """Returns what a reviewer should know of the pending revisions, must first."""
        return reviews.table(self.review)

    def texts(self) -> display.Html:
        """Returns source and SQL of every pending revision, folded."""
        return reviews.texts(self.review)

    def sizes(self) -> display.Plot | display.Html:
        """Returns the largest tables as a plot."""
        return display.sizes(self.tables.rename(columns={"estimated_rows": "rows"}))


def inspect(book: Book, *, to: str, reviewer: str = "") -> Inspection:
    """Looks at database and project, freezes the plan, and returns the receipt.

    Args:
        book: the opened runbook.
        to: the revision to go to: head, heads, an id or a unique part of one, label@head, +N; one behind
            the database, or base, is a downgrade.
        reviewer: who reads the findings; recorded.

    Raises:
        errors.UnknownRevision: the project has no such revision.
        errors.WrongDatabase: env.py leads to another database.
        errors.ProjectFailed: the project could not be loaded.
        errors.PlanChanged: this run was backed up or rehearsed for another plan.
    """
    project = driver.describe(book.target, book.database, book.session, log=book.agent_event)
    with connections.closing(book.connect()) as connection:
        server = identity.read(connection)
        rows = state.read(connection, project.version_table, project.version_table_schema)
        tables = catalog.tables(connection)
        invalid = catalog.invalid_indexes(connection)
    places = zip(tables["schema"], tables["table"], strict=True)
    found = state.classify(project.revisions, rows, tables=stamp.own_tables(book, project, list(places)))
    _refuse_unknown_revisions(declared_checks.load(project.script_folder / "checks.toml"), project)
    plan = planning.freeze(book, project, wanted=to, rows=rows, server=server, invalid_indexes=invalid)
    planning.require_prepared(book, plan)
    with connections.closing(book.connect()) as connection:
        stamped = stamp.read(book, project, found, plan, connection)
    found = stamped.found
    review = reviews.read(book, project, plan, server)
    leaving = [entry.id for entry in plan.revisions if entry.uses_autocommit]
    judged = [*_judge(server, found, plan), commits.check(plan.mode, leaving)]
    judged += [*stamped.checks, _judge_env(project), *_judge_tools(book, server)]
    judged += [*reviews.preflight(book, project, review), *reviews.checks(review)]
    judged += ways.checks(book, plan, review)
    book.folder.write_table("sizes", tables)
    place = {"to": to, "state": found.kind.value, "message": found.message}
    seen = {"reviewer": reviewer, "findings": reviews.record(review)}
    receipt = book.finish(judged, {"plan_hash": plan.hash, **place, **seen, "plan": plan.to_json()})
    return Inspection.of(receipt, plan=plan, found=found, server=server, tables=tables, review=review)


def _refuse_unknown_revisions(rules: declared_checks.Declared, project: driver.Description) -> None:
    """Refuses a check that waits for a revision which never comes: it would never be judged."""
    known = {"", *(revision.id for revision in project.revisions)}
    unknown = [rule for rule in rules.all() if rule.from_revision not in known]
    if unknown:
        raise errors.ConfigurationError(
            f"checks.toml: {unknown[0].name} is from {unknown[0].from_revision}, which the project does not have.",
            why="the check would never be judged.",
            next="Correct its from_revision.",
        )


def _judge(server: identity.Identity, found: state.State, plan: plans.Plan) -> Sequence[Check]:
    old = server.version_num < _OLDEST_SERVER
    return [
        Check(
            name="the version rows leave no doubt",
            outcome=Outcome.PASSED if found.may_upgrade else Outcome.FAILED,
            expected="rows the project has, none above another",
            found=", ".join(found.rows) or "no row",
            why="" if found.may_upgrade else found.message,
            next=found.next,
        ),
        Check(
            name="PostgreSQL 14 or newer",
            outcome=Outcome.FAILED if old else Outcome.PASSED,
            expected="14 or newer",
            found=server.version,
            next="Use another tool for this server." if old else "",
        ),
        Check(
            name="the server takes writes",
            outcome=Outcome.FAILED if server.in_recovery else Outcome.PASSED,
            expected="a primary",
            found="a standby" if server.in_recovery else "a primary",
            next="Point the target at the primary." if server.in_recovery else "",
        ),
        Check(
            name="no index is invalid",
            grade=Grade.SHOULD,
            outcome=Outcome.FAILED if plan.invalid_indexes else Outcome.PASSED,
            expected="none",
            found=", ".join(plan.invalid_indexes) or "none",
            next="DROP INDEX CONCURRENTLY it and build it again." if plan.invalid_indexes else "",
        ),
    ]


def _judge_env(project: driver.Description) -> Check:
    """Judges what env.py does before its revisions: an upgrade runs it as it is, and no plan knows of that."""
    makes_sure = all("IF NOT EXISTS" in statement.upper() for statement in project.left_out)
    written = "; ".join(map(watch.without_literals, project.left_out))
    return Check(
        name="env.py writes nothing before its revisions",
        grade=Grade.MAY if makes_sure else Grade.SHOULD,
        outcome=Outcome.FAILED if written else Outcome.PASSED,
        expected="nothing",
        found=written or "nothing",
        why="it was left out while looking; the upgrade will run it, in no revision's transaction." if written else "",
        next="" if makes_sure else "Move it into a revision, or see that it does no harm when it runs each time.",
    )


def _judge_tools(book: Book, server: identity.Identity) -> list[Check]:
    """Judges now what the backup will need, so that it is not missed in the window."""
    judged = []
    for name in ("pg_dump", "pg_restore"):
        try:
            tool = tools.find(
                name,
                server_version_num=server.version_num,
                database=book.database,
                postgres_bin=book.target.postgres_bin,
            )
            judged.append(Check(name=f"{name} fits the server", outcome=Outcome.PASSED, found=tool.version))
        except errors.ToolMissing as error:
            judged.append(
                Check(
                    name=f"{name} fits the server",
                    outcome=Outcome.FAILED,
                    why=f"{error.what} {error.why}",
                    next=error.next,
                )
            )
    return judged
