"""SIGKILL in the middle of a backup, at each of its five parts: what is left is named, and the next one is good."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from alembook.postgres import activity
from alembook.postgres.embedded import Server
from alembook.runner import leftovers
from alembook.steps import dumps
from alembook.steps import left as leaving
from alembook.verdict import Outcome
from tests.runs.conftest import environment
from tests.steps.backups import cleared, copies, folder_of, is_green, made, planned
from tests.steps.conftest import Desk

SCRIPT = """
import sys
from pathlib import Path
from alembook import archive, config
from alembook.steps import backup
from alembook.steps.runbook import Book
folder = Path(sys.argv[1])
book = Book(step="backup", stage=0, target=config.load(folder / "alembook.toml").target("demo"),
            folder=archive.runs(folder / "runs", "demo")[-1])
backup.make(book)
"""
#: A server for its copies alone: what other tests leave on a shared one for a moment is not left behind by these.
OWN = '[targets.demo.rehearsal]\nscratch = "embedded:"\n'
PATIENCE_S = 300


@pytest.fixture
def place(desk: Desk, server18: Server) -> Iterator[Desk]:
    """Yields a desk with its plan, and enough rows that each part of a backup takes its time."""
    desk.execute("INSERT INTO heap SELECT n, repeat(md5(n::text), 3) FROM generate_series(1, 300000) AS n")
    with cleared(planned(desk, OWN), server18) as ready:
        yield ready


def killed_at(place: Desk, event: str, *, number: int = 1) -> None:
    """Makes a backup in a process of its own, and kills that when it has told of an event so many times."""
    path = place.run().path / "events/20_backup.kernel.jsonl"
    begun = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    command = [sys.executable, "-c", SCRIPT, str(place.folder)]
    with subprocess.Popen(command, env=environment(), cwd=place.folder) as running:
        deadline = time.monotonic() + PATIENCE_S
        while running.poll() is None and time.monotonic() < deadline:
            lines = path.read_text(encoding="utf-8").splitlines()[begun:] if path.exists() else []
            if sum(f'"event": "{event}"' in line for line in lines) >= number:
                break
            time.sleep(0.002)
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL


def ended(place: Desk) -> None:
    """Waits until the server has noticed that the killed process is gone, and ends what goes on there."""
    with place.connect() as connection:
        activity.end(connection, place.run().run_id)
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'alembook%' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + PATIENCE_S
    while place.ask(f"{query} AND datname = current_database() AND application_name <> 'alembook test'"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("event", "number"),
    [
        ("step_started", 1),
        ("dump_started", 1),
        ("scratch_made", 1),
        ("restore_progress", 1),
        ("table_counted", 2),
    ],
    ids=["counting", "dumping", "before the restore", "restoring", "comparing"],
)
def test_a_killed_backup_is_accounted_for(event: str, number: int, place: Desk) -> None:
    """No receipt, no good dump, the earlier good one untouched; what lies on the server has the run's name."""
    good = folder_of(place, made(place))
    planned(place, "")
    killed_at(place, event, number=number)
    ended(place)
    run = place.run()
    assert run.receipt("backup") is None
    assert (good / "toc.dat").exists()
    with place.book("backup") as book:
        assert [dump.is_good for dump in dumps.every(book) if dump.folder.name.startswith(run.run_id)] in ([], [False])
    left = [name for name in copies(place) if run.run_id.lower() in name]
    assert len(left) == (1 if event in {"scratch_made", "restore_progress", "table_counted"} else 0)
    check = leaving.check(place.target(), place.folder / "runs")
    assert check.outcome is Outcome.PASSED, "its run is open: it goes on or is given up"
    receipt = made(place)
    assert is_green(receipt)
    with run.events("runner") as events:
        (run.path / "20_backup.ipynb").write_text("{}")
        leftovers.drop(place.target(), run, events)
    assert [name for name in copies(place) if run.run_id.lower() in name] == []
    assert (good / "toc.dat").exists()


def test_what_nobody_ended_is_named(place: Desk) -> None:
    """When the run is gone from the archive, doctor still names its copy; so does the next run while it is there."""
    receipt = made(place)
    name = receipt.facts["scratch"]["database"]
    run = place.run()
    run.path.rename(place.folder / "moved")
    check = leaving.check(place.target(), place.folder / "runs")
    (place.folder / "moved").rename(run.path)
    assert (check.outcome, check.found) == (Outcome.FAILED, name)
    assert check.next == f'Drop it: DROP DATABASE "{name}" WITH (FORCE)'
    planned(place, "")
    seen = {check.name: check for check in made(place).checks}["no other run has left a scratch database"]
    assert (seen.outcome, seen.found) == (Outcome.FAILED, name)
    assert seen.next == f'Go on with its run, or `alembook abandon` it; or DROP DATABASE "{name}" WITH (FORCE).'


def test_a_run_that_has_ended_takes_its_copy_along(place: Desk) -> None:
    """The next run drops what an ended one left; one that was asked to stay stays, and is named."""
    made(place)
    (place.run().path / "manifest.json").write_text(json.dumps({"outcome": "done"}))
    planned(place, "")
    kept = made(place, keep_scratch=True).facts["scratch"]["database"]
    (place.run().path / "manifest.json").write_text(json.dumps({"outcome": "done"}))
    planned(place, "")
    with place.run().events("runner") as events:
        leftovers.drop_of_ended_runs(place.target(), place.run(), events)
    assert copies(place) == [kept]
    assert leaving.check(place.target(), place.folder / "runs").found == f"{kept} (kept on request)"
