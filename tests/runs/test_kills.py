"""A statement runs on the server when kernel, runner or agent is killed: it is gone soon; what is applied is said."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alembook.postgres.connection import Database
from tests.runs.conftest import Workplace
from tests.runs.test_any_project import bring
from tests.runs.test_interruption import begun, events, goes_on, kernel_of

WITHIN_S = 5
#: Sleeps on the server as long as the database's settings say; not in a copy, which has the same settings.
SLOW = '''"""Slow."""
from alembic import op

revision = "4d0000000004"
down_revision = "3c0000000003"
branch_labels = depends_on = None


def upgrade():
    op.execute(
        "SELECT pg_sleep(coalesce(nullif(current_setting('slow.seconds', true), ''), '0')::int)"
        " WHERE current_database() = 'NAME'"
    )


def downgrade():
    pass
'''
AT_WORK = """SELECT count(*) FROM pg_stat_activity
 WHERE query LIKE 'SELECT pg_sleep(coalesce%' AND state = 'active' AND datname = current_database()"""


def agent_of(place: Workplace) -> int:
    """Returns the pid of the agent at work."""
    [told] = [event for event in events(place, "40_upgrade.s1.agent") if event["event"] == "connected"]
    return int(told["pid"])


def until(place: Workplace, expected: int, *, within_s: float) -> float:
    """Returns the seconds until so many statements are at work on the server."""
    started = time.monotonic()
    while place.ask(AT_WORK) != expected:
        assert time.monotonic() - started < within_s, f"not {expected} within {within_s} s"
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.mark.parametrize(
    ("victim", "code"),
    [(kernel_of, 5), (agent_of, 5), (None, -signal.SIGKILL)],
    ids=["kernel", "agent", "runner"],
)
def test_a_kill_leaves_no_statement(
    tmp_path: Path, database18: Database, victim: Callable[[Workplace], int] | None, code: int
) -> None:
    """Gone within 5 seconds; the next command says what is applied; the run goes on to its end."""
    place = bring(tmp_path, "generic", database18)
    (tmp_path / "project/migrations/versions/4d0000000004.py").write_text(
        SLOW.replace("NAME", database18.dbname), "utf-8"
    )
    place.execute(f"ALTER DATABASE {database18.dbname} SET slow.seconds = 600")
    running = begun(place)
    until(place, 1, within_s=120)
    os.kill(victim(place) if victim else running.pid, signal.SIGKILL)
    until(place, 0, within_s=WITHIN_S)
    stdout, stderr = running.communicate(timeout=600)
    assert running.returncode == code, stdout + stderr
    run = place.runs()[-1]
    standing = "3 of 4 revisions of the plan are applied; the database is at 3c0000000003; next is 4d0000000004."
    assert shown_of(place)["standing"] == standing
    again = place.alembook("run", "-t", "demo")
    assert again.returncode == 6, again.stderr
    assert standing in again.stderr
    place.execute(f"ALTER DATABASE {database18.dbname} RESET slow.seconds")
    assert "40_upgrade.s1.a2.ipynb" in goes_on(place, run)
    assert place.ask("SELECT version_num FROM alembic_version") == "4d0000000004"


def shown_of(place: Workplace) -> dict[str, Any]:
    """Returns what `alembook show` says of the latest run."""
    done = place.alembook("show", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_two_databases_of_one_server_do_not_wait_for_each_other(
    tmp_path: Path, database18: Database, server18: Any
) -> None:
    """The lock of a run is one of its database: two runs on two databases are both done at the same time."""
    other = server18.create_database(f"{database18.dbname}_b")
    places = [bring(tmp_path / name, "generic", each) for name, each in (("a", database18), ("b", other))]
    started = [begun(place) for place in places]
    ended = [process.communicate(timeout=600) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    for place in places:
        assert place.ask("SELECT version_num FROM alembic_version") == "3c0000000003"
