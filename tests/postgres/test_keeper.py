"""The keeper, the server, both: killed, and what they leave."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from alembook import process
from alembook.postgres import connection as connections
from alembook.postgres import embedded, keeper
from alembook.postgres import places as files
from alembook.postgres.embedded import Server
from alembook.postgres.places import State
from tests.postgres.test_embedded import ask, is_gone, run
from tests.test_process import is_alive, until


def state_of(server: Server) -> State:
    """Returns the keeper's last word."""
    state = files.read_state(server.places)
    assert state is not None
    return state


def kill(*pids: int) -> None:
    """Ends processes with SIGKILL, one after the other, and waits until each is gone."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        assert until(lambda gone=pid: not is_alive(gone))  # type: ignore[misc]


@pytest.fixture
def bystander(own: Server) -> Iterator[int]:
    """Yields the pid of a process of the server's user that has nothing to do with it."""
    user = os.stat(own.places.data).st_uid if os.geteuid() == 0 else None
    text = "import sys, time; print(flush=True); time.sleep(60)"
    # Detached and killed by pid, since a program of another user is started through `run` only.
    argv = (
        [sys.executable, "-c", text]
        if user is None
        else ["setpriv", f"--reuid={user}", "--clear-groups", "sleep", "60"]
    )
    pid = process.detach(argv, environment={"PATH": os.defpath}, directory=Path("/"), log=Path(os.devnull))
    assert until(lambda: os.stat(f"/proc/{pid}").st_uid == os.stat(own.places.data).st_uid)
    yield pid
    kill(pid)


def test_a_killed_keeper_takes_the_server_with_it(own: Server) -> None:
    """SIGKILL of the keeper is a fast shutdown of the server, sent by the kernel; the next user gets another."""
    run(own.ensure(), "CREATE TABLE kept AS SELECT 7 AS value")
    state = state_of(own)
    kill(state.keeper)
    assert until(lambda: is_gone(own))
    assert not is_alive(state.server)
    assert "received fast shutdown request" in own.places.log.read_text()
    assert own.status().is_running is False
    assert own.stop() is False
    assert ask(own.ensure(), "SELECT value FROM kept") == 7


def test_started_again_at_once(own: Server) -> None:
    """Who asks when the keeper is dead and the server still shuts down waits for its end and gets a new one."""
    own.ensure()
    before = state_of(own)
    kill(before.keeper)
    assert ask(own.ensure(), "SELECT 1") == 1
    assert state_of(own).server != before.server


def test_everything_killed(own: Server) -> None:
    """SIGKILL of keeper and server: the next start recovers what was committed."""
    run(own.ensure(), "CREATE TABLE kept AS SELECT 7 AS value")
    state = state_of(own)
    os.kill(state.keeper, signal.SIGSTOP)  # so that it cannot tidy up before it is killed
    kill(state.server, state.keeper)
    assert own.places.postmaster.exists()
    assert ask(own.ensure(), "SELECT value FROM kept") == 7
    assert "automatic recovery in progress" in own.places.log.read_text()


def test_a_killed_server_is_started_again(own: Server) -> None:
    """SIGKILL of the server alone: the keeper says so and ends; the next user gets another."""
    own.ensure()
    kill(state_of(own).server)
    assert until(lambda: is_gone(own))
    assert state_of(own).reason == "the server ended by itself with exit code -9"
    assert ask(own.ensure(), "SELECT 1") == 1


def test_an_orphan_in_a_long_query(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that does not notice the end of its server is ended; no second server joins it on the same data."""
    monkeypatch.setattr(embedded, "_ORPHAN_PATIENCE_S", 0.5)
    connection = connections.connect(own.ensure(), application_name="alembook test")
    backend = connection.info.backend_pid
    with contextlib.closing(psycopg2.connect(own.ensure().conninfo(), async_=True)) as busy:
        while busy.poll() != psycopg2.extensions.POLL_OK:
            time.sleep(0.01)
        busy.cursor().execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")
        with contextlib.suppress(psycopg2.OperationalError):
            busy.poll()
        orphan = busy.info.backend_pid
        state = state_of(own)
        os.kill(state.keeper, signal.SIGSTOP)
        kill(state.server, state.keeper)
        assert until(lambda: not is_alive(backend))
        assert is_alive(orphan)
        assert ask(own.ensure(), "SELECT 1") == 1
        assert not is_alive(orphan)
    connection.close()


def test_a_pid_that_is_somebody_elses_by_now(own: Server, bystander: int) -> None:
    """Files of a dead server whose pid another process of the same user has: PostgreSQL would refuse, we start."""
    database = own.ensure()
    socket = Path(database.host, f".s.PGSQL.{files.PORT}.lock")
    left = {own.places.postmaster: own.places.postmaster.read_text(), socket: socket.read_text()}
    own.stop()
    Path(database.host).mkdir(mode=0o700)
    for path, text in left.items():
        path.write_text("\n".join([str(bystander), *text.splitlines()[1:]]) + "\n")
    os.chown(database.host, os.stat(own.places.data).st_uid, -1)
    assert ask(own.ensure(), "SELECT 1") == 1
    assert is_alive(bystander)


def test_no_word_is_believed_without_its_lock(own: Server) -> None:
    """A state file that says "ready" while nobody holds the keeper's lock is of a keeper that was killed."""
    own.ensure()
    state = state_of(own)
    own.stop()
    files.write_state(own.places, state)
    assert own.status().is_running is False
    assert ask(own.ensure(), "SELECT 1") == 1


def test_a_folder_that_was_removed(own: Server) -> None:
    """`rm -rf .alembook` ends the server of that folder, and the next one in its place is another."""
    database = own.ensure()
    server = state_of(own).server
    shutil.rmtree(own.folder)
    assert until(lambda: not is_alive(server), 30)
    assert own.status().is_running is False
    assert own.ensure() == database
    own.release()
    assert until(lambda: is_gone(own), 20), "the lease of the folder that was removed was taken for one of the new"


def test_told_to_stop_while_nobody_waits(own: Server) -> None:
    """SIGTERM, as an operator or init sends it, is a clean end."""
    own.ensure()
    os.kill(state_of(own).keeper, signal.SIGTERM)
    assert until(lambda: is_gone(own))
    assert (state_of(own).phase, state_of(own).reason) == ("stopped", "told to stop")


def test_the_log_does_not_grow_without_end(own: Server) -> None:
    """A log past its limit is cut down to its end."""
    own.ensure()
    own.stop()
    with own.places.log.open("ab") as log:
        log.write(b"x" * (keeper._LOG_LIMIT_BYTES + 1))
    own.ensure()
    assert own.places.log.stat().st_size < keeper._LOG_LIMIT_BYTES / 8
    assert "ready to accept connections" in own.places.log.read_text()


def test_a_server_that_cannot_be_run(own: Server) -> None:
    """A program that is not there is told in the log, and the keeper says that it failed."""
    own.places.run.mkdir()
    socket = own.folder / "socket"
    socket.mkdir()
    order = keeper.Order(
        instance="1", data=str(own.places.data), binaries="/nowhere", socket=str(socket), user=None, may_override=False,
        grace_s=1.0, settings={},
    )  # fmt: skip
    done = process.run(
        [sys.executable, "-m", "alembook.postgres.keeper", keeper.dump(order)],
        environment={"PYTHONPATH": str(Path(keeper.__file__).parents[2])},
    )
    assert (done.exit_code, state_of(own).phase) == (1, "failed")
    assert state_of(own).reason == "the server ended with exit code 126"
    assert "alembook: cannot run postgres: [Errno 2] No such file or directory" in done.stderr


def test_a_second_keeper_leaves_the_first_alone(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who holds the lock keeps the server."""
    monkeypatch.setattr(keeper, "_LOCK_TIMEOUT_S", 0.1)
    own.places.run.mkdir()
    lock = files.lock(own.places.keeper_lock)
    assert lock is not None
    order = keeper.Order(
        instance="2", data=str(own.places.data), binaries="/nowhere", socket="/nowhere", user=None, may_override=False,
        grace_s=1.0, settings={},
    )  # fmt: skip
    with pytest.raises(SystemExit, match=r"keeper\.lock is held by another process"):
        keeper.main([keeper.dump(order)])
    os.close(lock)
    assert files.read_state(own.places) is None
