"""What is shipped beside the code: the runbooks and the reference project."""

from __future__ import annotations

from pathlib import Path

from alembook import errors

_PACKAGE = Path(__file__).resolve().parent.parent


def runbooks(folder: Path) -> Path:
    """Returns the folder of the runbooks: ``runbooks/`` of a project's folder when it has one, else the shipped ones.

    Raises:
        errors.ToolMissing: neither is there.
    """
    return _first(folder / "runbooks", "runbooks", holding="10_inspect.ipynb")


def reference_project() -> Path:
    """Returns the folder of the reference project that ``demo`` runs.

    Raises:
        errors.ToolMissing: the installation lacks it.
    """
    return _first(_PACKAGE / "shipped" / "migrations", "migrations", holding="alembic.ini")


def _first(own: Path, name: str, *, holding: str) -> Path:
    """Returns the first folder that holds a file: the user's own, the wheel's, the checkout's."""
    for folder in (own, _PACKAGE / "shipped" / name, _PACKAGE.parent.parent / name):
        if (folder / holding).is_file():
            return folder
    raise errors.ToolMissing(
        f"This installation of Alembook has no {name}/{holding}.",
        why="the package was copied without the files that belong to it.",
        next="Install it again from its wheel.",
    )
