"""The version control a project's files are under."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alembook import config, errors, process

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """What git says of a folder.

    Attributes:
        commit: full hash; "unknown" without git, a repository or a commit.
        is_dirty: files in the folder differ from the commit or are not tracked; None where that is unknown.
        changed: Python files of the whole repository that differ from the commit -> SHA-256, "gone" for one that is
            not there; a revision may import any of them at any time.
    """

    commit: str
    is_dirty: bool | None
    changed: Mapping[str, str]


UNKNOWN = Git(commit="unknown", is_dirty=None, changed={})


def git(folder: Path) -> Git:
    """Returns what git says of a folder; "unknown" is an answer, not an error."""
    commit = _ask(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return UNKNOWN
    changes = _ask(folder, "status", "--porcelain", "--", ".")
    return Git(commit=commit, is_dirty=None if changes is None else bool(changes), changed=_changed(folder))


def _changed(folder: Path) -> dict[str, str]:
    top = _ask(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return {}
    names = _ask(Path(top), "diff", "HEAD", "--name-only", "-z", "--no-ext-diff", "--", "*.py") or ""
    return {name: _sha256(Path(top) / name) for name in sorted(filter(None, names.split("\0")))}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "gone"


def _ask(folder: Path, *arguments: str) -> str | None:
    # safe.directory: as root, or in a container, the repository is often another user's.
    argv = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "--no-optional-locks", *arguments]
    try:
        found = process.run(
            argv, environment=config.child_environment(), directory=folder, timeout_s=_TIMEOUT_S, kept_lines=1000
        )
    except errors.ToolMissing:
        return None
    return found.stdout.strip() if found.exit_code == 0 else None
