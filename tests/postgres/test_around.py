"""Room on disk and standbys, judged on real servers."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alembook import process
from alembook.postgres import around, disk, embedded, statements
from alembook.postgres.connection import Connection, Database, closing, connect, execute, scalar
from alembook.postgres.embedded import Server
from alembook.verdict import Check, Grade, Outcome
from tests.test_process import until

NAMES = [
    "the disk has room for the dump",
    "the server has room for a rewrite",
    "standbys keep up",
    "a commit waits for nobody who is gone",
]


def ask(connection: Connection, folder: Path, *, rewritten_bytes: int = 0) -> dict[str, Check]:
    """Returns the checks by name."""
    found = around.checks(connection, backups=folder, rewritten_bytes=rewritten_bytes, max_lag_s=10)
    return {check.name: check for check in found}


def test_a_server_with_room_is_green(connection18: Connection, tmp_path: Path) -> None:
    """Everything PASSED; the folder of backups need not be there yet; the figures are those of the file system."""
    found = ask(connection18, tmp_path / "not" / "there yet")
    assert [(check.name, check.outcome) for check in found.values()] == [(name, Outcome.PASSED) for name in NAMES]
    assert found["standbys keep up"].found == "no standby is connected"
    assert disk.free_bytes(tmp_path / "not" / "there yet") <= shutil.disk_usage(tmp_path).total


def test_too_little_room(connection18: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump that may not fit, and a rewrite that cannot: each FAILED, with what to do."""
    monkeypatch.setattr(disk, "free_bytes", lambda _folder: 1000)
    found = ask(connection18, tmp_path / "backups", rewritten_bytes=10**15)
    dump, server = found["the disk has room for the dump"], found["the server has room for a rewrite"]
    assert (dump.outcome, dump.grade, dump.found) == (Outcome.FAILED, Grade.SHOULD, "1,000 B")
    assert dump.next == "Make room on the disk of backups/, or point backup.directory elsewhere."
    assert (server.outcome, server.grade, server.next) == (
        Outcome.FAILED,
        Grade.SHOULD,
        "Make room on the server's disk.",
    )


def test_a_role_that_may_not_see_the_settings(connection18: Connection, database18: Database, tmp_path: Path) -> None:
    """What cannot be known is UNVERIFIED and a may: a managed server never says."""
    execute(connection18, "CREATE ROLE around_plain LOGIN")
    try:
        with closing(connect(replace(database18, user="around_plain"), application_name="test")) as plain:
            found = ask(plain, tmp_path)["the server has room for a rewrite"]
    finally:
        execute(connection18, "DROP ROLE around_plain")
    assert (found.outcome, found.grade) == (Outcome.UNVERIFIED, Grade.MAY)
    assert found.why == "the role may not see where the server keeps its data (pg_read_all_settings)."


def test_a_folder_of_the_same_name_is_not_believed(connection18: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server's folder at the same path, as of a container: its postmaster.pid tells another start."""
    assert disk.of_server(connection18)[0] is not None
    text = f"SELECT current_setting('data_directory') AS data_directory, {10**9}::bigint AS started_at"
    monkeypatch.setattr(statements, "load", lambda _package, _name: text)
    assert disk.of_server(connection18) == (None, "the server is on another machine")


@pytest.fixture
def standby(own: Server, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Yields a primary and a standby that follows it."""
    primary = own.ensure()
    follower = Server(tmp_path / "standby" / ".alembook", 18, grace_s=1.0, fast=True)
    data = follower.places.data
    data.parent.mkdir(parents=True)
    argv = [str(embedded.binaries(18) / "pg_basebackup"), "--pgdata", str(data), "--dbname", primary.conninfo()]
    made = process.run([*argv, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"], environment={})
    assert made.exit_code == 0, made.stderr
    if os.geteuid() == 0:
        user = pwd.getpwuid(own.places.data.stat().st_uid)
        for path in (data, *data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    yield primary, follower.ensure()
    follower.stop()
    follower.release()


def test_a_standby_that_falls_behind(standby: tuple[Database, Database], tmp_path: Path) -> None:
    """One that keeps up is PASSED and named; one whose replay is paused is FAILED, with how far it is behind."""
    primary, follower = standby
    with closing(connect(primary, application_name="test")) as connection:
        count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
        assert until(lambda: scalar(connection, count) == 1, 30)
        assert until(lambda: ask(connection, tmp_path)["standbys keep up"].outcome is Outcome.PASSED, 30)
        with contextlib.closing(connect(follower, application_name="test")) as paused:
            scalar(paused, "SELECT pg_wal_replay_pause()")
        execute(connection, "CREATE TABLE t AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)")
        found = ask(connection, tmp_path)["standbys keep up"]
        assert (found.outcome, found.grade) == (Outcome.FAILED, Grade.SHOULD)
        assert found.found.startswith("walreceiver: ")
        assert found.found.endswith(" MB behind")


def test_a_synchronous_standby_that_is_gone(own: Server, tmp_path: Path) -> None:
    """The server waits for a standby that nobody runs: every commit would hang, and the check says so."""
    with closing(connect(own.ensure(), application_name="test")) as connection:
        execute(connection, "SET synchronous_commit = local")
        execute(connection, "ALTER SYSTEM SET synchronous_standby_names = 'gone'")
        scalar(connection, "SELECT pg_reload_conf()")
        name = "a commit waits for nobody who is gone"
        assert until(lambda: ask(connection, tmp_path)[name].outcome is Outcome.FAILED, 30)
        assert ask(connection, tmp_path)[name].found == "it asks for one, and none is connected"
