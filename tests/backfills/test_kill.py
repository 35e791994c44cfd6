"""A backfill whose process is killed, in the middle of a batch and anywhere: nothing is lost, nothing is done twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import alembook
from alembook.backfills import Backfill
from tests.backfills.conftest import Workshop

WRONG = "SELECT count(*) FROM items WHERE NOT done OR value <> (id % 1000) * 2 + 1"
#: Runs the backfill as a process of its own; each batch sleeps a little between its two statements.
PROGRAM = """
import sys
from alembook.backfills import SQL, Backfill, engine
from alembook.backfills.pace import Pace
from alembook.config import Backfill as Policy
from alembook.postgres import connection as connections

database = connections.Database.parse(sys.argv[1])
ledger = sys.argv[2] or None
backfill = Backfill(
    name="doubling", after="a1", before="b2", table="items", key=("id",), pending="NOT done",
    apply=SQL(
        "UPDATE items SET value = value * 2 + 1, done = true FROM batch WHERE items.id = batch.id",
        "SELECT pg_sleep(0.03)",
        "INSERT INTO copies SELECT id FROM batch",
    ),
)
engine.run(
    backfill, policy=Policy(), ledger=ledger, run_id="run-1", pace=Pace(first=100, largest=100),
    connect=lambda: connections.connect(database, application_name="doomed", settings={"lock_timeout": "5s"}),
)
"""
DONE = "SELECT count(*) FROM items WHERE done"
SLEEPS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doomed' AND wait_event = 'PgSleep'"
ALIVE = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'doomed' AND datname = current_database()"


def start(workshop: Workshop, ledger: str) -> subprocess.Popen[bytes]:
    """Starts the backfill as a process."""
    library = str(Path(alembook.__file__).parents[1])
    argv = [sys.executable, "-c", PROGRAM, workshop.database.conninfo(), ledger]
    return subprocess.Popen(argv, env={"PYTHONPATH": library}, stderr=subprocess.PIPE)


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits, at most 30 s."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def kill(process: subprocess.Popen[bytes], workshop: Workshop) -> None:
    """Kills it and waits until the server has noticed."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_until(lambda: workshop.ask(ALIVE) == 0)


@pytest.mark.parametrize("ledger", ["alembook", ""], ids=["ledger", "no-ledger"])
def test_a_kill_in_the_middle_of_a_batch_loses_and_repeats_nothing(
    workshop: Workshop, declare: Callable[..., Backfill], ledger: str
) -> None:
    """Killed three times while a batch had changed rows and not committed; then run to its end."""
    workshop.make_items(2000)
    workshop.do("CREATE TABLE copies (id integer)")
    for _ in range(3):
        process = start(workshop, ledger)
        wait_until(lambda: workshop.ask(DONE) > 0)
        wait_until(lambda: workshop.ask(SLEEPS) == 1)
        kill(process, workshop)
        done = workshop.ask(DONE)
        assert 0 < done < 2000
        assert done % 100 == 0
        assert workshop.ask("SELECT count(*) FROM copies") == done
        if ledger:
            assert workshop.ask("SELECT rows_done FROM alembook.backfill_progress") == done
            assert workshop.ask("SELECT batches FROM alembook.backfill_progress") == done // 100
    last = start(workshop, ledger)
    _, told = last.communicate(timeout=60)
    assert (last.returncode, told) == (0, b"")
    assert workshop.ask(WRONG) == 0
    assert workshop.ask("SELECT count(*) || ' ' || count(DISTINCT id) FROM copies") == "2000 2000"


def test_kills_at_any_instant_lose_and_repeat_nothing(workshop18: Workshop) -> None:
    """Killed after ever longer times, start of the process included, until it reaches its end."""
    workshop18.make_items(1000)
    workshop18.do("CREATE TABLE copies (id integer)")
    for number in range(1, 40):
        process = start(workshop18, "alembook")
        try:
            process.communicate(timeout=0.6 + 0.15 * number)
        except subprocess.TimeoutExpired:
            kill(process, workshop18)
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert workshop18.ask(WRONG) == 0
    assert workshop18.ask("SELECT count(*) || ' ' || count(DISTINCT id) FROM copies") == "1000 1000"
    assert workshop18.ask("SELECT rows_done || ' ' || status FROM alembook.backfill_progress") == "1000 done"
