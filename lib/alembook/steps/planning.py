"""Freezing the plan, and finding out later whether it would still be the same one."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg2

from alembook import __version__, errors
from alembook.archive.events import now
from alembook.backfills import declaration
from alembook.config import shipped
from alembook.postgres import connection as connections
from alembook.postgres import identity
from alembook.project import driver
from alembook.project import plan as plans
from alembook.project.description import Description
from alembook.steps.runbook import Book


def freeze(
    book: Book,
    project: Description,
    *,
    wanted: str,
    rows: Sequence[str] | None,
    server: identity.Identity,
    invalid_indexes: Sequence[str],
) -> plans.Plan:
    """Returns the plan for the book's run.

    Raises:
        errors.UnknownRevision: the project has no such revision.
        errors.ConfigurationError: the backfills cannot be placed.
    """
    folder = project.script_folder
    return plans.freeze(
        book.target,
        project,
        run_id=book.folder.run_id,
        made_at=now(),
        wanted=wanted,
        rows=rows,
        boundaries=[
            plans.Boundary(name=b.name, after=b.after, before=b.before, hold=b.hold)
            for b in declaration.load(folder / "backfills")
        ],
        documents=_documents(book, folder),
        server=server.fixed(),
        policy=_policy(book),
        versions=_versions(),
        invalid_indexes=invalid_indexes,
    )


def require_same(book: Book, plan: plans.Plan) -> None:
    """Does nothing when a plan made now, from where this one began, would be the same one.

    Raises:
        errors.PlanChanged: names each difference: a revision added, a version, the server, a limit.
    """
    project = driver.describe(book.target, book.database, book.session, log=book.agent_event)
    with connections.closing(book.connect()) as connection:
        server = identity.read(connection)
    again = freeze(
        book, project, wanted=plan.wanted, rows=plan.start, server=server, invalid_indexes=plan.invalid_indexes
    )
    found = plan.differences(plans.Plan.from_json(again.to_json()))
    if found:
        raise errors.PlanChanged(
            f"{len(found)} things differ from the plan.",
            why="the plan was frozen when it was looked at; what runs must be what was looked at.",
            next="Put them back, or begin a new run, which plans anew.",
            state="unchanged: nothing was applied.",
            evidence={"differences": "\n".join(found)},
        )


def require_prepared(book: Book, plan: plans.Plan) -> None:
    """Does nothing when the run has no plan yet, or nothing was prepared for it, or this is the very plan.

    Raises:
        errors.PlanChanged: names what differs from the plan that was backed up, rehearsed and looked at.
    """
    earlier = book.folder.receipt("plan")
    if earlier is None or not any(book.folder.receipt(stem) for stem in ("backup", "rehearsal", "before")):
        return
    found = plans.Plan.from_json(earlier["plan"]).differences(plans.Plan.from_json(plan.to_json()))
    if found:
        raise errors.PlanChanged(
            f"{len(found)} things differ from the plan this run was prepared for.",
            why="what was backed up, rehearsed and looked at is not what would run now.",
            next="Put them back, or begin a new run, which plans anew.",
            state="unchanged: nothing was applied.",
            evidence={"differences": "\n".join(found)},
        )


def _documents(book: Book, folder: Path) -> list[Path]:
    """Returns what the plan stands on besides the project's own files: backfills, checks, runbooks."""
    books = sorted(shipped.runbooks(book.target.folder).glob("[0-9][0-9]_*.ipynb"))
    found = [*sorted((folder / "backfills").glob("*.py")), folder / "checks.toml", *books]
    return [path for path in found if path.is_file()]


def _versions() -> dict[str, str]:
    return {"alembook": __version__, "python": platform.python_version(), "libpq": str(psycopg2.__libpq_version__)}


def _policy(book: Book) -> dict[str, Any]:
    target = book.target
    return {
        "writers": target.writers,
        "ledger": target.ledger,
        "bind": target.bind,
        "way_back": target.way_back,
        "limits": asdict(target.limits),
        "verify": asdict(target.verify),
        "backfill": asdict(target.backfill),
        "backup_jobs": target.backup.jobs,
        "protected": target.protected,
        "approvals": target.approvals,
        "alembic_args": list(target.alembic_args),
        "flask_app": target.flask_app,
        "variables": sorted({*target.environment, *target.files}),
    }
