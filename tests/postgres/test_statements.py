"""Fixed SQL: found beside its module, and each file says what it takes, gives, locks and does."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook.postgres import statements
from tests.test_frame import ROOT

FILES = sorted((ROOT / "lib/alembook/postgres").glob("*.sql"))


def test_a_statement_is_found_by_package_and_name() -> None:
    """The text is the file's, header included."""
    text = (ROOT / "lib/alembook/postgres/session_held.sql").read_text(encoding="utf-8")
    assert statements.load("alembook.postgres", "session_held.sql") == text


def test_a_missing_statement() -> None:
    """A name that is not there is a fault of ours."""
    with pytest.raises(FileNotFoundError):
        statements.load("alembook.postgres", "nothing.sql")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_statement_has_a_header(path: Path) -> None:
    """Parameters, what is returned, locks taken, reads or writes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = " ".join(line for line in lines if line.startswith("--"))
    assert [word for word in ("Parameters:", "Returns:", "Locks:") if word not in header] == []
    assert "Reads only" in header or "Writes" in header or "Assigns" in header
