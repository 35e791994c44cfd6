"""Kernels for the notebooks of a run: the next one boots while the current one works, and none outlives the run."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from alembook import errors
from alembook.archive import atomic
from alembook.runner import nursery

_PREFIX = "alembook-kernels-"
#: A unix socket's path holds 107 bytes; ours add "/k999-ipc-5" to the folder.
_LONGEST_FOLDER = 90
_LOG_BYTES = 8192
_ENDS_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A kernel's process, leader of a session and a process group of its own.

    Attributes:
        manager: jupyter_client's view of it, for nbclient.
        pid: process id, and id of its group.
        log: what the process itself wrote, outside any cell.
    """

    manager: KernelManager
    pid: int
    log: Path

    def is_alive(self) -> bool:
        """Says whether the process still runs."""
        return _is_running(self.pid)

    def interrupt(self) -> None:
        """Sends SIGINT to the process and what it started in its group: a cell raises KeyboardInterrupt."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Ends the process and what it started in its group, now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def last_words(self) -> str:
        """Returns the end of what the process wrote outside any cell."""
        with suppress(OSError), self.log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_BYTES))
            return stream.read().decode("utf-8", "replace").strip()
        return ""


class Kernels:
    """Starts kernels ahead of their use and ends every one of them, the unused spare too.

    A kernel runs on this interpreter, whatever kernelspecs are installed; talks over unix sockets in a private folder;
    reads no IPython configuration of the operator; imports nothing from its working directory; and ends by itself
    within some two seconds when this process is killed (ipykernel polls its parent). Where the system can do it, all
    are forked from one process that has imported what they need (``nursery``).

    Args:
        preload: modules a kernel has imported before its first cell; one that cannot be imported is left out.
    """

    def __init__(self, *, preload: Sequence[str] = ()) -> None:
        self._preload = preload
        self._nursery: nursery.Nursery | None = None
        self._folder: Path | None = None
        self._lock: IO[str] | None = None
        self._settings: tuple[dict[str, str], Path] | None = None
        self._spare: Kernel | None = None
        self._running: list[Kernel] = []
        self._started = 0

    def __enter__(self) -> Self:
        """Makes the private folder, and clears away those that a killed process left."""
        _sweep()
        self._folder = _private_folder()
        self._lock = _locked(self._folder)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every kernel and removes the folder."""
        for kernel in list(self._running):
            self.end(kernel)
        self._end_nursery()
        if self._lock is not None:
            self._lock.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def warm(self, environment: Mapping[str, str], directory: Path | None = None) -> None:
        """Starts the next kernel and returns at once; does nothing when a fitting one is already booting.

        Args:
            environment: the kernel's environment, whole.
            directory: its working directory; default: this process's.

        Raises:
            errors.NotebookFailed: the process cannot be started.
        """
        settings = (dict(environment), directory or Path.cwd())
        if settings != self._settings:
            self._end_nursery()
        if self._spare and (settings != self._settings or not self._spare.is_alive()):
            self.end(self._spare)
        self._settings = settings
        if self._spare is None and self._may_start_at_once():
            self._spare = self._start(*settings)

    def _may_start_at_once(self) -> bool:
        """Says whether starting a kernel waits for nothing; a nursery that still imports is on its way by itself."""
        return not nursery.IS_POSSIBLE or self._nursed().is_ready()

    def _nursed(self) -> nursery.Nursery:
        """Returns the process kernels are forked from, started when there is none."""
        if self._settings is None:
            raise ValueError("a kernel needs an environment: call warm() first")
        if self._nursery is None or not self._nursery.is_alive():
            self._end_nursery()
            environment, directory = self._settings
            log = self._within("nursery.log")
            log.unlink(missing_ok=True)
            with _told():
                self._nursery = nursery.Nursery(self._preload, self._whole(environment), directory, log)
        return self._nursery

    def _end_nursery(self) -> None:
        if self._nursery is not None:
            self._nursery.end()
            self._nursery = None

    def warm_again(self) -> None:
        """Starts the next kernel with the settings of the last. Raises as ``warm``."""
        if self._settings is not None:
            self.warm(*self._settings)

    def take(self) -> Kernel:
        """Returns the warm kernel, or a cold one like the last when there is none. The caller ends it.

        Raises:
            errors.NotebookFailed: the process cannot be started.
            ValueError: ``warm`` was never called, so no environment is known.
        """
        if self._settings is None:
            raise ValueError("a kernel needs an environment: call warm() first")
        self.warm(*self._settings)
        kernel, self._spare = self._spare, None
        return kernel or self._start(*self._settings)

    def end(self, kernel: Kernel) -> None:
        """Ends one kernel, and what it started in its group. Does nothing for one that has ended."""
        if kernel not in self._running:
            return
        kernel.kill()
        _await_end(kernel.pid)
        kernel.manager.shutdown_kernel(now=True)
        self._running.remove(kernel)
        if kernel is self._spare:
            self._spare = None

    def _bear(self, log: Path, arguments: Sequence[str]) -> nursery.Born:
        """Returns a kernel of the nursery; where that has ended, of another one."""
        try:
            return self._nursed().bear(arguments, log)
        except errors.NotebookFailed:
            return self._nursed().bear(arguments, log)

    def _within(self, name: str) -> Path:
        if self._folder is None:
            raise ValueError("kernels are started inside `with Kernels() as kernels:`")
        return self._folder / name

    def _whole(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Returns an environment without history, profile, start-up files: a kernel is the same whoever runs it."""
        return {**environment, "IPYTHONDIR": str(self._within("ipython"))}

    def _start(self, environment: dict[str, str], directory: Path) -> Kernel:
        self._started += 1
        stem = self._within(f"k{self._started}")
        manager = _Manager(
            transport="ipc",
            connection_file=f"{stem}.json",
            kernel_spec_manager=_ThisInterpreter(self._preload),
            client_class="jupyter_client.asynchronous.AsyncKernelClient",
        )
        log = Path(f"{stem}.log")
        if nursery.IS_POSSIBLE:
            manager.take_from(partial(self._bear, log))
        with _told(), log.open("wb") as stream:
            manager.start_kernel(env=self._whole(environment), cwd=str(directory), stdout=stream, stderr=stream)
        kernel = Kernel(manager=manager, pid=int(getattr(manager.provisioner, "pid", 0)), log=log)
        self._running.append(kernel)
        return kernel


@contextmanager
def _told() -> Iterator[None]:
    """Tells what the system says when a process cannot be started."""
    try:
        yield
    except OSError as error:
        raise errors.NotebookFailed(
            "A kernel could not be started.",
            why=f"{error.strerror or error}: {error.filename or sys.executable}.",
            next="Check the working directory and the interpreter; `alembook doctor` does.",
            state="nothing was begun.",
        ) from error


class _Manager(KernelManager):
    """Sees a death without reaping it, so a process id stays the kernel's own until ``Kernels.end`` has used it."""

    def take_from(self, bear: nursery.Bear) -> None:
        """Lets the kernel come from a nursery."""
        made = nursery.Provisioner(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)
        made.bear = bear
        self.provisioner = made

    async def _async_is_alive(self) -> bool:
        """Says whether the process still runs; what nbclient asks once a second."""
        return self.has_kernel and _is_running(int(getattr(self.provisioner, "pid", 0)))


def _is_running(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def _await_end(pid: int) -> None:
    """Waits for a process that was killed: jupyter_client would look ten times a second."""
    if not hasattr(os, "pidfd_open"):
        return
    with suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            select.select([descriptor], [], [], _ENDS_WITHIN_S)
        finally:
            os.close(descriptor)


class _ThisInterpreter(KernelSpecManager):
    """Answers every request for a kernelspec with this interpreter, isolated from its working directory."""

    def __init__(self, preload: Sequence[str]) -> None:
        super().__init__()
        self._argv = [*nursery.command(preload), "-f", "{connection_file}"]

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:  # noqa: ARG002 - the signature is jupyter_client's
        """Returns the one kernelspec there is."""
        options = ["--HistoryManager.enabled=False", "--InteractiveShellApp.ignore_cwd=True"]
        return KernelSpec(argv=[*self._argv, *options], display_name="Python 3", language="python")


def _private_folder() -> Path:
    """Makes a folder (0700) whose path is short enough for unix sockets.

    Raises:
        errors.ArchiveFailed: there is no place for it.
    """
    usual = tempfile.gettempdir()
    parent = usual if len(usual) + len(_PREFIX) + 8 <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp is private
    try:
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise atomic.failed(Path(parent) / _PREFIX, error) from error


def _locked(folder: Path) -> IO[str]:
    """Returns the folder's lock, held; it gets its name only then, so nobody finds it free."""
    unnamed = folder / "lock.new"
    stream = unnamed.open("w", encoding="utf-8")
    fcntl.flock(stream, fcntl.LOCK_EX)
    unnamed.rename(folder / "lock")
    return stream


def _sweep() -> None:
    """Removes folders of processes that were killed: a living one holds the lock of its own."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.lstat().st_uid != os.getuid():
                continue
            with (folder / "lock").open("r", encoding="utf-8") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
