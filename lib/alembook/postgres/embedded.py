"""The embedded PostgreSQL: a server of our own for a folder, with nothing to install and no container.

The binaries come from a wheel; data lies in ``postgres-18/`` of the folder; the server listens on a unix socket in a
private folder and nowhere else. It is started when it is first asked for. Who asked holds a lease until his process
ends, however it ends; the keeper (see ``keeper``) stops the server when nobody has held one for a while, so nothing is
left behind by a kill. ``pin`` lets it stay until ``stop``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import sql

import alembook
from alembook import errors, process
from alembook.postgres import cluster, keeper
from alembook.postgres import connection as connections
from alembook.postgres import places as files

binaries = cluster.binaries

_SETTINGS = {
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "max_locks_per_transaction": "256",
    "log_line_prefix": "%m [%p] %a ",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
#: Without waiting for the disk; a commit still outlives the death of the server, though not of the machine.
_FAST = {"fsync": "off", "full_page_writes": "off"}
_START_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 90.0
_ORPHAN_PATIENCE_S = 10.0
_POLL_S = 0.02
#: Leases of this process: lock file -> descriptor, open until the process ends.
_leases: dict[Path, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a server.

    Attributes:
        is_running: it takes connections.
        pinned: it stays without anybody using it.
        pid: of the postmaster; 0 when it does not run.
        version: of the programs, "18.4".
        socket: folder of the unix socket; "" when it does not run.
        data: the data folder, there or not yet.
        log: what the server printed.
    """

    is_running: bool
    pinned: bool
    pid: int
    version: str
    socket: str
    data: Path
    log: Path


class Server:
    """The embedded server of a folder.

    Args:
        folder: where the data lies (``.alembook`` of a project); made when missing.
        major: 18 or 16.
        grace_s: how long it stays when nobody uses it; counts for who starts it.
        fast: do not wait for the disk: a crash of the machine destroys the data. For tests.
    """

    def __init__(self, folder: Path, major: int = 18, *, grace_s: float = 20.0, fast: bool = False) -> None:
        self.folder = folder.resolve()
        self.major = major
        self.grace_s = grace_s
        self.fast = fast
        self.places = files.Places.of(self.folder / f"postgres-{major}")

    def ensure(self) -> connections.Database:
        """Returns the server's database ``postgres``; makes and starts the server when it does not run.

        From now on this process holds a lease. Many may ask at once: one starts it.

        Raises:
            errors.ToolMissing: the wheel with the binaries is not installed.
            errors.EmbeddedServerFailed: it could not be made or started; the end of its log is the evidence.
        """
        self._make_folders()
        self._take_lease()
        state = self._ready()
        if state is None:
            with self._starting():
                state = self._ready() or self._start()
        return connections.Database(host=state.socket, port=files.PORT, user="postgres", dbname="postgres")

    def pin(self) -> connections.Database:
        """Starts the server when it does not run, and lets it stay until ``stop``. Raises as ``ensure``."""
        database = self.ensure()
        state = self._ready()
        if state is None:
            raise self._failed("ended right after its start", files.read_state(self.places))
        self.places.pinned.write_text(state.instance, encoding="utf-8")
        return database

    def create_database(self, name: str) -> connections.Database:
        """Returns the database of this name, which is made (UTF-8, empty) when missing. Raises as ``ensure``."""
        database = self.ensure()
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        with contextlib.closing(
            connections.connect(database, application_name="alembook embedded", may_write=True)
        ) as connection:
            if not _exists(connection, name):
                try:
                    connections.execute(connection, statement)
                except errors.QueryFailed:
                    if not _exists(connection, name):  # else somebody else has just made it
                        raise
        return database.with_dbname(name)

    def status(self) -> Status:
        """Returns what is known of the server. Starts nothing, and takes no lease."""
        state = self._ready()
        return Status(
            is_running=state is not None,
            pinned=state is not None and files.is_pinned(self.places, state.instance),
            pid=state.server if state else 0,
            version=_version(cluster.binaries(self.major)),
            socket=state.socket if state else "",
            data=self.places.data,
            log=self.places.log,
        )

    def stop(self) -> bool:
        """Stops the server whoever uses it, and says whether one ran. Data stays.

        Raises:
            errors.EmbeddedServerFailed: it did not end in time.
        """
        if not self.places.run.exists():
            return False
        with self._starting():
            return self._end()

    def release(self) -> None:
        """Gives this process's lease back before the process ends."""
        descriptor = _leases.pop(self.places.lease_lock, None)
        if descriptor is not None:
            os.close(descriptor)

    def _make_folders(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.places.run.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise errors.EmbeddedServerFailed(
                f"The folder {self.places.run} could not be made.",
                why=f"{error.strerror}.",
                next="Give the project a folder that can be written, or free some space.",
                state="unchanged: no server was started.",
            ) from error

    def _take_lease(self) -> None:
        """Takes the lease before anything is looked at: a keeper found serving then cannot decide to stop."""
        held = _leases.get(self.places.lease_lock)
        if held is not None and files.is_same(held, self.places.lease_lock):
            return
        self.release()  # of a folder that was removed since
        lease = files.lock(self.places.lease_lock, shared=True, timeout_s=_STOP_TIMEOUT_S)
        if lease is None:
            raise self._busy("lease.lock")
        _leases[self.places.lease_lock] = lease

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        lock = files.lock(self.places.start_lock, timeout_s=_START_TIMEOUT_S)
        if lock is None:
            raise self._busy("start.lock")
        try:
            yield
        finally:
            os.close(lock)

    def _busy(self, name: str) -> errors.EmbeddedServerFailed:
        return errors.EmbeddedServerFailed(
            f"The embedded PostgreSQL in {self.folder} is being started or stopped by another process.",
            why=f"it holds {self.places.run / name}, and did not let go of it in time.",
            next="Look for another alembook that hangs (alembook embedded status), end it, and start again.",
            state="unknown: the other process may still go on.",
        )

    def _ready(self) -> files.State | None:
        """Returns the keeper's word that the server takes connections, when that holds."""
        state = files.read_state(self.places)
        if state is None or state.phase != "ready" or not files.is_held(self.places.keeper_lock):
            return None
        # A cleaner of the temporary folder may have taken the socket.
        return state if Path(state.socket, f".s.PGSQL.{files.PORT}").exists() else None

    def _start(self) -> files.State:
        """Makes the data when missing, starts a keeper, and returns its word when the server takes connections."""
        found = files.read_state(self.places)
        if found is not None and found.phase == "starting" and files.is_held(self.places.keeper_lock):
            return self._await_ready(found.instance)  # who started it was killed meanwhile
        self._end()
        programs = cluster.binaries(self.major)
        owner = cluster.owner(self.places.data, programs)
        cluster.make(self.places.data, self.major, programs, owner, fast=self.fast)
        order = keeper.Order(
            instance=secrets.token_hex(8),
            data=str(self.places.data),
            binaries=str(programs),
            socket=str(cluster.socket_folder(self.places.data, owner)),
            user=owner.user,
            may_override=owner.may_override,
            grace_s=self.grace_s,
            settings=_SETTINGS | (_FAST if self.fast else {}),
        )
        process.detach(
            [sys.executable, "-S", "-P", "-m", "alembook.postgres.keeper", keeper.dump(order)],
            environment={"PATH": os.defpath, "PYTHONPATH": str(Path(alembook.__file__).parents[1])},
            directory=Path("/"),
            log=self.places.log,
        )
        return self._await_ready(order.instance)

    def _await_ready(self, instance: str) -> files.State:
        deadline = time.monotonic() + _START_TIMEOUT_S
        born_by = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            state = files.read_state(self.places)
            if state is not None and state.instance == instance:
                if state.phase == "ready":
                    return state
                if state.phase != "starting" or not files.is_held(self.places.keeper_lock):
                    raise self._failed("did not start", state)
            elif time.monotonic() > born_by:
                break
            time.sleep(_POLL_S)
        raise self._failed(f"did not start within {_START_TIMEOUT_S:g} s", files.read_state(self.places))

    def _failed(self, what: str, state: files.State | None) -> errors.EmbeddedServerFailed:
        text = ""
        with contextlib.suppress(OSError), self.places.log.open("rb") as log:
            log.seek(state.log_offset if state else 0)
            text = log.read().decode("utf-8", "replace")
        return errors.EmbeddedServerFailed(
            f"The embedded PostgreSQL {self.major} in {self.places.data} {what}.",
            why=f"{state.reason}." if state and state.reason else "its keeper ended without a word.",
            next="Correct what its log says below. When the data itself is damaged: move the folder away, and the next "
            "start makes an empty one.",
            state="the data folder is as it was; no server runs.",
            evidence={f"end of {self.places.log}": cluster.last_lines(text)},
        )

    def _end(self) -> bool:
        """Ends keeper and server when there are any, and says whether there were."""
        state = files.read_state(self.places)
        was_kept = files.is_held(self.places.keeper_lock)
        was_running = was_kept or files.is_held(self.places.server_lock)
        if was_kept and state is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.keeper, signal.SIGTERM)
        self._await_end(was_kept=was_kept)
        if state is not None:
            files.remove_socket(Path(state.socket))  # a killed keeper could not
        return was_running

    def _await_end(self, *, was_kept: bool) -> None:
        started = time.monotonic()
        patience_s = _STOP_TIMEOUT_S if was_kept else _ORPHAN_PATIENCE_S
        while files.is_held(self.places.keeper_lock) or files.is_held(self.places.server_lock):
            waited_s = time.monotonic() - started
            if waited_s > _STOP_TIMEOUT_S + _ORPHAN_PATIENCE_S:
                raise self._failed("did not end", files.read_state(self.places))
            if waited_s > patience_s:
                # Its postmaster was killed too: a backend in a long query does not notice (immediate shutdown).
                patience_s += _ORPHAN_PATIENCE_S
                for pid in files.processes_in(self.places.data):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGQUIT)
            time.sleep(_POLL_S)


def _exists(connection: connections.Connection, name: str) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %(name)s)"
    return bool(connections.scalar(connection, query, {"name": name}))


def _version(programs: Path) -> str:
    finished = process.run([str(programs / "postgres"), "--version"], environment={"LC_ALL": "C"})
    return finished.stdout.strip().rpartition(" ")[2]
