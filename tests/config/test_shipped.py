"""What is shipped beside the code, and that a user's own comes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import errors
from alembook.config import shipped
from tests.test_frame import ROOT


def test_the_shipped_runbooks_are_found(tmp_path: Path) -> None:
    """A folder without runbooks gets the ones that belong to the code."""
    assert shipped.runbooks(tmp_path) == ROOT / "runbooks"


def test_own_runbooks_come_first(tmp_path: Path) -> None:
    """A folder with runbooks uses its own; a folder that only has the name does not count."""
    (tmp_path / "runbooks").mkdir()
    assert shipped.runbooks(tmp_path) == ROOT / "runbooks"
    (tmp_path / "runbooks/10_inspect.ipynb").touch()
    assert shipped.runbooks(tmp_path) == tmp_path / "runbooks"


def test_the_reference_project_is_found() -> None:
    """``demo`` runs the project of the checkout, or of the wheel."""
    assert shipped.reference_project() == ROOT / "migrations"


def test_a_broken_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package without its files says which one is missing."""
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "lib/alembook")
    with pytest.raises(errors.ToolMissing) as caught:
        shipped.reference_project()
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "This installation of Alembook has no migrations/alembic.ini.\n"
        "  why:  the package was copied without the files that belong to it.\n"
        "  next: Install it again from its wheel."
    )
