"""`doctor`: what is missing, and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import errors
from alembook.postgres.connection import Database
from alembook.runner import health
from alembook.verdict import Check, Outcome

ROOT = Path(__file__).parents[2]


def written(folder: Path, database: Database, more: str = "") -> Path:
    """Returns an alembook.toml whose target leads to a database and to the reference project."""
    (folder / "url").write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
    path = folder / "alembook.toml"
    path.write_text(
        f'[targets.demo]\ndatabase = "file:url"\nproject = "{ROOT / "migrations"}"\n{more}', encoding="utf-8"
    )
    return path


def by_name(checks: list[Check]) -> dict[str, Check]:
    """Returns the checks by their names."""
    return {check.name: check for check in checks}


def test_a_target_that_is_in_order(database: Database, tmp_path: Path) -> None:
    """Machine, server, programs and project are looked at, and all is there."""
    found = by_name(health.examine(written(tmp_path, database), "demo"))
    assert {check.outcome for check in found.values() if check.grade == "must"} == {Outcome.PASSED}
    assert found["the project can be loaded and leads to this database"].found == "13 revisions, heads f922b94e3bae"


def test_looking_creates_nothing(database18: Database, tmp_path: Path) -> None:
    """Neither the archive nor a state folder appears where doctor looked."""
    path = written(tmp_path, database18)
    health.examine(path, "demo")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["alembook.toml", "url"]


def test_a_server_that_is_down_is_one_red_check(database18: Database, tmp_path: Path) -> None:
    """What cannot be asked then is left out, and the check says what to do."""
    path = written(tmp_path, Database(host="127.0.0.1", port=1, user="u", dbname="d"))
    found = by_name(health.examine(path, "demo"))
    assert found["the database answers"].outcome is Outcome.FAILED
    assert found["the database answers"].why.startswith("No server answered for u@127.0.0.1:1/d.")
    assert found["the database answers"].next
    assert "pg_dump" not in found


def test_programs_that_are_missing_are_named(database18: Database, tmp_path: Path) -> None:
    """An empty postgres_bin has no pg_dump."""
    (tmp_path / "bin").mkdir()
    found = by_name(health.examine(written(tmp_path, database18, 'postgres_bin = "bin"\n'), "demo"))
    assert found["pg_dump"].outcome is Outcome.FAILED
    assert found["pg_dump"].next


def test_what_this_version_lacks_is_said(database18: Database, tmp_path: Path) -> None:
    """It refuses approvals, and doctor says so before a run does."""
    found = by_name(health.examine(written(tmp_path, database18, "approvals = 1\n"), "demo"))
    assert found["this version can do what the target asks for"].outcome is Outcome.FAILED


def test_a_target_that_does_not_exist(database18: Database, tmp_path: Path) -> None:
    """It is a mistake of the command line."""
    with pytest.raises(errors.ConfigurationError):
        health.examine(written(tmp_path, database18), "demmo")
