"""Projects that stayed on an older SQLAlchemy and Alembic, in an interpreter of their own without Alembook."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from alembook.postgres.connection import Database, connect, rows, scalar
from tests.runs.test_any_project import bring, ledger, run

REVISIONS = {
    "old13": ("1a0000000301", "2b0000000302", "3c0000000303"),
    "old14": ("1a0000000401", "2b0000000402", "3c0000000403"),
}
VERSIONS = {"old13": ("1.3.24", "1.8.1"), "old14": ("1.4.54", "1.9.4")}


@pytest.mark.slow
@pytest.mark.parametrize("example", REVISIONS)
def test_forward_and_back(tmp_path: Path, database: Database, interpreter: Callable[[str], Path], example: str) -> None:
    """Up to head and back to base through the runbooks, by the project's interpreter, where Alembook is not."""
    python = interpreter(example)
    is_there = subprocess.run([python, "-c", "import alembook"], capture_output=True, check=False)
    assert b"No module named 'alembook'" in is_there.stderr
    place = bring(tmp_path, example, database, f'python = "{python}"\n')
    with contextlib.closing(connect(database, application_name="alembook test")) as connection:
        run(place, "head")
        found = rows(connection, "SELECT name, letters FROM members ORDER BY name")
        assert [tuple(row.values()) for row in found] == [("Ada", 3), ("Barbara", 7)]
        assert scalar(connection, "SELECT to_regclass('members_name')") == "members_name"
        versions = place.receipt("plan.json")["plan"]["versions"]
        assert (versions["project sqlalchemy"], versions["project alembic"]) == VERSIONS[example]
        run(place, "base")
        assert scalar(connection, "SELECT to_regclass('members')") is None
        forward = [("up", revision) for revision in REVISIONS[example]]
        assert ledger(connection) == [*forward, *(("down", each) for each in reversed(REVISIONS[example]))]
