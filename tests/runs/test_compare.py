"""``alembook compare`` as an operator calls it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alembook import cli
from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from tests.runs.conftest import environment
from tests.runs.test_interruption import PATIENCE_S, ticks


@pytest.fixture
def two(server18: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Returns the references of two databases with one table each."""
    monkeypatch.chdir(tmp_path)
    named = []
    for side in ("left", "right"):
        database = server18.create_database(f"cli_{side}_{os.getpid()}_{abs(hash(tmp_path)) % 10**9}")
        with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
            connections.execute(
                connection,
                "CREATE TABLE people (id int PRIMARY KEY, name text);"
                "INSERT INTO people SELECT i, 'name ' || i FROM generate_series(1, 50) AS i;"
                "CREATE TABLE other (i int)",
            )
        (tmp_path / side).write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
        named.append(f"file:{side}")
    return named[0], named[1]


def change(side: str, statement: str) -> None:
    """Executes a statement in the database a reference stands for."""
    database = connections.Database.parse(Path(side.partition(":")[2]).read_text(encoding="utf-8"))
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        connections.execute(connection, statement)


def test_equal_databases_exit_with_0(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Each table is listed with its rows on both sides."""
    assert cli.execute(["compare", *two]) == 0
    assert "public.people  " in capsys.readouterr().out


def test_different_databases_exit_with_3(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """The kinds and columns are shown; keys only when they are asked for."""
    change(two[1], "UPDATE people SET name = '' WHERE id = 37")
    assert cli.execute(["compare", *two]) == 3
    told = capsys.readouterr().out
    assert "changed" in told
    assert "37" not in told
    assert cli.execute(["compare", *two, "--show-keys"]) == 3
    assert "37" in capsys.readouterr().out


def test_what_cannot_be_compared_exits_with_4(two: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """A table that one side may not read is no equal table."""
    for side in two:
        change(side, "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w")
        change(side, "CREATE FOREIGN TABLE far (i int) SERVER s")
    assert cli.execute(["compare", *two, "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["outcome"] == "UNVERIFIED"
    assert found["tables"][0]["reason"] == "a foreign table: its rows are another server's"
    assert cli.execute(["compare", *two, "--tables", "people"]) == 0


def test_values_are_shown_only_when_they_are_asked_for(
    two: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As one tells them apart: a space at the end, NULL from an empty text, what is not there at all."""
    change(two[1], "UPDATE people SET name = name || ' ' WHERE id = 7; UPDATE people SET name = NULL WHERE id = 8")
    change(two[1], "DELETE FROM people WHERE id = 9")
    assert cli.execute(["compare", *two, "--show-keys", "--workers", "2"]) == 3
    assert "name 7" not in capsys.readouterr().out
    assert cli.execute(["compare", *two, "--show-values"]) == 3
    told = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    lines = [[cell.strip() for cell in line if cell.strip()] for line in told]
    assert ["public.people", "missing", "9", "'(9,\"name 9\")'"] in lines
    assert ["public.people", "changed", "7", "name", "'name 7'", "'name 7 '"] in lines
    assert ["public.people", "changed", "8", "name", "'name 8'", "NULL"] in lines
    assert cli.execute(["compare", *two, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert {name for row in found["rows"] for name in row} == {"schema", "table", "row", "kind", "key", "column"}
    assert {row["key"] for row in found["rows"]} == {""}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_what_it_runs_on_the_servers(
    two: tuple[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Also while it waits for a table that somebody locks."""
    database = connections.Database.parse((tmp_path / "right").read_text(encoding="utf-8"))
    with contextlib.ExitStack() as stack:
        locking, looking = (
            stack.enter_context(connections.closing(connections.connect(database, application_name="alembook test")))
            for _ in range(2)
        )
        connections.execute(locking, "BEGIN; LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
        running = subprocess.Popen(
            [sys.executable, "-m", "alembook", "compare", *two],
            cwd=tmp_path,
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        waiting = """SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alembook compare'
                        AND datname = current_database() AND wait_event_type = 'Lock'"""
        for _ in ticks(running):
            if connections.scalar(looking, waiting):
                break
        running.send_signal(number)
        _, told = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == code
    assert "The comparison was stopped by a signal." in told
    assert "next: Compare again: it only reads, and keeps nothing." in told
