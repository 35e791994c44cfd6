"""The keeper: parent of an embedded server, which it stops when nobody uses it any more.

Run as ``python -S -P -m alembook.postgres.keeper ORDER`` (JSON), detached, by ``embedded``. It polls one lock and costs
next to nothing. When it is killed itself, the kernel sends the server SIGINT, a fast shutdown (Linux). Standard library
only.

Source: PostgreSQL manual, 18.5 "Shutting Down the Server" (SIGINT fast, SIGQUIT immediate).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

from alembook.postgres import places as files
from alembook.postgres.places import State
from alembook.process import child

_POLL_S = 0.25
_STARTING_POLL_S = 0.02
_LOCK_TIMEOUT_S = 5.0
_PATIENCE_S = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 20.0), (signal.SIGKILL, 5.0))
_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a keeper is told.

    Attributes:
        instance: drawn by who starts it.
        data: data folder.
        binaries: folder of the programs.
        socket: folder of the unix socket, made and private already.
        user: id the server runs as; None: the keeper's own.
        may_override: the server needs CAP_DAC_OVERRIDE to reach its files.
        grace_s: how long it stays without a lease.
        settings: run-time parameters of the server.
    """

    instance: str
    data: str
    binaries: str
    socket: str
    user: int | None
    may_override: bool
    grace_s: float
    settings: dict[str, str]


def dump(order: Order) -> str:
    """Returns the order as the keeper's argument."""
    return json.dumps(asdict(order))


class Keeper:
    """One server's life, from the lock that says so to the last process."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.places = files.Places.of(Path(order.data))
        self.state = State(
            instance=order.instance,
            phase="starting",
            keeper=os.getpid(),
            socket=order.socket,
            log_offset=self._trim_log(),
        )
        self._wake, self._woken = os.pipe()
        self._is_told_to_stop = False
        self._exit_code: int | None = None
        self._lock: int | None = None

    def run(self) -> int:
        """Starts the server, waits until it is to stop, stops it. Returns the exit code."""
        with self._held(self.places.keeper_lock) as self._lock:
            self._say()
            self._listen()
            with self._held(self.places.server_lock) as lock:
                self._clear()
                self._say(server=self._spawn(lock))
            if self._is_ready():
                self._say(phase="ready")
                self._say(phase="stopping", reason=self._until_unused())
            is_failed = self.state.phase == "starting" and not self._is_told_to_stop
            code = self._end()
            reason = f"the server ended with exit code {code}" if is_failed else self.state.reason
            self._say(phase="failed" if is_failed else "stopped", reason=reason)
            self._leave()
        return int(is_failed)

    @contextlib.contextmanager
    def _held(self, path: Path) -> Iterator[int]:
        lock = files.lock(path, timeout_s=_LOCK_TIMEOUT_S)
        if lock is None:
            reason = f"{path.name} is held by another process"
            self._say(phase="failed", reason=reason)
            raise SystemExit(f"alembook: {reason}")
        try:
            yield lock
        finally:
            os.close(lock)

    def _say(self, **changes: str | int) -> None:
        """Writes its last word; not when the lock is another keeper's, or the folder is not the one it was."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]
        if self._is_in_place():
            files.write_state(self.places, self.state)

    def _is_in_place(self) -> bool:
        """Says whether its folder is there: somebody may remove it, and start anew in its place."""
        return self._lock is not None and files.is_same(self._lock, self.places.keeper_lock)

    def _listen(self) -> None:
        """Makes SIGTERM and SIGINT mean stop, and lets them and the server's end interrupt the wait."""
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_told_to_stop = True

    def _wait(self, seconds: float) -> None:
        if select.select([self._wake], [], [], seconds)[0]:
            os.read(self._wake, 4096)

    def _trim_log(self) -> int:
        """Cuts a log that has grown too long down to its end. Returns its size in bytes."""
        if not self.places.log.exists():
            return 0
        size_bytes = self.places.log.stat().st_size
        if size_bytes > _LOG_LIMIT_BYTES:
            with self.places.log.open("rb+") as log:
                log.seek(-_LOG_LIMIT_BYTES // 16, os.SEEK_END)
                end = log.read()
                log.seek(0)
                log.write(end)
                log.truncate()  # the server appends (O_APPEND), so it goes on at the new end
        return self.places.log.stat().st_size

    def _clear(self) -> None:
        """Removes what an earlier server left. Its lock is ours, so none of its processes is alive.

        PostgreSQL would refuse a pid file whose pid some other process has by now.
        """
        self.places.postmaster.unlink(missing_ok=True)
        files.clear_socket(Path(self.order.socket))

    def _spawn(self, lock: int) -> int:
        """Starts the server with the server lock in its hands. Returns its pid."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.set_inheritable(lock, True)
            if self.order.user is not None:
                child.become(self.order.user, may_override=self.order.may_override)
            child.die_with(parent, signal.SIGINT)
            os.execve(self._argv()[0], self._argv(), _ENVIRONMENT)  # noqa: S606 - a list of ours, no shell
        except (OSError, KeyError) as error:
            sys.stderr.write(f"alembook: cannot run postgres: {error}\n")
            sys.stderr.flush()
        os._exit(child.CANNOT_RUN)

    def _argv(self) -> list[str]:
        quoted = self.order.socket.replace('"', '""')
        own = {"listen_addresses": "", "unix_socket_directories": f'"{quoted}"', "port": str(files.PORT)}
        settings = [f"{name}={value}" for name, value in {**self.order.settings, **own}.items()]
        options = [part for setting in settings for part in ("-c", setting)]
        return [str(Path(self.order.binaries, "postgres")), "-D", self.order.data, *options]

    def _is_alive(self) -> bool:
        """Says whether the server still runs; reaps it when not."""
        if self.state.server and self._exit_code is None:
            pid, status = os.waitpid(self.state.server, os.WNOHANG)
            if pid:
                self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code is None

    def _is_ready(self) -> bool:
        """Waits until the server takes connections: True; or has ended, or is no longer wanted: False."""
        while self._is_alive() and not self._is_told_to_stop:
            with contextlib.suppress(OSError):
                lines = self.places.postmaster.read_text(encoding="utf-8", errors="replace").splitlines()
                if lines[:1] == [str(self.state.server)] and [line.strip() for line in lines[7:8]] == ["ready"]:
                    return True
            self._wait(_STARTING_POLL_S)
        return False

    def _until_unused(self) -> str:
        """Waits until the server is to stop, and returns why."""
        used_at = time.monotonic()
        trimmed_at = used_at
        while self._is_alive():
            if self._is_told_to_stop:
                return "told to stop"
            if not self._is_in_place():
                return "its folder was removed"
            now = time.monotonic()
            if not self._is_free(for_good=now - used_at >= self.order.grace_s):
                used_at = now
            elif self.state.phase == "stopping":
                return f"unused for {self.order.grace_s:g} s"
            if now - trimmed_at > 60:
                trimmed_at = now
                self._trim_log()
            self._wait(_POLL_S)
        return f"the server ended by itself with exit code {self._exit_code}"

    def _is_free(self, *, for_good: bool) -> bool:
        """Says whether nobody uses the server; ``for_good``: and tells newcomers so before letting go of the lock."""
        if files.is_pinned(self.places, self.order.instance):
            return False
        lock = files.lock(self.places.lease_lock)
        if lock is None:
            return False
        if for_good:
            self._say(phase="stopping")
        os.close(lock)
        return True

    def _end(self) -> int:
        """Stops the server, harder each time its patience is over. Returns its exit code."""
        for number, patience_s in _PATIENCE_S if self._is_in_place() else _PATIENCE_S[1:]:
            deadline = time.monotonic() + patience_s
            if self._is_alive():
                os.kill(self.state.server, number)
            while self._is_alive() and time.monotonic() < deadline:
                self._wait(_STARTING_POLL_S)
        return self._exit_code if self._exit_code is not None else -int(signal.SIGKILL)

    def _leave(self) -> None:
        if self._is_in_place():
            self.places.pinned.unlink(missing_ok=True)
            files.remove_socket(Path(self.order.socket))


def main(arguments: Sequence[str]) -> int:
    """Keeps one server. Returns 0 when it has served, 1 when it could not start."""
    return Keeper(Order(**json.loads(arguments[0]))).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
