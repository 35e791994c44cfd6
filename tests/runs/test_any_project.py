"""Projects of other people, through the runbooks: forward, and back to an ancestor under the same guards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alembook.postgres.connection import Connection, Database, rows, scalar
from tests.runs.conftest import ROOT, Workplace

GENERIC = ["1a0000000001", "2b0000000002", "3c0000000003"]


def bring(folder: Path, example: str, database: Database, settings: str = "") -> Workplace:
    """Returns a workplace with a copy of an example project."""
    shutil.copytree(ROOT / "tests/projects" / example, folder / "project")
    text = f'[targets.demo]\ndatabase = "file:database-url"\nproject = "project"\n{settings}'
    (folder / "alembook.toml").write_text(text, encoding="utf-8")
    (folder / "database-url").write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
    return Workplace(folder=folder, database=database)


def run(place: Workplace, to: str) -> None:
    """Takes the workplace's target to a revision."""
    done = place.alembook("run", "-t", "demo", "--to", to)
    assert done.returncode == 0, done.stdout + done.stderr


def ledger(connection: Connection) -> list[tuple[str, str]]:
    """Returns direction and revision of what was committed, in order."""
    found = rows(connection, "SELECT direction, revision FROM alembook.applied ORDER BY applied_at")
    return [(row["direction"], row["revision"]) for row in found]


@pytest.mark.parametrize(("example", "settings"), [("generic", ""), ("flask", 'flask_app = "shop:create_app"\n')])
def test_forward_and_back(
    tmp_path: Path, database18: Database, connection18: Connection, example: str, settings: str
) -> None:
    """Up to head, back to an ancestor, back to base: a commit and a row of the ledger for each revision."""
    flask = 'working_directory = "project"\nenvironment = { SHOP_DATABASE = "{url}" }\n' if settings else ""
    place = bring(tmp_path, example, database18, settings + flask)
    run(place, "head")
    run(place, GENERIC[1])
    assert scalar(connection18, "SELECT version_num FROM alembic_version") == GENERIC[1]
    plan = place.receipt("plan.json")["plan"]
    assert (plan["direction"], plan["points"]) == ("down", [[GENERIC[1]]])
    run(place, "base")
    assert scalar(connection18, "SELECT to_regclass('accounts')") is None
    forward = [("up", revision) for revision in GENERIC]
    assert ledger(connection18) == [*forward, *(("down", revision) for revision in reversed(GENERIC))]
