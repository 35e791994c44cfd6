"""Where kernels come from: one process imports what all of them need, and each is forked from it in a moment.

Importing takes a kernel three quarters of a second of a core, forking a few milliseconds. See ``cradle``.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from alembook import errors, process
from alembook.runner import cradle

_STEPS = ("inspection", "backup", "rehearsal", "upgrade", "backfill", "verification", "rollback")
#: What the runbooks import.
NEEDED = (*(f"alembook.steps.{name}" for name in _STEPS), "matplotlib.figure", "matplotlib.backends.backend_agg")
#: A nursery that has not answered by then is given up.
_ANSWERS_WITHIN_S = 60.0
_LOG_BYTES = 8192
#: Adoption of a grandchild is Linux's.
IS_POSSIBLE = sys.platform.startswith("linux")


def command(names: Sequence[str]) -> list[str]:
    """Returns the beginning of a command line that becomes one kernel by itself; the kernel's own arguments follow."""
    return [sys.executable, "-P", cradle.__file__, "", "", *names, "--"]


class Nursery:
    """A process with everything imported, ready to become kernels.

    Args:
        names: modules it imports; one that cannot be imported is left out.
        environment: its environment, whole, and that of its kernels.
        directory: where they work.
        log: what it writes itself.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, names: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> None:
        self._log = log
        self._is_ready = self._has_failed = False
        with ExitStack() as stack:
            self._control, theirs = (stack.enter_context(each) for each in socket.socketpair())
            argv = [sys.executable, "-P", cradle.__file__, str(theirs.fileno()), str(os.getpid()), *names]
            self._running = process.start(
                argv,
                environment={**environment, "JPY_PARENT_PID": str(os.getpid())},
                directory=directory,
                pass_fds=(theirs.fileno(),),
                stdout=log,
            )
            stack.pop_all()
            theirs.close()
        self._control.settimeout(_ANSWERS_WITHIN_S)
        self._answers = self._control.makefile("r", encoding="utf-8")

    def is_alive(self) -> bool:
        """Says whether it still runs, and answers."""
        return not self._has_failed and self._running.poll() is None

    def is_ready(self) -> bool:
        """Says whether it has imported everything by now: a kernel would be there at once."""
        if not self._is_ready and select.select([self._control], [], [], 0)[0]:
            self._is_ready = self._answer() == "ready"
        return self._is_ready

    def bear(self, arguments: Sequence[str], log: Path) -> Born:
        """Returns a new kernel, a child of this process.

        Args:
            arguments: of ipykernel.
            log: what the kernel writes outside any cell.

        Raises:
            errors.NotebookFailed: the process ended instead, or did not answer.
        """
        if not self._is_ready:
            self._is_ready = self._answer() == "ready"
        request = json.dumps({"arguments": list(arguments), "log": str(log)}).encode() + b"\n"
        with process.adopting():
            with suppress(BrokenPipeError):  # then there is no answer either
                self._control.sendall(request)
            return Born(int(self._answer()))

    def _answer(self) -> str:
        try:
            found = self._answers.readline().strip()
        except OSError:
            found = ""
        if not found:
            self._has_failed = True
            raise errors.NotebookFailed(
                "A kernel could not be started.",
                why="the process it is forked from ended, or did not answer.",
                next="Run again; if it stays so, look at what it wrote.",
                state="nothing was begun.",
                evidence={"its last words": self._last_words()},
            )
        return found

    def _last_words(self) -> str:
        with suppress(OSError):
            return self._log.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace").strip()
        return ""

    def end(self) -> None:
        """Ends it; its kernels go on."""
        self._running.kill()
        self._answers.close()
        self._control.close()


class Born:
    """A kernel's process, as jupyter_client knows one: what it uses of ``subprocess.Popen``."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns its exit code, or None while it runs; a process that has ended is reaped."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        """Waits for its end and returns its exit code."""
        return self._wait(0)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, options)
            except ChildProcessError:
                self.returncode = 0
            else:
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends it a signal while it is there."""
        if self.poll() is None:
            os.kill(self.pid, number)


#: Returns a kernel for the arguments of ipykernel.
Bear = Callable[[Sequence[str]], Born]


class Provisioner(LocalProvisioner):
    """Gives jupyter_client a kernel of a nursery instead of a new program."""

    bear: Bear

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Lets the kernel be born; what the command line says of the interpreter is the nursery's already."""
        arguments = cmd[cmd.index("--") + 1 :]
        born = self.bear(arguments)
        self.process = born  # type: ignore[assignment]
        self.pid = self.pgid = born.pid
        self.cwd = kwargs.get("cwd")
        return self.connection_info
