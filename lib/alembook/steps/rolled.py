"""The run that is taken back: what its record says, and whether there is anything to take back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.project import state
from alembook.project.plan import Plan
from alembook.steps import dumps, standing
from alembook.steps.runbook import Book

WAYS = ("downgrade", "restore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """A run that is to be taken back.

    Attributes:
        book: reads its record.
        plan: what it was to do.
        backup: receipt of its last backup that PASSED and was taken where it began; None when it has none.
        rehearsal: receipt of its rehearsal; None when it had none.
        current: the version rows now.
        way: downgrade or restore.
    """

    book: Book
    plan: Plan
    backup: Mapping[str, Any] | None
    rehearsal: Mapping[str, Any] | None
    current: tuple[str, ...]
    way: str

    @property
    def run_id(self) -> str:
        """Returns the run's id."""
        return self.book.folder.run_id

    @property
    def start(self) -> str:
        """Returns where it began, in words."""
        return ", ".join(self.plan.start) or "base"


def find(book: Book) -> Rolled:
    """Returns the run that the run of a rollback takes back.

    Raises:
        errors.UsageError: the book's run is no rollback.
        errors.UnknownRun: the run it takes back is gone.
    """
    asked = book.folder.request()
    if not asked.get("rolls_back"):
        raise errors.UsageError(
            f"Run {book.folder.run_id} is no rollback.",
            why="90_rollback works in a run of its own, which names the run it takes back.",
            next="`alembook rollback RUN --by restore` begins one.",
        )
    folder = archive.find(book.folder.path.parent.parent, asked["rolls_back"], book.target.name)
    earlier = book.reading(folder)
    plan = earlier.plan()
    with connections.closing(book.connect()) as connection:
        current = state.read(connection, plan.version_table, plan.version_table_schema) or ()
    return Rolled(
        book=earlier,
        plan=plan,
        backup=dumps.before_the_change(folder, plan.start),
        rehearsal=folder.receipt("rehearsal"),
        current=tuple(current),
        way=asked["way"],
    )


def require_possible(root: Path, folder: archive.RunFolder) -> None:
    """Does nothing when a run, by its record, changed its target and can be taken back.

    Args:
        root: the archive.
        folder: of the run.

    Raises:
        errors.UsageError: it is a rollback, was rolled back, changed nothing, or a later run changed the target.
    """
    earlier = folder.stated(archive.ROLLED_BACK)
    later = [run for run in archive.runs(root, folder.target) if run.run_id > folder.run_id and _stands(run)]
    if folder.request().get("rolls_back"):
        raise _refused(folder, "is a rollback itself", "it put the database where it was.", "Begin a new run instead.")
    if earlier:
        by = earlier[-1]
        why = f"run {by['rolled_back_by']} did it by {by['way']}, at {by['at']}."
        raise _refused(folder, "was rolled back already", why, f"`alembook show {by['rolled_back_by']}` says how.")
    if folder.receipt("before") is None:
        why = "no step of it began to change the database."
        raise _refused(folder, "changed nothing: there is nothing to roll back", why, "Nothing to do.")
    if later:
        raise _refused(
            folder,
            "is not the last one that changed the database",
            f"run {later[-1].run_id} changed it since.",
            f"Roll that one back first: `alembook rollback {later[-1].run_id} --by restore`.",
        )


def require_way(folder: archive.RunFolder, way: str) -> None:
    """Does nothing unless a run that took revisions back is to be taken back by downgrade.

    Raises:
        errors.UsageError: it is; there is nothing below it to go to.
    """
    plan = Plan.from_json((folder.receipt("plan") or {})["plan"])
    if way == "restore" or plan.direction != "down":
        return
    start = ", ".join(plan.start)
    raise errors.UsageError(
        f"Run {folder.run_id} took revisions back itself: no downgrade undoes that.",
        why=f"it led from {start} to {', '.join(plan.goal) or 'base'}; what its downgrades dropped is in its backup.",
        next=f"`alembook rollback {folder.run_id} --by restore` brings the rows too; or "
        f"`alembook run -t {folder.target} --to {plan.start[0]}` applies the revisions again.",
    )


def _stands(run: archive.RunFolder) -> bool:
    """Says whether what a run changed is in the database still, as far as its record says."""
    return run.receipt("before") is not None and not run.stated(archive.ROLLED_BACK)


def _refused(folder: archive.RunFolder, what: str, why: str, next: str) -> errors.UsageError:
    return errors.UsageError(f"Run {folder.run_id} {what}.", why=why, next=next)


def applied(rolled: Rolled) -> list[str]:
    """Returns the revisions of the plan that are applied now, in the order they were.

    Raises:
        errors.PlanChanged: the database is at no point of the plan.
    """
    return list(rolled.plan.order()[: standing.position(rolled.plan, rolled.current)])


def require_changed(rolled: Rolled) -> None:
    """Does nothing when the run left something: a revision, a part of one, rows of a backfill.

    Raises:
        errors.UsageError: the database is where the run began, and nothing of the run was committed.
    """
    events = [
        event
        for writer in sorted((rolled.book.folder.path / "events").glob("*.jsonl"))
        for event in rolled.book.folder.events_of(writer.stem)
    ]
    begun = {event["revision"] for event in events if event["event"] == "revision_started"}
    in_parts = [entry.id for entry in rolled.plan.revisions if entry.uses_autocommit and entry.id in begun]
    moved = any(event["event"] in {"revision_committed", "backfill_batch"} for event in events)
    if set(rolled.current) != set(rolled.plan.start) or in_parts or moved:
        return
    raise _refused(
        rolled.book.folder,
        "changed nothing: there is nothing to roll back",
        f"the database is at {rolled.start}, where the run began, and nothing of it was committed.",
        f"`alembook abandon {rolled.run_id} --reason TEXT` ends it.",
    )


def end(book: Book, rolled: Rolled, *, kept: str) -> None:
    """States in the record of the run that was taken back, and of earlier attempts at that, by which run it was."""
    root = book.folder.path.parent.parent
    for folder in (rolled.book.folder, *attempts(root, rolled.book.folder)):
        if folder.run_id != book.folder.run_id:
            said = {"rolled_back_by": book.folder.run_id, "way": rolled.way, "kept": kept}
            folder.state(archive.ROLLED_BACK, **said)


def attempts(root: Path, folder: archive.RunFolder) -> list[archive.RunFolder]:
    """Returns the open runs that are to take a run back, oldest first."""
    later = [run for run in archive.runs(root, folder.target) if run.run_id > folder.run_id]
    return [run for run in later if run.request().get("rolls_back") == folder.run_id and not archive.is_ended(run)]
