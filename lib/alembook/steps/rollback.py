"""Step rollback: a run is taken back, by downgrade or by restore, in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from alembook import display, errors
from alembook.postgres import connection as connections
from alembook.postgres import obstacles
from alembook.steps import copying, gate, losses, replacing, rolled, taking_back
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Gate, Grade, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback(Receipt):
    """Receipt of a rollback.

    Attributes:
        losses: one row per table that loses something, as ``losses.frame``.
        kept: what was kept where.
        left_out: what a restore left out on purpose, with what to do: kind, name, what to do.
        spans: one row per revision that was taken back, as of an upgrade.
        error: what stopped it, or whom it waits for.
    """

    losses: pd.DataFrame
    kept: dict[str, str]
    left_out: pd.DataFrame
    spans: pd.DataFrame | None = None
    error: errors.AlembookError | None = None

    def lost(self) -> display.Html:
        """Returns what is lost, table by table; what needs people's word first."""
        return display.table(self.losses, limit=200, empty="nothing is lost")

    def kept_where(self) -> display.Html:
        """Returns what was kept where."""
        return display.facts(self.kept) if self.kept else display.nothing("nothing had to be kept")

    def to_make_anew(self) -> display.Html:
        """Returns what a restore left out on purpose, with what to do."""
        return display.table(self.left_out, limit=200, empty="nothing was left out")

    def timeline(self) -> display.Plot | display.Html:
        """Returns when each revision was taken back and how long it took."""
        return (
            display.nothing("no revision is taken back one by one")
            if self.spans is None
            else display.timeline(self.spans)
        )

    def require(self) -> display.Html:
        """Returns the open gate.

        Raises:
            errors.AlembookError: what stopped it, as it was; Waiting where people must accept a loss.
            errors.CheckFailed, errors.CheckUnverified: the gate is closed.
        """
        if self.error:
            raise self.error
        return super(Rollback, self).require()


def preview(book: Book) -> display.Html:
    """Returns which way back, from where to where, and what is known of the loss. Nothing is written.

    Raises:
        errors.UsageError: the book's run is no rollback, or there is nothing to take back.
        errors.PlanChanged: the database is at no point of the run's plan.
    """
    taken = rolled.find(book)
    backup = taken.backup or {}
    common = {
        "takes back": f"run {taken.run_id}",
        "way": taken.way,
        "the database is at": ", ".join(taken.current) or "base",
        "goes to": taken.start,
    }
    if taken.way == "downgrade":
        known = "; ".join(f"{each.table}: {each.what}" for each in losses.of_downgrade(taken))
        order = " ".join(rolled.applied(taken)[::-1])
        return display.facts(
            {
                **common,
                "revisions": order or "none",
                "loses": known or "nothing, as the rehearsal saw it",
                "and": "what others wrote since into what is dropped; looked for below, before anything is taken back",
            }
        )
    return display.facts(
        {
            **common,
            "from": backup.get("folder", "no backup"),
            "loses": f"what was written after {_instant(backup)}; counted below, before anything is swapped",
            "keeps": "the database as it is now, under a dated name beside the new one",
        }
    )


def _instant(backup: Mapping[str, Any]) -> str:
    taken_at = backup.get("taken_at")
    return f"{datetime.fromisoformat(taken_at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if taken_at else "the backup"


def needs(book: Book) -> display.Html:
    """Returns what the way back needs, each judged. Nothing is written."""
    taken = rolled.find(book)
    if taken.way == "downgrade":
        return display.nothing("the way back by downgrade needs what the upgrade needed")
    with connections.closing(book.connect()) as connection:
        name = str(connections.scalar(connection, "SELECT current_database()"))
        found = obstacles.checks(obstacles.read(connection, name), grade=Grade.MUST)
        return display.checks([*found, obstacles.room(connection, grade=Grade.MUST)])


def roll_back(book: Book, *, accept_loss: str = "") -> Rollback:
    """Takes the run back and returns the receipt; a failure is in it, and raised by ``require``.

    Args:
        book: the opened runbook; its run names the run that is taken back and the way.
        accept_loss: tables whose loss people accept, commas between; "*" for whatever is found.

    Raises:
        errors.ProtectedTarget: the target's name was not confirmed.
        errors.UsageError: there is nothing to take back.
        errors.SessionLost: the run's locks are gone; nothing was changed.
    """
    taken = rolled.find(book)
    if book.dry_run:
        return _receipt(book.finish(book.skipped().checks, {"rolls_back": taken.run_id}), replacing.Outcomes())
    book.require_session()
    gate.require_confirmed(book.target, book.confirmed, book.folder.run_id)
    way = replacing.restore if taken.way == "restore" else taking_back.downgrade
    done = way(book, taken, accept=accept_loss) if _is_begun(book) else _first(book, taken, accept_loss)
    checks = [*done.checks, *([_stopped(done.error)] if done.error else [])]
    book.folder.write_table("lost", losses.frame(done.lost))
    receipt = book.finish(checks, _facts(taken, done, accept_loss))
    if done.error is None and Gate(checks=receipt.checks).is_open:
        _clear(book, taken)
        rolled.end(book, taken, kept=done.kept.get("the failed database", ""))
    return _receipt(receipt, done)


def _clear(book: Book, taken: rolled.Rolled) -> None:
    """Drops what earlier attempts at the same left beside the database."""
    root = book.folder.path.parent.parent
    with connections.closing(book.connect(read_only=False)) as connection:
        for folder in rolled.attempts(root, taken.book.folder):
            if name := copying.clear(connection, folder):
                book.event("copy_dropped", database=name)


def _is_begun(book: Book) -> bool:
    """Says whether an earlier sitting of this rollback changed the database already."""
    return any(book.folder.receipt(stem) for stem in (replacing.STEM, taking_back.STEM))


def _first(book: Book, taken: rolled.Rolled, accept: str) -> replacing.Outcomes:
    rolled.require_way(taken.book.folder, taken.way)
    rolled.require_changed(taken)
    way = replacing.restore if taken.way == "restore" else taking_back.downgrade
    return way(book, taken, accept=accept)


def _stopped(error: errors.AlembookError) -> Check:
    is_waiting = isinstance(error, errors.Waiting)
    return Check(
        name="the run was taken back",
        outcome=Outcome.UNVERIFIED if is_waiting else Outcome.FAILED,
        expected="to its end",
        found="people are waited for" if is_waiting else "stopped",
        why=error.what,
        next=error.next,
    )


def _facts(taken: rolled.Rolled, done: replacing.Outcomes, accept: str) -> dict[str, Any]:
    return {
        "rolls_back": taken.run_id,
        "by": taken.way,
        "from": list(taken.current),
        "to": list(taken.plan.start),
        "is_changed": done.is_changed,
        "accepted": accept,
        "lost": [asdict(each) for each in done.lost],
        "kept": done.kept,
        "left_out": list(done.left_out),
        "sessions_ended": "; ".join(done.ended) or "none",
        **({"error": "\n".join(done.error.lines())} if done.error else {}),
    }


def _receipt(receipt: Receipt, done: replacing.Outcomes) -> Rollback:
    return Rollback.of(
        receipt,
        losses=losses.frame(done.lost),
        kept=done.kept,
        left_out=pd.DataFrame(replacing.advice(done.left_out), columns=["kind", "name", "what to do"]),
        spans=done.spans,
        error=done.error,
    )
