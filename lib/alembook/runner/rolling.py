"""Taking a run back: one runbook, in a run of its own, which goes on where an earlier sitting was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembook import archive, config, errors
from alembook.postgres import connection as connections
from alembook.postgres import reach, session, swap
from alembook.postgres.connection import Database
from alembook.project import state
from alembook.project.plan import Plan
from alembook.runner import signals, words
from alembook.runner.progress import Progress
from alembook.runner.sitting import Asked, Result, Sitting
from alembook.runner.tasks import Task
from alembook.steps import copying, replacing, rolled, standing
from alembook.verdict import Outcome

_STEP = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be taken back, and how.

    Attributes:
        run: id of the run, or a unique part of it.
        way: downgrade or restore.
        confirm: the target's name as a person typed it, for a protected one.
        accept_loss: tables whose loss people accept, commas between; "*" for whatever is found.
        dry_run: show what would be done.
    """

    run: str
    way: str
    confirm: str = ""
    accept_loss: str = ""
    dry_run: bool = False


def execute(configuration: config.Configuration, wanted: Wanted, progress: Progress) -> Result:
    """Takes a run back and returns how that ended; what stops it is in the result, not raised.

    Raises:
        errors.UnknownRun: there is no such run.
        errors.UsageError: nothing was begun: there is nothing to take back, a name was not confirmed, another way is
            under way.
        errors.TargetBusy: another run holds the target.
        errors.Unreachable: no server answered.
        errors.ArchiveFailed: the run's folder cannot be made, or its record cannot be ended.
    """
    root = configuration.archive.path
    taken = archive.find(root, wanted.run)
    target = configuration.target(taken.target)
    target.require_usable()
    rolled.require_possible(root, taken)
    rolled.require_way(taken, wanted.way)
    asked = Asked(target=target.name, run=wanted.run, first=_STEP, last=_STEP, confirm=wanted.confirm)
    _require_confirmed(target, asked, wanted)
    folder = _open_attempt(rolled.attempts(root, taken), wanted)
    if folder is not None:
        _require_alone(folder)
    database = reach.database(target)
    with signals.trapped():
        reopened = _reopen(database, folder) if folder else ""
        with session.hold(database, application_name="alembook session") as held:
            if folder is None:
                to = ", ".join(_plan(taken).start) or "base"
                folder = archive.begin(root, target.name, to=to, rolls_back=taken.run_id, way=wanted.way)
            sitting = RollbackSitting(configuration, target, folder, asked, progress, database)
            sitting.wanted, sitting.plan = wanted, _plan(taken)
            if reopened:
                sitting.note(reopened)
            return sitting.conduct(held)


def _require_confirmed(target: config.Target, asked: Asked, wanted: Wanted) -> None:
    if not target.protected or wanted.dry_run or wanted.confirm:
        words.require_confirmed(target, replace(asked, dry_run=wanted.dry_run))
        return
    raise errors.ProtectedTarget(
        f"{target.name} is protected, and its name was not confirmed.",
        why="nothing may change it before somebody typed its name.",
        next=f"`alembook rollback {wanted.run} --by {wanted.way} --confirm {target.name}`.",
    )


def _plan(folder: archive.RunFolder) -> Plan:
    return Plan.from_json((folder.receipt("plan") or {})["plan"])


def _open_attempt(found: list[archive.RunFolder], wanted: Wanted) -> archive.RunFolder | None:
    """Returns the attempt that goes on: the last one by the same way.

    Raises:
        errors.UsageError: an attempt by the other way has begun to swap.
    """
    same = [folder for folder in found if folder.request()["way"] == wanted.way]
    other = [folder for folder in found if folder not in same and folder.receipt(replacing.STEM)]
    if other:
        raise errors.UsageError(
            f"Run {other[-1].run_id} has begun to take it back by restore.",
            why="two databases are about to change names, and only that run knows which.",
            next=f"`alembook rollback {wanted.run} --by restore` goes on with it.",
        )
    return same[-1] if same else None


def _require_alone(folder: archive.RunFolder) -> None:
    """Does nothing unless somebody works on a rollback just now: what that one closed must not be opened."""
    if folder.is_worked_on():
        raise errors.TargetBusy(
            f"Run {folder.run_id} is being worked on.",
            why="another process writes its events: it restores, or is about to swap.",
            next="Wait until it ends, or stop it where it runs; then roll back again.",
        )


def give_up(database: Database, folder: archive.RunFolder) -> str:
    """Puts right what a rollback that is given up left: opens a closed database, drops a copy; says so.

    Where somebody else renamed or dropped the databases nothing is touched, and that is said.

    Raises:
        errors.UsageError: it has changed the names already: it is to be finished.
        errors.TargetBusy: somebody works on it.
        errors.QueryFailed, errors.Unreachable: the server refused, or did not answer.
    """
    if not folder.request().get("rolls_back"):
        return ""
    _require_alone(folder)
    _require_not_swapped(database, folder)
    try:
        said = _reopen(database, folder)
    except errors.RollbackFailed as error:
        return f"{error.what} {error.why} Nothing of them was touched."
    with connections.closing(
        connections.connect(database, application_name="alembook rollback", may_write=True)
    ) as connection:
        dropped = copying.clear(connection, folder)
    return " ".join(part for part in (said, f"The copy {dropped} was dropped." if dropped else "") if part)


def _require_not_swapped(database: Database, folder: archive.RunFolder) -> None:
    told = folder.receipt(replacing.STEM)
    if told is None:
        return
    wanted = swap.Swap.from_json(told)
    with swap.elsewhere(database, wanted) as connection:
        if swap.standing(connection, wanted) is swap.Standing.SWAPPED:
            again = f"`alembook rollback {folder.request()['rolls_back']} --by restore`"
            raise errors.UsageError(
                f"Run {folder.run_id} has put the backup in the place of {wanted.live} already.",
                why=f"both databases have their new names: {wanted.live} is the copy, {wanted.kept} is kept.",
                next=f"{again} looks at it and ends the record.",
            )


def abandoned(configuration: config.Configuration, folder: archive.RunFolder, database: Database) -> Sitting:
    """Returns the sitting in which a run is given up; that of a rollback knows the plan it takes back."""
    target, asked = configuration.target(folder.target), Asked(target=folder.target)
    taken = folder.request().get("rolls_back")
    if not taken:
        return Sitting(configuration, target, folder, asked, Progress(), database)
    sitting = RollbackSitting(configuration, target, folder, asked, Progress(), database)
    sitting.plan = _plan(archive.find(configuration.archive.path, taken, folder.target))
    return sitting


def _reopen(database: Database, folder: archive.RunFolder) -> str:
    """Opens a live database that a killed sitting left closed, and says so; "" where there was nothing to do."""
    told = folder.receipt(replacing.STEM)
    if told is None:
        return ""
    wanted = swap.Swap.from_json(told)
    with swap.elsewhere(database, wanted) as connection:
        found = swap.standing(connection, wanted)
        if found is swap.Standing.UNKNOWN:
            raise _unknown(wanted)
        if found is swap.Standing.CLOSED:
            swap.open_again(connection, wanted)
            return f"{wanted.live} was left closed by a sitting that was cut off before the swap; it is open again."
    return ""


def _unknown(wanted: swap.Swap) -> errors.RollbackFailed:
    return errors.RollbackFailed(
        f"The databases of this rollback are no longer what it made of them: {wanted.live}, {wanted.restored}.",
        why=f"oid {wanted.live_oid} is named neither {wanted.live} nor {wanted.kept}: somebody renamed or dropped it.",
        next="Look at pg_database; put the names right by hand, then `alembook abandon` this rollback.",
        state="as somebody else left it.",
    )


class RollbackSitting(Sitting):
    """One command's work on the run of a rollback."""

    wanted: Wanted
    plan: Plan

    def note(self, text: str) -> None:
        """Records what was put right before the sitting began, and shows it."""
        with self.folder.events("runner") as events:
            events.write("put_right", text=text)
        self.progress.say(text)

    def _tasks(self) -> Iterator[Task]:
        yield Task(step=_STEP)

    def _parameters(self, task: Task) -> dict[str, Any]:
        given = {"confirm": self.wanted.confirm, "accept_loss": self.wanted.accept_loss}
        return {**super()._parameters(task), **given, "dry_run": self.wanted.dry_run}

    def _has_ended(self) -> bool:
        receipt = self.folder.receipt(_STEP)
        return not self.wanted.dry_run and receipt is not None and receipt["outcome"] == Outcome.PASSED.value

    def _standing(self) -> str:
        """Returns where the database stands, by the plan of the run that is taken back."""
        try:
            with connections.closing(self._connect()) as connection:
                current = state.read(connection, self.plan.version_table, self.plan.version_table_schema)
        except errors.AlembookError as error:
            return f"not known: {error.what}"
        if set(current or ()) == set(self.plan.start):
            return f"the database is at {', '.join(self.plan.start) or 'base'}, where the run began."
        return standing.sentence(self.plan, current or ())
