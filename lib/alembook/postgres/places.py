"""The files by which users, keeper and server of an embedded PostgreSQL know of each other.

For data in ``postgres-18/`` they lie beside it in ``postgres-18.run/``. Three are locks (flock), which the kernel
releases however their holder ends, SIGKILL included; a pid is never trusted without one.

    ================ ======================= =======================================================================
    file             held by                 meaning
    ================ ======================= =======================================================================
    ``start.lock``   exclusive: one user     a server is being made, started or stopped
    ``lease.lock``   shared: every user      the server is in use; the keeper tries it exclusively to learn of none
    ``keeper.lock``  exclusive: the keeper   somebody looks after the server
    ``server.lock``  exclusive: keeper and   inherited by every process of the server: nobody holds it exactly when
                     server                  the last of them is gone
    ``state.json``                           the keeper's last word
    ``pinned``                               the instance that is to stay without a lease
    ``server.log``                           what the server and the keeper print
    ================ ======================= =======================================================================

Standard library only: the keeper lives on this.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

PORT = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything of one server lies: see the table above; ``postmaster`` is PostgreSQL's own pid file."""

    data: Path
    run: Path
    start_lock: Path
    lease_lock: Path
    keeper_lock: Path
    server_lock: Path
    state: Path
    pinned: Path
    log: Path
    postmaster: Path

    @classmethod
    def of(cls, data: Path) -> Places:
        """Returns the places that belong to a data folder."""
        run = data.with_name(f"{data.name}.run")
        return cls(
            data=data,
            run=run,
            start_lock=run / "start.lock",
            lease_lock=run / "lease.lock",
            keeper_lock=run / "keeper.lock",
            server_lock=run / "server.lock",
            state=run / "state.json",
            pinned=run / "pinned",
            log=run / "server.log",
            postmaster=data / "postmaster.pid",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The keeper's last word; true only while its lock is held.

    Attributes:
        instance: drawn anew for each start.
        phase: starting, ready, stopping, stopped or failed.
        keeper: its pid.
        server: pid of the postmaster; 0 before there is one.
        socket: folder of the unix socket.
        log_offset: where in the log this start begins, in bytes.
        reason: why it failed or stopped.
    """

    instance: str
    phase: str
    keeper: int
    socket: str
    server: int = 0
    log_offset: int = 0
    reason: str = ""


def read_state(places: Places) -> State | None:
    """Returns the keeper's last word; None when there was no keeper yet."""
    try:
        return State(**json.loads(places.state.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_state(places: Places, state: State) -> None:
    """Replaces the keeper's last word, atomically."""
    fresh = places.state.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(state)), encoding="utf-8")
    fresh.replace(places.state)


def clear_socket(folder: Path) -> None:
    """Removes the files of a socket on which nobody listens any more."""
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (folder / name).unlink(missing_ok=True)


def remove_socket(folder: Path) -> None:
    """Removes the folder of a socket on which nobody listens any more."""
    with suppress(OSError):
        clear_socket(folder)
        folder.rmdir()


def is_pinned(places: Places, instance: str) -> bool:
    """Says whether this instance is to stay; a pin of an earlier one says nothing."""
    try:
        return places.pinned.read_text(encoding="utf-8") == instance
    except FileNotFoundError:
        return False


def lock(path: Path, *, shared: bool = False, timeout_s: float = 0.0) -> int | None:
    """Takes a lock and returns its descriptor (close it to let go), or None when it is still held at the end.

    Args:
        path: created when missing.
        shared: together with others who share.
        timeout_s: how long to try.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout_s
    while not _try(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
        if time.monotonic() >= deadline:
            os.close(descriptor)
            return None
        time.sleep(0.02)
    return descriptor


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except BaseException:
        os.close(descriptor)
        raise
    return True


def is_same(descriptor: int, path: Path) -> bool:
    """Says whether an open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool:
    """Says whether somebody holds the lock exclusively."""
    if not path.exists():
        return False
    descriptor = lock(path, shared=True)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def processes_in(data: Path) -> list[int]:
    """Returns the pids of processes whose working directory is the data folder, as every server process's is.

    Empty where there is no ``/proc``.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(entry / "cwd") == str(data):
                found.append(int(entry.name))
    return found
