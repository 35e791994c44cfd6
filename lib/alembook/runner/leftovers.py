"""What a killed run left behind: sessions on the server, scratch databases. And those of a run that ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from alembook import archive, config, errors
from alembook.postgres import activity, scratch
from alembook.postgres import connection as connections
from alembook.verdict import Check, Grade, Outcome

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
        for each in _every(target):
            if is_meant(each) and not each.is_kept:
                scratch.drop(each)
                dropped.append(each.name)
    except errors.AlembookError as error:
        events.write("scratch_left", error="\n".join(error.lines()))
    if dropped:
        events.write("scratch_dropped", databases=dropped)


def check(target: config.Target, root: Path) -> Check:
    """Returns what lies on the servers for scratch databases, judged: without an open run, nothing should."""
    name = "no scratch database was left behind"
    try:
        every = list(_every(target))
    except errors.AlembookError as error:
        return Check(
            name=name,
            grade=Grade.SHOULD,
            outcome=Outcome.UNVERIFIED,
            expected="none",
            found="not known",
            why=f"{error.what} {error.why}",
            next=error.next,
        )
    open_ones = {run.run_id for run in archive.runs(root, target.name) if not archive.is_ended(run)}
    left = [each for each in every if each.run_id not in open_ones]
    return Check(
        name=name,
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if left else Outcome.PASSED,
        expected="none",
        found=_listed(left) or f"none ({len(every)} of open runs)",
        why="its run has ended or is not in this archive; it takes the room of a whole copy." if left else "",
        next=f"Drop it: {'; '.join(each.drop_command() for each in left[:3])}" if left else "",
    )


def _listed(left: Sequence[scratch.Scratch]) -> str:
    return "; ".join(f"{each.name}{' (kept on request)' if each.is_kept else ''}" for each in left[:5])


def _every(target: config.Target) -> Iterator[scratch.Scratch]:
    """Yields every scratch database of a target: its own, and those that do not say whose they are."""
    for place in scratch.existing(target):
        yield from (each for each in scratch.find(place) if each.target in {target.name, ""})
