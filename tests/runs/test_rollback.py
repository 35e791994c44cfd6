"""Rolling back from the command line: linked runs, refusals, and a rollback whose process is killed on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from tests.runs.conftest import ROOT, Workplace, environment
from tests.runs.test_interruption import events, kernel_of, ticks

KERNEL = "90_rollback.kernel"
HEAD = "7b0000000003"


@pytest.fixture
def shop(tmp_path: Path, server18: Server) -> Iterator[Workplace]:
    """Yields a workplace of the project ``returning`` at its first revision; every database of it is dropped."""
    name = f"rolled_{os.getpid()}"
    database = server18.create_database(name)
    made = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tests/projects/returning", tmp_path / "project", ignore=made)
    (tmp_path / "database-url").write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
    (tmp_path / "alembook.toml").write_text(
        '[targets.demo]\ndatabase = "file:database-url"\nproject = "project"\nwriters = "stopped"\n'
        '[targets.demo.rehearsal]\nscratch = "file:database-url"\n',
        encoding="utf-8",
    )
    place = Workplace(folder=tmp_path, database=database)
    ini = (tmp_path / "project/alembic.ini").read_text(encoding="utf-8")
    (tmp_path / "first.ini").write_text(
        ini.replace("= migrations", "= project/migrations").replace(
            "postgresql://nobody@localhost/placeholder", database.url().replace("%", "%%")
        ),
        encoding="utf-8",
    )
    alembic = [sys.executable, "-m", "alembic", "-c", "first.ini", "upgrade", "7b0000000001"]
    subprocess.run(alembic, cwd=tmp_path, env=environment(), check=True, capture_output=True)
    yield place
    with connections.closing(connections.connect(server18.ensure(), application_name="test")) as connection:
        query = "SELECT datname FROM pg_database WHERE datname LIKE %(like)s"
        for row in connections.rows(connection, query, {"like": f"{name}%"}):
            connections.execute(
                connection, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(row["datname"]))
            )


def test_a_run_is_taken_back_and_both_runs_say_so(shop: Workplace) -> None:
    """Exit 0; `runs` links them; the hashes of the old run hold; a second rollback and going on are refused."""
    done = shop.alembook("run", "-t", "demo", "--to", HEAD)
    assert done.returncode == 0, done.stdout + done.stderr
    run = shop.runs()[-1]
    shown = shop.alembook("rollback", run.name, "--by", "restore", "--dry-run")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shop.ask("SELECT version_num FROM alembic_version") == HEAD
    back = shop.alembook("rollback", run.name, "--by", "restore")
    assert back.returncode == 0, back.stdout + back.stderr
    rollback = shop.runs()[-1]
    assert "the database is at 7b0000000001, where the run began." in back.stdout
    assert shop.ask("SELECT version_num FROM alembic_version") == "7b0000000001"
    listed = {entry["run"]: entry for entry in json.loads(shop.alembook("runs", "--json").stdout)}
    assert listed[run.name]["link"] == f"rolled back by {rollback.name} (restore)"
    assert (listed[rollback.name]["link"], listed[rollback.name]["outcome"]) == (
        f"rolls back {run.name} (restore)",
        "done",
    )
    manifest = json.loads((rollback / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["rolls_back"] == run.name
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=run, check=True)
    again = shop.alembook("rollback", run.name, "--by", "downgrade")
    assert (again.returncode, again.stderr.splitlines()[0]) == (2, f"Run {run.name} was rolled back already.")
    on = shop.alembook("run", "--run", run.name)
    assert (on.returncode, on.stderr.splitlines()[0]) == (2, f"Run {run.name} was rolled back.")
    of_it = shop.alembook("rollback", rollback.name, "--by", "restore")
    assert (of_it.returncode, of_it.stderr.splitlines()[0]) == (2, f"Run {rollback.name} is a rollback itself.")
    page = (rollback / "90_rollback.a2.html").read_text(encoding="utf-8")
    assert "failed database" in page


def test_a_rehearsed_downgrade_that_loses_nothing_needs_no_word(shop: Workplace) -> None:
    """The rehearsal saw that everything comes back: exit 0 at once; a run that changed nothing is refused before."""
    looked = shop.alembook("run", "-t", "demo", "--to", HEAD, "--through", "backup")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    nothing = shop.alembook("rollback", shop.runs()[-1].name, "--by", "downgrade")
    assert (nothing.returncode, nothing.stderr.splitlines()[0]) == (
        2,
        f"Run {shop.runs()[-1].name} changed nothing: there is nothing to roll back.",
    )
    done = shop.alembook("run", "--run", shop.runs()[-1].name)
    assert done.returncode == 0, done.stdout + done.stderr
    run = shop.runs()[-1]
    back = shop.alembook("rollback", run.name, "--by", "downgrade")
    assert back.returncode == 0, back.stdout + back.stderr
    assert shop.ask("SELECT version_num FROM alembic_version") == "7b0000000001"
    assert shop.ask("SELECT to_regclass('labels') IS NULL") is True
    fresh = shop.alembook("run", "-t", "demo", "--to", HEAD, "--through", "inspect")
    assert fresh.returncode == 0, fresh.stdout + fresh.stderr


def killed(shop: Workplace, run: Path, event: str) -> None:
    """Begins to take a run back, and kills the kernel as soon as it has told of something once more."""
    before = len([each for each in events(shop, KERNEL) if each["event"] == event])
    running = subprocess.Popen(
        shop.command("rollback", run.name, "--by", "restore"),
        cwd=shop.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in ticks(running):
        if len([each for each in events(shop, KERNEL) if each["event"] == event]) > before:
            break
    os.kill(kernel_of(shop), signal.SIGKILL)
    said = running.communicate(timeout=600)
    assert running.returncode in {5, 2}, said


def databases(shop: Workplace) -> list[str]:
    """Returns what the shop's databases are called, dates left out."""
    query = "SELECT string_agg(datname, ' ') FROM pg_database WHERE datname LIKE current_database() || '%'"
    return sorted(re.sub(r"_\d+t\d+$", "", name.removeprefix(shop.database.dbname)) for name in shop.ask(query).split())


def test_a_killed_rollback_is_given_up_or_goes_on(shop: Workplace) -> None:
    """SIGKILL while it restores: given up, the copy is gone. While it closes, then while it swaps: the next goes on."""
    done = shop.alembook("run", "-t", "demo", "--to", HEAD)
    assert done.returncode == 0, done.stdout + done.stderr
    run = shop.runs()[-1]
    killed(shop, run, "copy_begun")
    assert databases(shop) == ["", "_restored"]
    given_up = shop.alembook("abandon", shop.runs()[-1].name, "--reason", "the wrong night")
    assert given_up.returncode == 0, given_up.stdout + given_up.stderr
    assert f"2 of 2 revisions of the plan are applied; the database is at {HEAD}." in given_up.stdout
    assert f"left    The copy {shop.database.dbname}_restored_" in given_up.stdout
    ending = json.loads((shop.runs()[-1] / "manifest.json").read_text(encoding="utf-8"))
    assert ending["outcome"] == "abandoned"
    assert ending["sittings"][-1]["message"].startswith(f"the wrong night The copy {shop.database.dbname}_restored_")
    assert databases(shop) == [""]
    killed(shop, run, "closing")
    second = shop.runs()[-1]
    killed(shop, run, "closed")
    assert shop.runs()[-1] == second
    back = shop.alembook("rollback", run.name, "--by", "restore")
    assert back.returncode == 0, back.stdout + back.stderr
    assert shop.ask("SELECT version_num FROM alembic_version") == "7b0000000001"
    assert [path.name for path in shop.runs() if (path / "rollback.json").exists()] == [second.name]
    assert databases(shop) == ["", "_failed"]
