"""A real PgBouncer in transaction mode: refused before the first SET, and nothing of us stays behind it.

The program is Debian's; .ci/run installs it and runs this folder, `make test` leaves it out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from alembook import errors
from alembook.postgres import session
from alembook.postgres.connection import Connection, Database, connect, rows
from tests.project.conftest import MakeProject, make, relations

__all__ = ["make"]  # a fixture

NOBODY = 65534
CONFIGURATION = """\
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
ignore_startup_parameters = extra_float_digits,options
"""

HELD = """SELECT pid FROM pg_locks WHERE locktype = 'advisory'
 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture
def pooled(database18: Database) -> Iterator[Database]:
    """Yields the database behind a PgBouncer that has one server connection for everybody."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="alembook-pgbouncer-"))
    folder.chmod(0o755)  # as root PgBouncer runs as nobody, who has to get through
    file = folder / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(host=database18.host, port=database18.port, listen=listen), encoding="utf-8")
    user = NOBODY if os.geteuid() == 0 else None
    running = subprocess.Popen([program, str(file)], user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    behind = Database(host="127.0.0.1", port=listen, user="postgres", dbname=database18.dbname)
    try:
        _wait(behind)
        yield behind
    finally:
        running.terminate()
        running.wait(10)
        shutil.rmtree(folder)


def _wait(database: Database) -> None:
    for _ in range(100):
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(database.conninfo()).close()
            return
        time.sleep(0.1)
    pytest.fail("PgBouncer did not start.")


def settings_of_the_next(database: Database) -> dict[str, str]:
    """Returns what the next client of the pooler finds set on the server connection it shares with us.

    The application's name is left out: PgBouncer itself carries it from each client's start to the server.
    """
    with contextlib.closing(psycopg2.connect(database.conninfo())) as client, client.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE source = 'session'")
        return {name: value for name, value in cursor.fetchall() if name not in {"application_name", "client_encoding"}}


def test_a_transaction_pooler_is_refused(pooled: Database, connection18: Connection) -> None:
    """Reading, writing and taking the run's locks: refused with the way out; no setting and no lock is left."""
    before = settings_of_the_next(pooled)
    for read_only in (True, False):
        with pytest.raises(errors.PoolerRefused) as caught:
            connect(pooled, application_name="alembook test", read_only=read_only, settings={"lock_timeout": "1s"})
        assert "direct" in caught.value.next
    with pytest.raises(errors.PoolerRefused):
        session.hold(pooled)
    assert settings_of_the_next(pooled) == before
    assert rows(connection18, HELD) == []


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_a_project_behind_a_pooler_is_refused(
    make: MakeProject, database18: Database, pooled: Database, connection18: Connection, driver: str
) -> None:
    """The target is reached directly, and env.py has an address of its own that leads to it through the pooler."""
    project = make(database18, "elsewhere" if driver == "psycopg2" else "asynchronous")
    if driver == "psycopg2":
        project.set(environment={"ELSEWHERE_URL": pooled.url()})
    else:
        project.edit_env(
            ('prefix="sqlalchemy."', 'prefix="sqlalchemy.", connect_args={"statement_cache_size": 0}'),
            ("config.get_section(config.config_ini_section, {})", f"{{'sqlalchemy.url': {pooled.url('asyncpg')!r}}}"),
        )
    before = settings_of_the_next(pooled)
    for action in (project.describe, lambda: project.upgrade("1a0000000021")):
        with pytest.raises(errors.PoolerRefused) as caught:
            action()
        assert caught.value.exit_code == 5
        assert str(caught.value).splitlines() == [
            "The project connected through a connection pooler.",
            "  left: unchanged: nothing was run.",
            f"  why:  {pooled.label()} leads to the target, but not directly: locks and settings there belong to "
            "whoever comes next. Nothing was set.",
            f"  next: Hand it the address of the server itself; {{url}} in `environment` is {database18.label()}.",
        ]
        assert settings_of_the_next(pooled) == before
    assert [name for name in relations(connection18) if name.startswith("relation public")] == []
