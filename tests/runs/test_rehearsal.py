"""A rehearsal that is killed: the target is as it was, and the next command finds the copy, names it and goes on."""

from __future__ import annotations

import contextlib
import os
import signal

from alembook.postgres import connection as connections
from tests.runs.conftest import Workplace
from tests.runs.test_interruption import begun, events, kernel_of, waited_for

CONTENTS = "SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM providers p"


def scratches(place: Workplace) -> list[str]:
    """Returns the scratch databases of the latest run."""
    with contextlib.closing(connections.connect(place.database, application_name="test")) as connection:
        found = connections.rows(connection, "SELECT datname FROM pg_database")
    return [row["datname"] for row in found if row["datname"].startswith(f"alembook_{place.runs()[-1].name.lower()}")]


def test_a_killed_rehearsal_leaves_nothing_that_is_not_found(workplace: Workplace) -> None:
    """kill -9 of the kernel in the middle: exit 5; the copy is dropped by name, and going on rehearses a new one."""
    before = workplace.ask(CONTENTS)
    running = begun(workplace)
    waited_for(workplace, "30_rehearse.kernel", "rehearsed", running)
    os.kill(kernel_of(workplace), signal.SIGKILL)
    out = running.communicate(timeout=600)
    assert running.returncode == 5, out
    assert workplace.ask("SELECT version_num FROM alembic_version") == "fa8b0fa6f407"
    assert workplace.ask(CONTENTS) == before
    run = workplace.runs()[-1]
    done = workplace.alembook("run", "--run", run.name, "--through", "rehearse")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [event for writer in ("runner", "30_rehearse.kernel") for event in events(workplace, writer)]
    dropped = [event for event in told if event["event"].startswith("scratch_")]
    assert any(run.name.lower() in str(event) for event in dropped), dropped
    assert scratches(workplace) == []
    assert workplace.receipt("rehearsal.json")["outcome"] == "PASSED"
    assert (run / "rehearsal.a2").is_dir()
    assert workplace.ask(CONTENTS) == before
