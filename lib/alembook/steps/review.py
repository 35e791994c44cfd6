"""What a reviewer should know before a plan runs, as checks of inspect and as a page to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pandas as pd

from alembook import display
from alembook.postgres import around, catalog
from alembook.postgres import connection as connections
from alembook.postgres import preflight as preflights
from alembook.postgres.identity import Identity
from alembook.project import driver, findings, state
from alembook.project.description import Description
from alembook.project.findings import Review
from alembook.project.plan import Plan
from alembook.steps import window
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_COLUMNS = ["outcome", "grade", "revision", "rule", "table", "rows", "size_bytes", "lock", "what", "why", "safe way"]


def read(book: Book, project: Description, plan: Plan, server: Identity) -> Review:
    """Returns the review of what a plan applies. Reads only; no revision is run.

    Raises:
        errors.ProjectFailed: a file cannot be read, or env.py failed.
        errors.QueryFailed: the catalogue cannot be read.
    """
    known = {revision.id: revision for revision in project.revisions}
    pending = [known[identifier] for identifier in plan.order()]

    def render(revisions: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        found = driver.render(book.target, book.database, book.session, revisions=revisions, log=book.agent_event)
        return {name: (each.sql, each.error) for name, each in found.items()}

    settings = {
        "search_path": str(project.reached["search_path"]),
        "statement_timeout": f"{book.target.limits.check_timeout_s}s",
    }
    with connections.closing(book.connect(settings=settings)) as connection:
        return findings.review(
            pending,
            connection,
            version_table=(project.version_table_schema, project.version_table),
            server_version=server.version.split()[0],
            render=render,
            is_down=plan.direction == "down",
        )


def preflight(book: Book, project: Description, review: Review) -> list[Check]:
    """Returns what on the server would stop the plan or be stopped by it."""
    needed = set(review.creates_in)
    with connections.closing(book.connect(settings={"search_path": str(project.reached["search_path"])})) as connection:
        if book.target.ledger and not catalog.has_schema(connection, book.target.ledger):
            needed.add(book.target.ledger)
        if state.read(connection, project.version_table, project.version_table_schema) is None:
            needed.add(project.version_table_schema or "")
        largest = max((finding.size_bytes or 0 for finding in review.findings), default=0)
        beside = around.checks(
            connection,
            backups=book.target.backup.directory,
            rewritten_bytes=largest,
            max_lag_s=book.target.backfill.max_replication_lag_s,
        )
        judged = preflights.checks(
            connection,
            touched=review.touched,
            altered=review.altered,
            schemas=sorted(needed),
            dump_jobs=book.target.backup.jobs,
        )
    return [*judged, *beside, window.check(book.target.limits)]


def checks(review: Review) -> list[Check]:
    """Returns one check for each finding, and one for the reading itself."""
    if not review.revisions:
        return []
    found = review.findings
    unread = [revision.id for revision in review.revisions if revision.note]
    whole = Check(
        name="every pending revision was read",
        grade=Grade.SHOULD,
        outcome=Outcome.UNVERIFIED if unread else Outcome.PASSED,
        expected=f"the source and SQL of {len(review.revisions)}",
        found=f"{len(found)} findings; the SQL of {len(unread)} is known only when it runs"
        if unread
        else f"{len(found)} findings",
        why=f"{', '.join(unread)}: see the section Source and SQL" if unread else "",
        next="Read the source of these revisions." if unread else "",
    )
    asked = Check(
        name="squawk was asked",
        grade=Grade.MAY,
        outcome=Outcome.UNVERIFIED,
        why=review.unasked,
        next="Install squawk-cli into Alembook's environment.",
    )
    return [whole, *([asked] if review.unasked else []), *(finding.check() for finding in found)]


def record(review: Review) -> list[dict[str, object]]:
    """Returns the findings for the receipt."""
    return [asdict(finding) for finding in review.findings]


def table(review: Review) -> display.Html:
    """Returns the findings, must first, then by revision."""
    order = list(Grade)
    rows = [
        {
            "outcome": Outcome.FAILED.value,
            "grade": finding.grade.value,
            "revision": finding.revision,
            "rule": finding.rule,
            "table": finding.table,
            "rows": "never analysed" if finding.rows == -1 else finding.rows,
            "size_bytes": finding.size_bytes,
            "lock": finding.lock,
            "what": "; ".join(part for part in (finding.operation, finding.found) if part),
            "why": finding.why,
            "safe way": finding.next,
        }
        for finding in sorted(review.findings, key=lambda finding: order.index(finding.grade))
    ]
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    return display.table(frame, limit=200, verdict="outcome", empty="nothing that a reviewer should know of")


def texts(review: Review) -> display.Html:
    """Returns source and SQL of every revision, folded."""
    sections = []
    for revision in review.revisions:
        note = f"-- {revision.note}\n" if revision.note else ""
        sections.append((f"{revision.id}  {revision.doc}: source", revision.source))
        sections.append((f"{revision.id}  {revision.doc}: SQL", note + revision.sql))
    return display.folded(sections, empty="no revision is pending")
