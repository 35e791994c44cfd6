"""Scratch databases that runs left on the servers where they are made: found and named, also before a run begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from alembook import archive, config, errors
from alembook.postgres import scratch
from alembook.verdict import Check, Grade, Outcome


def check(target: config.Target, root: Path) -> Check:
    """Returns what lies on the servers for scratch databases, judged: without an open run, nothing should."""
    name = "no scratch database was left behind"
    try:
        found = list(every(target))
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
    left = [each for each in found if each.run_id not in open_ones]
    return Check(
        name=name,
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if left else Outcome.PASSED,
        expected="none",
        found=_listed(left) or f"none ({len(found)} of open runs)",
        why="its run has ended or is not in this archive; it takes the room of a whole copy." if left else "",
        next=f"Drop it: {'; '.join(each.drop_command() for each in left[:3])}" if left else "",
    )


def _listed(left: Sequence[scratch.Scratch]) -> str:
    return "; ".join(f"{each.name}{' (kept on request)' if each.is_kept else ''}" for each in left[:5])


def every(target: config.Target) -> Iterator[scratch.Scratch]:
    """Yields every scratch database of a target: its own, and those that do not say whose they are.

    An embedded server that keeps some is started. Raises as ``scratch.place``.
    """
    for place in scratch.existing(target):
        yield from (each for each in scratch.find(place) if each.target in {target.name, ""})
