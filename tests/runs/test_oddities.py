"""Oddities of public projects as an operator meets them: the exit code, the words, and a database that is untouched."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook.postgres.connection import Connection, Database
from tests.project.conftest import relations
from tests.runs.test_any_project import bring

EAGER = 'environment = { SHOP_DATABASE = "{url}" }\n'
WIDENED = "ALTER TABLE IF EXISTS alembic_version ALTER COLUMN version_num TYPE varchar(64)"


@pytest.mark.parametrize(("command", "code"), [(("run", "-t", "demo"), 5), (("doctor", "-t", "demo"), 3)])
def test_an_application_that_writes_when_loaded(
    tmp_path: Path, database18: Database, connection18: Connection, command: tuple[str, ...], code: int
) -> None:
    """Neither a run nor doctor lets it write: both say so, and what to do, and nothing appears in the database."""
    place = bring(tmp_path, "eager", database18, EAGER)
    before = relations(connection18)
    done = place.alembook(*command)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "The project writes to the database as soon as it is loaded: cannot execute CREATE TABLE" in said
    assert "Let the application leave that alone when a migration loads it: often a variable does" in said
    assert relations(connection18) == before


def test_an_env_that_writes_is_named(tmp_path: Path, database18: Database) -> None:
    """What env.py writes before its revisions is left out while looking, and stands among the checks of inspect."""
    place = bring(tmp_path, "generic", database18)
    env = place.folder / "project/migrations/env.py"
    configure = "        context.configure(connection=connection"
    written = f"        connection.exec_driver_sql({WIDENED!r})\n        connection.commit()\n"
    text = env.read_text(encoding="utf-8")
    assert configure in text
    env.write_text(text.replace(configure, written + configure), encoding="utf-8")
    assert place.alembook("run", "-t", "demo", "--only", "inspect").returncode == 0
    checks = {check["name"]: check for check in place.receipt("plan.json")["checks"]}
    found = checks["env.py writes nothing before its revisions"]
    assert (found["grade"], found["outcome"]) == ("should", "FAILED")
    assert found["found"] == "ALTER TABLE IF EXISTS alembic_version ALTER COLUMN version_num TYPE varchar(?)"
    assert found["why"] == "it was left out while looking; the upgrade will run it, in no revision's transaction."
    assert found["next"] == "Move it into a revision, or see that it does no harm when it runs each time."
