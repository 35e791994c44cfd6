"""Scratch databases when a run ends, and those that an earlier one left because it was killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from alembook import archive, config, errors
from alembook.postgres import scratch
from alembook.verdict import Check, Grade, Outcome

#: Runbooks that make scratch databases: without one of them a run has none.
_MAKERS = ("20_backup", "30_rehearse")


def may_have(folder: archive.RunFolder) -> bool:
    """Says whether a run may have made a scratch database."""
    return any(folder.attempts(stem, ".ipynb") for stem in _MAKERS)


def drop(target: config.Target, folder: archive.RunFolder) -> list[str]:
    """Drops the scratch databases of a run that were not asked to stay, and returns their names.

    Raises:
        errors.AlembookError: their server did not answer, or refused.
    """
    if not may_have(folder):
        return []
    own = [each for each in _every(target) if each.run_id == folder.run_id and not each.is_kept]
    for each in own:
        scratch.drop(each)
    return [each.name for each in own]


def drop_of_ended_runs(target: config.Target, root: Path) -> list[str]:
    """Drops what ended runs of a target left behind, and returns their names.

    One of a run that this archive does not have is somebody else's, and one that was asked to stay stays. Raises as
    ``drop``.
    """
    left = [each for each in _every(target) if not each.is_kept and _has_ended(target, root, each)]
    for each in left:
        scratch.drop(each)
    return [each.name for each in left]


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


def _has_ended(target: config.Target, root: Path, each: scratch.Scratch) -> bool:
    known = {run.run_id: run for run in archive.runs(root, target.name)}
    return each.run_id in known and archive.is_ended(known[each.run_id])
