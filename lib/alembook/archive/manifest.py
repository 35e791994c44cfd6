"""The change record of a run, ``manifest.json``, and the hashes of all its files, ``SHA256SUMS``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembook import __version__
from alembook.archive import atomic, events
from alembook.archive.atomic import sha256
from alembook.archive.folder import ROLLED_BACK, RunFolder, runs

__all__ = ["Ending", "close", "is_ended", "open_runs", "previous_digest", "sha256", "unresolved"]

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
_ENDED = frozenset({"done", "abandoned"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a sitting ended.

    Attributes:
        outcome: done, open (what was asked for is done, the run is not), failed, unverified, waiting, stopped,
            interrupted or abandoned.
        exit_code: of the command.
        message: one sentence; "" when done.
        steps: one mapping a step: step, notebook, verdict, seconds.
        facts: what else belongs into the record (plan_hash, from, to, database).
    """

    outcome: str
    exit_code: int
    message: str = ""
    steps: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def close(folder: RunFolder, ending: Ending) -> str:
    """Writes the change record and then the hashes of every file; returns the manifest's SHA-256.

    A run that goes on after a stop is closed again: the earlier sittings stay in the record.

    Raises:
        errors.ArchiveFailed: as ``atomic.write_text``.
    """
    before = folder.manifest()
    sittings = [*(before["sittings"] if before else []), _sitting(ending)]
    record = {
        **folder.request(),
        **ending.facts,
        "outcome": ending.outcome,
        "exit_code": ending.exit_code,
        "sittings": sittings,
        "previous_manifest": previous_digest(folder),
        "signed": False,
        "closed_with": __version__,
    }
    path = atomic.write_json(folder.path / MANIFEST, record)
    atomic.write_text(folder.path / SUMS, "".join(f"{sha256(p)}  {_name(folder, p)}\n" for p in _files(folder)))
    return sha256(path)


def _sitting(ending: Ending) -> dict[str, Any]:
    return {
        "ended_at": events.now(),
        "outcome": ending.outcome,
        "exit_code": ending.exit_code,
        "message": ending.message,
        "steps": list(ending.steps),
    }


def is_ended(folder: RunFolder) -> bool:
    """Says whether a run came to its end: everything was done, it was given up, or it was rolled back."""
    manifest = folder.manifest()
    return bool(folder.stated(ROLLED_BACK)) or (manifest is not None and manifest["outcome"] in _ENDED)


def open_runs(root: Path, target: str) -> list[RunFolder]:
    """Returns the runs of a target that have a plan and have not ended, oldest first."""
    return [run for run in runs(root, target) if run.receipt("plan") is not None and not is_ended(run)]


def unresolved(root: Path, target: str) -> RunFolder | None:
    """Returns the target's last run that began to change the database, while nothing verified or ended it; or None.

    A rollback that began and did not end stands before the run it takes back.
    """
    rollbacks = [run for run in runs(root, target) if run.receipt("swap") or run.receipt("taking_back")]
    if rollbacks and not is_ended(rollbacks[-1]):
        return rollbacks[-1]
    begun = [run for run in runs(root, target) if run.receipt("before") is not None]
    if not begun or is_ended(begun[-1]):
        return None
    verified = begun[-1].receipt("verification")
    return None if verified is not None and verified["outcome"] == "PASSED" else begun[-1]


def previous_digest(folder: RunFolder) -> str:
    """Returns the SHA-256 of the manifest of this target's run before this one, or "" for the first."""
    earlier = [run for run in runs(folder.path.parent.parent, folder.target) if run.run_id < folder.run_id]
    closed = [run.path / MANIFEST for run in earlier if (run.path / MANIFEST).exists()]
    return sha256(closed[-1]) if closed else ""


def _files(folder: RunFolder) -> list[Path]:
    """Returns every file of the run but the sums themselves and hidden ones, by name."""
    named = {_name(folder, path): path for path in folder.path.rglob("*") if path.is_file()}
    unsummed = {SUMS, f"{SUMS}.sig"}
    return [named[name] for name in sorted(named) if name not in unsummed and not f"/{name}".count("/.")]


def _name(folder: RunFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()
