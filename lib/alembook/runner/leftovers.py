"""What a killed run left behind: sessions on the server, scratch databases. And those of a run that ends."""

from __future__ import annotations

from collections.abc import Callable

from alembook import archive, config, errors
from alembook.postgres import activity, scratch
from alembook.postgres import connection as connections
from alembook.steps import left

#: Runbooks that make scratch databases: without one of them a run has none.
_MAKERS = ("20_backup", "30_rehearse")


def end(connection: connections.Connection, folder: archive.RunFolder, events: archive.Events) -> None:
    """Ends what an earlier sitting of a run still does on the target's server."""
    if ended := activity.end(connection, folder.run_id):
        events.write("leftovers_ended", pids=ended)


def may_have(folder: archive.RunFolder) -> bool:
    """Says whether a run may have made a scratch database."""
    return any(folder.attempts(stem, ".ipynb") for stem in _MAKERS)


def drop(target: config.Target, folder: archive.RunFolder, events: archive.Events) -> None:
    """Drops the scratch databases of a run that were not asked to stay.

    Where that cannot be done the record says so, and `alembook doctor` names them.
    """
    if may_have(folder):
        _drop(target, events, lambda each: each.run_id == folder.run_id)


def drop_of_ended_runs(target: config.Target, folder: archive.RunFolder, events: archive.Events) -> None:
    """Drops what ended runs of a target left behind, before another one makes its own; as ``drop``.

    One of a run that this archive does not have is somebody else's, and one that was asked to stay stays.
    """
    ended = {run.run_id for run in archive.runs(folder.path.parents[1], target.name) if archive.is_ended(run)}
    _drop(target, events, lambda each: each.run_id in ended)


def _drop(target: config.Target, events: archive.Events, is_meant: Callable[[scratch.Scratch], bool]) -> None:
    dropped = []
    try:
        for each in left.every(target):
            if is_meant(each) and not each.is_kept:
                scratch.drop(each)
                dropped.append(each.name)
    except errors.AlembookError as error:
        events.write("scratch_left", error="\n".join(error.lines()))
    if dropped:
        events.write("scratch_dropped", databases=dropped)
