"""An interrupt that comes while the server is waited for."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from alembook import errors, process
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from tests.test_frame import ROOT
from tests.test_process import until


def test_a_statement_is_cancelled_again_until_it_ends(database18: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has not read the statement when it is to cancel it ignores that: nothing is cancelled yet here."""
    asked: list[float | None] = []
    real = select.select

    def interrupted(reading: list[int], writing: list[int], other: list[int], timeout: float | None) -> object:
        asked.append(timeout)
        if timeout is None:
            raise KeyboardInterrupt
        return real(reading, writing, other, timeout)

    class Ignored(psycopg2.extensions.connection):
        def cancel(self) -> None:
            if len(asked) > 1:
                super().cancel()

    found = psycopg2.connect(database18.conninfo(), connection_factory=Ignored)
    connections.interruptible()
    try:
        monkeypatch.setattr("alembook.postgres.waiting.select.select", interrupted)
        with pytest.raises(errors.QueryFailed, match="57014"):
            connections.execute(found, "SELECT pg_sleep(600)")
    finally:
        psycopg2.extensions.set_wait_callback(None)
        found.close()
    assert len(asked) > 1


def test_an_interrupt_is_not_lost_when_the_statement_just_ends(
    connection18: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes while the answer is there already: nothing is left to cancel, and it is raised all the same."""
    real = select.select
    waited = iter([KeyboardInterrupt])

    def interrupted(*arguments: Any) -> object:
        ready = real(*arguments)
        for interrupt in waited:
            raise interrupt
        return ready

    connections.interruptible()
    try:
        monkeypatch.setattr("alembook.postgres.waiting.select.select", interrupted)
        with pytest.raises(KeyboardInterrupt):
            connections.scalar(connection18, "SELECT 1")
    finally:
        psycopg2.extensions.set_wait_callback(None)


def test_an_interrupt_cancels_a_statement(database18: Database, connection18: Connection, tmp_path: Path) -> None:
    """Ctrl-C is not kept waiting by libpq: the statement ends on the server too."""
    text = (
        "import sys; from alembook.postgres import connection\n"
        "connection.interruptible()\n"
        "database = connection.Database.parse(sys.argv[1])\n"
        "found = connection.connect(database, application_name='alembook interrupted')\n"
        "connection.execute(found, 'SELECT pg_sleep(600)')"
    )
    argv = [sys.executable, "-c", text, database18.conninfo()]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT / "lib")}
    active = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alembook interrupted' AND state = 'active'"
    )
    with process.start(argv, environment=environment, stdout=tmp_path / "log") as running:
        assert until(lambda: connections.scalar(connection18, active) or running.poll() is not None, 60)
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(20) not in {None, 0}
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "The server refused a query: canceling statement due to user request.\n  why:  SQLSTATE 57014." in log
    assert until(lambda: not connections.scalar(connection18, active))
