"""The wedge, as whole runs: a failure behind an autocommit block, and a failure inside one, gone on with by `--run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook.postgres.connection import Connection, Database, execute, scalar
from tests.runs.test_any_project import bring

AT = "SELECT version_num FROM alembic_version"


@pytest.mark.parametrize(("example", "server"), [("wedge", 18), ("wedge_external", 16)], indirect=["server"])
def test_the_rerun_finishes(tmp_path: Path, database: Database, example: str) -> None:
    """Let pass by name, it fails with the last good revision named; the cause removed, the same run goes on."""
    place = bring(tmp_path, example, database)
    planned = place.alembook("run", "-t", "demo", "--through", "rehearse")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    place.execute("CREATE TABLE agents (id int)")  # after the rehearsal, which would have found it out
    run = place.runs()[-1].name
    closed = place.alembook("run", "--run", run)
    assert closed.returncode == 3, closed.stdout + closed.stderr
    failed = place.alembook("run", "--run", run, "--waive", "table public.agents is as rehearsed", "--reason", "a test")
    assert failed.returncode == 5, failed.stdout + failed.stderr
    assert 'The revision 4d0000000064 failed: relation "agents" already exists.' in failed.stderr
    assert "left: the database is at 3c0000000063, by its version table." in failed.stderr
    assert place.ask(AT) == "3c0000000063"
    place.execute("DROP TABLE agents")
    done = place.alembook("run", "--run", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.ask(AT) == "4d0000000064"


def test_a_concurrent_index_that_fails_is_not_green(
    tmp_path: Path, database18: Database, connection18: Connection
) -> None:
    """The invalid index closes the gate by name; the advice followed, the same run goes on to its end."""
    place = bring(tmp_path, "wedge", database18, "[targets.demo.limits]\nconcurrent_lock_timeout_ms = 500\n")
    started = place.alembook("run", "-t", "demo", "--to", "1a0000000061")
    assert started.returncode == 0, started.stdout + started.stderr
    execute(connection18, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    execute(connection18, "SELECT 1")
    failed = place.alembook("run", "-t", "demo")
    execute(connection18, "COMMIT")
    assert failed.returncode == 5, failed.stdout + failed.stderr
    assert "a part of 2b0000000062 is committed." in failed.stderr
    drop = "DROP INDEX CONCURRENTLY drafts_app_id_user_id_key;  -- on drafts"
    assert drop in failed.stderr
    closed = {
        check["name"]: check["found"]
        for check in place.receipt("upgrade.s1.json")["checks"]
        if check["why"] or check["next"]
    }
    assert closed["no index became invalid"] == "drafts_app_id_user_id_key on drafts"
    execute(connection18, drop)
    execute(connection18, "ALTER TABLE drafts DROP COLUMN user_id")
    done = place.alembook("run", "--run", place.runs()[-1].name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert scalar(connection18, AT) == "4d0000000064"
