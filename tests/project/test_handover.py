"""What a project is told about its database, and what is kept out of the record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from alembook.postgres.connection import Database
from alembook.project import handover
from tests.project.conftest import target_of

DATABASE = Database(host="db.example.org", port=5433, user="ada", password="p@ss/w%rd", dbname="shop")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{url}", "postgresql+psycopg2://ada:p%40ss%2Fw%25rd@db.example.org:5433/shop"),
        ("{url+asyncpg}", "postgresql+asyncpg://ada:p%40ss%2Fw%25rd@db.example.org:5433/shop"),
        ("{host}:{port} {user} {password} {database}", "db.example.org:5433 ada p@ss/w%rd shop"),
        ('{"db": {"name": "{database}"}}', '{"db": {"name": "shop"}}'),
        ("{other}", "{other}"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    """Places in braces are filled in; any other brace stays."""
    assert handover.filled(template, DATABASE) == expected


def test_the_environment_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child gets the allow-list and the target's variables, nothing else of ours."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of somebody")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    target = replace(target_of(tmp_path), environment={"DATABASE_URL": "{url}"}, flask_app="app:create_app")
    with handover.environment(target, DATABASE, application_name="alembook r agent") as found:
        assert found["DATABASE_URL"] == DATABASE.url()
        assert found["FLASK_APP"] == "app:create_app"
        assert found["PGAPPNAME"] == "alembook r agent"
        assert found["PYTHONPATH"] == "/ours"
        assert "AWS_SECRET_ACCESS_KEY" not in found
    with handover.environment(replace(target, python=Path("/other")), DATABASE, application_name="a") as found:
        assert "PYTHONPATH" not in found


@pytest.mark.parametrize("is_rehearsal", [False, True])
def test_a_rehearsal_is_told_to_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_rehearsal: bool
) -> None:
    """Only where the database is a copy does the child see ALEMBOOK_REHEARSAL, whatever our own environment says."""
    monkeypatch.setenv("ALEMBOOK_REHEARSAL", "of somebody")
    target = target_of(tmp_path)
    with handover.environment(target, DATABASE, application_name="a", is_rehearsal=is_rehearsal) as found:
        assert found.get("ALEMBOOK_REHEARSAL") == ("1" if is_rehearsal else None)


def test_files_are_private_and_go_away(tmp_path: Path) -> None:
    """A template becomes a file only we can read; its path is in the variable, and the file is gone afterwards."""
    target = replace(target_of(tmp_path), files={"APP_CONFIG": '{"url": "{url}"}'})
    with handover.environment(target, DATABASE, application_name="a") as found:
        file = Path(found["APP_CONFIG"])
        assert json.loads(file.read_text()) == {"url": DATABASE.url()}
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert not file.exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DETAIL:  Key (email)=(ada@example.org) already exists.", "DETAIL: ***"),
        ("[parameters: {'email': 'ada@example.org'}]", "[parameters: ***"),
        ("INFO Running upgrade", "INFO Running upgrade"),
    ],
)
def test_values_are_taken_out(line: str, expected: str) -> None:
    """What follows DETAIL or SQLAlchemy's parameters shows rows, and goes."""
    assert handover.without_values(line) == expected
