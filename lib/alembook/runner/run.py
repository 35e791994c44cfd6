"""A whole run: its runbooks in order, stopping at the first closed gate, going on where an earlier sitting stopped."""

from __future__ import annotations

from pathlib import Path

from alembook import archive, config, errors
from alembook.postgres import reach, session
from alembook.runner import rolling, signals, whereabouts, words
from alembook.runner.progress import Progress
from alembook.runner.sitting import Asked, Result, Sitting
from alembook.runner.tasks import PREPARING


def execute(configuration: config.Configuration, asked: Asked, progress: Progress) -> Result:
    """Runs what was asked for and returns how it ended; what stops the run is in the result, not raised.

    Args:
        configuration: the whole alembook.toml.
        asked: what to do.
        progress: where it is shown.

    Raises:
        errors.UsageError: nothing was begun: an unknown target, run or step, a name that was not confirmed.
        errors.TargetBusy: another run holds the target.
        errors.RunInterrupted: an earlier run changed the target and was neither verified nor ended.
        errors.Unreachable: no server answered.
        errors.ArchiveFailed: the run's folder cannot be made, or its record cannot be ended.
    """
    target = configuration.target(asked.target)
    target.require_usable()
    words.require_reasons(asked)
    words.require_confirmed(target, asked)
    database = reach.database(target)
    root = configuration.archive.path
    folder = archive.find(root, asked.run, target.name) if asked.run else None
    if folder is not None:
        words.require_no_rollback(folder)
    with signals.trapped(), session.hold(database, application_name="alembook session") as held:
        if folder is None:
            _refuse_unresolved(root, target, asked)
            folder = archive.begin(root, target.name, to=asked.to, change_id=asked.change_id)
        words.record(folder, asked)
        sitting = Sitting(configuration, target, folder, asked, progress, database)
        return sitting.conduct(held)


def abandon(configuration: config.Configuration, run_id: str, reason: str) -> Result:
    """Gives a run up: ends what it still does on the server, records where the database stands and why, and ends it.

    Raises:
        errors.UnknownRun: there is no such run.
        errors.UsageError: it has ended already.
        errors.TargetBusy, errors.Unreachable, errors.ArchiveFailed: as ``execute``.
    """
    folder = archive.find(configuration.archive.path, run_id)
    target = configuration.target(folder.target)
    if archive.is_ended(folder):
        raise errors.UsageError(
            f"Run {folder.run_id} has ended already.", why="only an open run can be given up.", next="Nothing to do."
        )
    database = reach.database(target)
    put_right = rolling.give_up(database, folder)
    with signals.trapped(), session.hold(database, application_name="alembook session"):
        sitting = rolling.abandoned(configuration, folder, database)
        sitting.result.put_right = put_right
        return sitting.give_up(f"{reason} {put_right}".strip())


def _refuse_unresolved(root: Path, target: config.Target, asked: Asked) -> None:
    if asked.dry_run or asked.last in PREPARING:
        return
    earlier = archive.unresolved(root, asked.target)
    if earlier is not None:
        again = earlier.request().get("rolls_back")
        go_on = (
            f"alembook rollback {again} --by {earlier.request()['way']}"
            if again
            else f"alembook run --run {earlier.run_id}"
        )
        raise errors.RunInterrupted(
            f"Run {earlier.run_id} of {asked.target} began to change the database and was not verified.",
            evidence={"where it stands": whereabouts.asked(target, earlier)},
            why="a new run would take what that one left for the state before the change.",
            next=f"`{go_on}` goes on with it; `alembook abandon {earlier.run_id} --reason TEXT` gives it up.",
        )
