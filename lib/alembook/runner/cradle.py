"""The process that kernels are forked from: it has imported what every kernel needs, and runs no notebook itself.

Run as a script by ``nursery`` (``python -P cradle.py CONTROL PARENT MODULE...``). Each line it gets on CONTROL, a
socket, is what one kernel is to be: {"arguments", "log"}; it answers with a pid. The kernel is a grandchild whose
parent has ended, so the runner, which adopts it meanwhile, is its parent: it reaps it, and ipykernel ends when it is
gone.

Nothing runs here before a fork, so there is one thread and nothing to inherit but imported modules. With "" for CONTROL
(and PARENT), and what the one kernel is to be behind "--", it becomes that kernel itself.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

_ADOPTED_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.002


def main(arguments: Sequence[str]) -> None:
    """Imports, and becomes a kernel: in this process, or in each one forked from it."""
    control, parent, *rest = arguments
    names, _, own = (rest, "", []) if control else _parted(rest)
    gc.disable()  # importing makes objects and no garbage
    for name in names:
        with suppress(ImportError):
            import_module(name)
    application = import_module("ipykernel.kernelapp").IPKernelApp
    gc.freeze()  # what forked processes have in common is not written to, and so not copied
    gc.enable()
    if control:
        own = _born(socket.socket(fileno=int(control)), int(parent))
    sys.argv = ["-c", *own]
    application.launch_instance(own)


def _parted(rest: Sequence[str]) -> tuple[Sequence[str], str, list[str]]:
    at = list(rest).index("--")
    return rest[:at], "--", list(rest[at + 1 :])


def _born(control: socket.socket, parent: int) -> list[str]:
    """Returns, in a forked process, the arguments of its kernel; this one ends when nobody asks any more."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # numpy keeps a thread of its own, and forks well
    control.sendall(b"ready\n")
    with control.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            pid = _fork()
            if pid:
                control.sendall(f"{pid}\n".encode())
                continue
            control.close()
            return _settled(json.loads(line), parent)
    os._exit(0)


def _fork() -> int:
    """Returns the pid of a new grandchild, whose own parent has ended; 0 in the grandchild."""
    reading, writing = os.pipe()
    middle = os.fork()
    if middle:
        os.close(writing)
        os.waitpid(middle, 0)
        with os.fdopen(reading) as stream:
            return int(stream.read())
    os.close(reading)
    pid = os.fork()
    if pid:
        os.write(writing, str(pid).encode())
        os._exit(0)
    os.close(writing)
    return 0


def _settled(request: dict[str, Any], parent: int) -> list[str]:
    """Makes the new process a session's leader with its own log, waits for its parent, and returns its arguments."""
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    deadline = time.monotonic() + _ADOPTED_WITHIN_S
    while os.getppid() != parent:
        if time.monotonic() > deadline:
            os._exit(1)
        time.sleep(_LOOK_EVERY_S)
    return list(request["arguments"])


if __name__ == "__main__":
    main(sys.argv[1:])
