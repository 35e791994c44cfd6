"""The version control a project's files are under."""

from __future__ import annotations

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
    """

    commit: str
    is_dirty: bool | None


UNKNOWN = Git(commit="unknown", is_dirty=None)


def git(folder: Path) -> Git:
    """Returns what git says of a folder; "unknown" is an answer, not an error."""
    commit = _ask(folder, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return UNKNOWN
    changes = _ask(folder, "status", "--porcelain", "--", ".")
    return Git(commit=commit, is_dirty=None if changes is None else bool(changes))


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
