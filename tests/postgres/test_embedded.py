"""The embedded server as its users see it: started once, shared, stopped, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook import errors, process
from alembook.postgres import cluster, embedded
from alembook.postgres import connection as connections
from alembook.postgres import places as files
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server
from tests.test_frame import ROOT
from tests.test_process import is_alive, until

GRACE_S = 1.0
#: A program that uses a server: folder, major version and grace are its arguments. It says the server's pid, and stays.
USER = """
import sys, time
from pathlib import Path
from alembook.postgres.embedded import Server
server = Server(Path(sys.argv[1]), int(sys.argv[2]), grace_s=float(sys.argv[3]), fast=True)
server.ensure()
print(server.status().pid, flush=True)
time.sleep(float(sys.argv[4]))
"""


def user_of(server: Server, log: Path, *, stays_s: float = 60.0) -> process.Running:
    """Starts another process that uses a server and writes the server's pid to ``log``."""
    arguments = [str(server.folder), str(server.major), str(server.grace_s), str(stays_s)]
    return process.start(
        [sys.executable, "-c", USER, *arguments],
        environment={"PATH": os.defpath, "PYTHONPATH": str(ROOT / "lib")},
        stdout=log,
    )


def said(log: Path) -> int:
    """Returns the pid that ``user_of`` writes; waits for it."""
    assert until(lambda: log.exists() and log.read_text().strip(), 60), "no server"
    return int(log.read_text())


def is_gone(server: Server) -> bool:
    """Says whether neither the keeper nor any process of the server is left."""
    return not files.is_held(server.places.keeper_lock) and not files.is_held(server.places.server_lock)


def ask(database: Database, query: str) -> object:
    """Returns the answer to a query."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        return connections.scalar(connection, query)


def run(database: Database, *statements: str) -> None:
    """Executes statements, each committed."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        for statement in statements:
            connections.execute(connection, statement)


@pytest.fixture
def home() -> Iterator[Path]:
    """Yields an empty folder whose parents anybody may pass."""
    with tempfile.TemporaryDirectory(prefix="alembook-home-") as folder:
        yield Path(folder)


def test_it_is_the_version_asked_for(server: Server) -> None:
    """PostgreSQL 18 and 16 are served, and ``status`` tells which."""
    status = server.status()
    assert ask(server.ensure(), "SHOW server_version") == status.version
    assert status.version.startswith(f"{server.major}.")
    assert (status.is_running, status.pinned) == (True, False)
    assert is_alive(status.pid)


def test_databases_are_utf8(server: Server) -> None:
    """Text of any language is stored, and upper case is not limited to ASCII."""
    assert ask(server.ensure(), "SHOW server_encoding") == "UTF8"
    assert ask(server.ensure(), "SELECT upper('ä')") == "Ä"


def test_it_listens_on_a_private_socket_only(server: Server) -> None:
    """No address is listened on, and nobody else may enter the folder of the socket, whose path is short."""
    database = server.ensure()
    assert ask(database, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(os.stat(database.host).st_mode) == 0o700
    assert len(f"{database.host}/.s.PGSQL.{database.port}") <= 107


def test_a_path_with_spaces_and_quotes(own: Server) -> None:
    """The folder may be called anything."""
    assert " " in str(own.folder)
    assert "'" in str(own.folder)
    assert ask(own.ensure(), "SHOW data_directory") == str(own.places.data)


def test_a_very_long_path(tmp_path: Path) -> None:
    """The path of the data may be longer than that of a socket may."""
    server = Server(tmp_path.joinpath(*["a-folder-of-a-deep-project"] * 12), 18, grace_s=GRACE_S, fast=True)
    assert len(str(server.places.data)) > 300
    assert ask(server.ensure(), "SELECT 1") == 1
    assert server.stop() is True
    server.release()


def test_two_folders_have_two_servers(own: Server, server18: Server) -> None:
    """Servers of two folders run at the same time and do not know of each other."""
    run(own.ensure(), "CREATE TABLE only_here ()")
    assert ask(server18.ensure(), "SELECT to_regclass('only_here')") is None
    assert own.status().pid != server18.status().pid


def test_asked_again_it_is_the_same(own: Server) -> None:
    """``ensure`` starts nothing when the server runs; another object of the same folder finds it too."""
    database = own.ensure()
    pid = own.status().pid
    again = Server(own.folder / ".." / own.folder.name, 18)
    assert again.ensure() == database
    assert again.status().pid == pid


def test_many_at_the_same_moment(tmp_path: Path) -> None:
    """Processes that ask for a server that is not made yet get one, all the same."""
    own = Server(tmp_path / "new", 18, grace_s=GRACE_S)
    logs = [tmp_path / f"log{number}" for number in range(4)]
    with contextlib.ExitStack() as users:
        for log in logs:
            users.enter_context(user_of(own, log))
        assert len({said(log) for log in logs}) == 1


def test_interrupted_while_it_starts(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """When who started it went away before it was ready, the next one waits for the same server."""

    def interrupt(_server: Server, _instance: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Server, "_await_ready", interrupt)
        with pytest.raises(KeyboardInterrupt):
            own.ensure()
    assert until(lambda: files.is_held(own.places.keeper_lock) and files.read_state(own.places))
    first = files.read_state(own.places)
    assert ask(own.ensure(), "SELECT 1") == 1
    second = files.read_state(own.places)
    assert first is not None
    assert second is not None
    assert first.instance == second.instance


def test_it_stays_while_somebody_uses_it(own: Server, tmp_path: Path) -> None:
    """Who started it may end: it stays for another process that uses it, past the grace."""
    with user_of(own, tmp_path / "first") as first:
        pid = said(tmp_path / "first")
        own.ensure()
        first.kill()
        time.sleep(2 * GRACE_S)
        assert own.status().pid == pid


def test_it_stays_between_users(own: Server, tmp_path: Path) -> None:
    """A user that ends is followed by another within the grace, who finds the same server."""
    with user_of(own, tmp_path / "first", stays_s=0) as first:
        first.wait(60)
        own.ensure()
        assert own.status().pid == said(tmp_path / "first")


def test_a_killed_user_leaves_nothing(own: Server, tmp_path: Path) -> None:
    """SIGKILL of the only user: server, keeper and socket are gone after the grace."""
    with user_of(own, tmp_path / "log") as user:
        pid = said(tmp_path / "log")
        socket = Path(own.status().socket)
        os.kill(user.pid, signal.SIGKILL)
        assert until(lambda: is_gone(own), 10 * GRACE_S)
    assert not is_alive(pid)
    assert not socket.exists()
    state = files.read_state(own.places)
    assert state is not None
    assert (state.phase, state.reason) == ("stopped", "unused for 1 s")


def test_data_outlives_the_server(own: Server) -> None:
    """What was committed is there after stop and start."""
    run(own.ensure(), "CREATE TABLE kept AS SELECT 7 AS value")
    assert own.stop() is True
    assert ask(own.ensure(), "SELECT value FROM kept") == 7


def test_stop_says_whether_one_ran(own: Server) -> None:
    """Stopping is idempotent: once it says that a server ran, then that none did; users are no obstacle."""
    assert own.stop() is False
    own.ensure()
    pid = own.status().pid
    assert (own.stop(), own.stop()) == (True, False)
    assert not is_alive(pid)
    assert own.status().is_running is False


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """``status`` and ``stop`` of a folder that is not there do not make it."""
    server = Server(tmp_path / "none", 18)
    status = server.status()
    assert (status.is_running, status.pinned, status.pid, status.socket) == (False, False, 0, "")
    assert status.version.startswith("18.")
    assert server.stop() is False
    assert not server.folder.exists()


def test_pinned_it_stays_until_stopped(own: Server) -> None:
    """A pinned server needs no user; ``stop`` ends it and the pin."""
    own.pin()
    own.release()
    time.sleep(2.5 * GRACE_S)
    assert (own.status().is_running, own.status().pinned) == (True, True)
    assert own.stop() is True
    own.ensure()
    assert own.status().pinned is False


def test_a_pin_dies_with_its_server(own: Server) -> None:
    """A pin left by a server that was killed says nothing about the next one."""
    own.ensure()
    own.places.pinned.write_text("another instance")
    assert own.status().pinned is False
    own.release()
    assert until(lambda: is_gone(own), 10 * GRACE_S)


@pytest.mark.parametrize("name", ["orders", 'Übung "1"', "a b'c;--"])
def test_a_database_is_made_once(server18: Server, name: str) -> None:
    """``create_database`` makes what is missing and returns what is there, whatever its name."""
    first = server18.create_database(name)
    run(first, "CREATE TABLE IF NOT EXISTS kept ()")
    second = server18.create_database(name)
    assert first == second
    assert ask(second, "SELECT current_database()") == name
    assert ask(second, "SELECT to_regclass('kept')::text") == "kept"


def test_a_database_made_by_two_at_once(server18: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second, after having seen that it is missing, takes the other's."""
    server18.create_database("contended")
    answers = iter([False, True])
    monkeypatch.setattr(embedded, "_exists", lambda _connection, _name: next(answers))
    assert ask(server18.create_database("contended"), "SELECT 1") == 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the place of the folder is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        Server(tmp_path / "file", 18).ensure()
    assert str(caught.value) == (
        f"The folder {tmp_path}/file/postgres-18.run could not be made.\n"
        "  left: unchanged: no server was started.\n"
        "  why:  File exists.\n"
        "  next: Give the project a folder that can be written, or free some space."
    )


def test_damaged_data(own: Server) -> None:
    """A server that cannot start says so with the end of its own log, of this start only."""
    run(own.ensure(), "DO $$ BEGIN RAISE WARNING 'of an earlier start'; END $$")
    own.stop()
    (own.places.data / "global/pg_control").unlink()
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        own.ensure()
    text = str(caught.value)
    assert text.startswith(
        f"The embedded PostgreSQL 18 in {own.places.data} did not start.\n"
        "  left: the data folder is as it was; no server runs.\n"
        "  why:  the server ended with exit code 2.\n"
        "  next: Correct what its log says below. When the data itself is damaged: move the folder away, and the next "
        "start makes an empty one.\n"
        f"  end of {own.places.log}:\n"
    )
    assert "could not find the database system" in text
    assert "of an earlier start" not in text
    assert until(lambda: is_gone(own))


def test_busy_for_too_long(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that hangs while it starts the server is not waited for without end."""
    own.ensure()
    own.stop()
    monkeypatch.setattr(embedded, "_START_TIMEOUT_S", 0.1)
    lock = files.lock(own.places.start_lock)
    assert lock is not None
    with pytest.raises(errors.EmbeddedServerFailed) as caught:
        own.ensure()
    os.close(lock)
    assert str(caught.value) == (
        f"The embedded PostgreSQL in {own.folder} is being started or stopped by another process.\n"
        "  left: unknown: the other process may still go on.\n"
        f"  why:  it holds {own.places.start_lock}, and did not let go of it in time.\n"
        "  next: Look for another alembook that hangs (alembook embedded status), end it, and start again."
    )


def test_a_socket_that_was_cleaned_away(own: Server) -> None:
    """When a cleaner of the temporary folder took the socket, the next user gets a new one."""
    database = own.ensure()
    Path(database.host, f".s.PGSQL.{files.PORT}").unlink()
    assert ask(own.ensure(), "SELECT 1") == 1


def test_as_a_normal_user(home: Path) -> None:
    """Who is not root uses a server of his own id; root tries it as nobody, in a folder of nobody's."""
    user = cluster.owner(home / "postgres-18", embedded.binaries(18)).user
    os.chown(home, os.geteuid() if user is None else user, -1)
    needed = [Path(sys.executable), embedded.binaries(18) / "postgres", ROOT / "lib/alembook/errors.py"]
    done = process.run(
        [sys.executable, "-c", USER, str(home), "18", "0.2", "0"],
        environment={"PATH": os.defpath, "PYTHONPATH": str(ROOT / "lib"), "TMPDIR": str(home)},
        user=user,
        # The checkout may lie where only root can go.
        may_override=user is not None and not process.can_reach(needed, user=user),
    )
    assert (done.exit_code, done.stderr) == (0, "")
    server = Server(home, 18)
    assert until(lambda: is_gone(server))
    assert {path.stat().st_uid for path in home.rglob("*")} == {os.geteuid() if user is None else user}
