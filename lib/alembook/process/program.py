"""Run a program to its end, start one that goes on, or detach one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from alembook import errors
from alembook.process import child
from alembook.process.output import OnLine, Output

Sink: TypeAlias = Path | int | None

_GRACE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that has ended.

    Attributes:
        argv: as it was run, the program as an absolute path.
        exit_code: negative: the signal that ended it.
        stdout: its last lines.
        stderr: its last lines.
        seconds: from start to end.
        timed_out: True when we ended it because its time was up.
    """

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False


class Running:
    """A program that goes on. As a context manager it is ended on the way out."""

    def __init__(self, popen: subprocess.Popen[bytes], argv: tuple[str, ...]) -> None:
        self.argv = argv
        self.pid = popen.pid
        self._popen = popen

    def poll(self) -> int | None:
        """Returns the exit code, or None while it runs."""
        return self._popen.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Returns the exit code, or None when the time is up first."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self, grace_s: float = _GRACE_S) -> int:
        """Ends the whole process group: SIGTERM, after ``grace_s`` seconds SIGKILL. Returns the exit code."""
        if self.poll() is None:
            _signal_group(self.pid, signal.SIGTERM)
            self.wait(grace_s)
        return self.kill()

    def kill(self) -> int:
        """Ends the whole process group with SIGKILL, and returns the exit code. Nothing happens to one that ended."""
        _signal_group(self.pid, signal.SIGKILL)
        return self._popen.wait()

    def __enter__(self) -> Running:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it when it still runs."""
        self.terminate()


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    timeout_s: float | None = None,
    pass_fds: Collection[int] = (),
    on_line: OnLine | None = None,
    user: int | None = None,
    may_override: bool = False,
    kept_lines: int = 2_000,
    death_signal: int = signal.SIGKILL,
) -> Finished:
    """Runs a program to its end.

    Args:
        argv: program (a path, or a name looked up in the PATH of ``environment``) and arguments.
        environment: the whole environment of the program.
        directory: its working directory; ours when not given.
        timeout_s: after this the process group is ended: SIGTERM, 5 seconds later SIGKILL.
        pass_fds: descriptors it inherits under their numbers.
        on_line: called in this thread with "stdout" or "stderr" and each line (UTF-8, faulty bytes replaced; one over
            64 KiB comes in pieces). When it raises, the program is ended and the error goes on.
        user: numeric id to run as; only for root, see ``child.become``.
        may_override: with ``user``, keep CAP_DAC_OVERRIDE.
        kept_lines: how many last lines of each stream the result holds; memory is bounded by it.
        death_signal: what the program gets when the calling thread ends.

    Raises:
        errors.ToolMissing: there is no such program.
    """
    program = _resolved(argv, environment)
    popen = _launch(
        program,
        environment,
        user=user,
        may_override=may_override,
        death_signal=death_signal,
        directory=directory,
        pass_fds=pass_fds,
    )
    with popen, contextlib.closing(Output(popen, kept_lines, on_line)) as output:
        timed_out = _await_end(popen, output, timeout_s)
    return Finished(
        argv=program,
        exit_code=popen.returncode,
        stdout=output.text("stdout"),
        stderr=output.text("stderr"),
        seconds=output.seconds(),
        timed_out=timed_out,
    )


def _await_end(popen: subprocess.Popen[bytes], output: Output, timeout_s: float | None) -> bool:
    """Waits for a program, ends it when its time is up, and says whether that was needed."""
    try:
        timed_out = not output.until_end(timeout_s)
        if timed_out:
            _signal_group(popen.pid, signal.SIGTERM)
            output.until_end(_GRACE_S)
        return timed_out
    finally:  # at Ctrl-C and an error of on_line too: nothing is left running
        if popen.poll() is None or output.is_open:
            _signal_group(popen.pid, signal.SIGKILL)


def start(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
    pass_fds: Collection[int] = (),
    stdout: Sink = None,
    stderr: Sink = None,
    death_signal: int = signal.SIGKILL,
) -> Running:
    """Starts a program that goes on, and dies with the calling thread at the latest.

    Args:
        argv: as for ``run``; so are the arguments not named here.
        environment: the whole environment of the program.
        directory: its working directory.
        pass_fds: descriptors it inherits under their numbers.
        stdout: a file to append to, a descriptor, or None: nowhere.
        stderr: the same; None: where stdout goes.
        death_signal: what it gets when the calling thread ends.

    Raises:
        errors.ToolMissing: there is no such program.
    """
    program = _resolved(argv, environment)
    with _sink(stdout) as out, _sink(stderr) as err:
        popen = _launch(
            program,
            environment,
            death_signal=death_signal,
            directory=directory,
            pass_fds=pass_fds,
            stdout=out,
            stderr=subprocess.STDOUT if stderr is None else err,
        )
    return Running(popen, program)


def detach(argv: Sequence[str], *, environment: Mapping[str, str], directory: Path, log: Path) -> int:
    """Starts a program that outlives us, in a session of its own, and returns its pid.

    It is nobody's child (init adopts it), so nobody has to wait for it.

    Args:
        argv: as for ``run``.
        environment: the whole environment of the program.
        directory: its working directory.
        log: file that its stdout and stderr are appended to.

    Raises:
        errors.ToolMissing: there is no such program.
    """
    program = _resolved(argv, environment)
    with (
        _sink(log) as err,
        _launch(program, environment, mode="detach", directory=directory, stdout=subprocess.PIPE, stderr=err) as popen,
    ):
        return int(popen.communicate()[0])


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Adopts, while the block lasts, what a child of ours leaves behind when it ends: it is our child then. Linux only.

    Raises:
        OSError: the system cannot do that.
    """
    child.adopt(is_on=True)
    try:
        yield
    finally:
        child.adopt(is_on=False)


def can_reach(paths: Iterable[Path], *, user: int, may_override: bool = False) -> bool:
    """Says whether ``user`` could read and enter (or run) each path; only for root.

    False too when this process may not become that user, or not with CAP_DAC_OVERRIDE.
    """
    with _launch([str(path) for path in paths], {}, mode="probe", user=user, may_override=may_override) as popen:
        popen.communicate()
        return popen.returncode == 0


def _resolved(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    path = environment.get("PATH", os.defpath)
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise errors.ToolMissing(
            f"The program {argv[0]} was not found.",
            why="there is no executable file of this name" + ("." if os.sep in argv[0] else f" in PATH ({path})."),
            next="Install it, or correct the path where it is configured.",
        )
    return (os.path.abspath(program), *argv[1:])


def _launch(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    mode: str = "run",
    user: int | None = None,
    may_override: bool = False,
    death_signal: int = 0,
    directory: Path | None = None,
    pass_fds: Collection[int] = (),
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Starts ``child.py``, which becomes the program."""
    told = (mode, os.getpid(), int(death_signal), "" if user is None else user, "override" if may_override else "")
    return subprocess.Popen(
        [sys.executable, "-I", "-S", child.__file__, *map(str, told), *argv],
        env=dict(environment),
        cwd=directory,
        pass_fds=tuple(pass_fds),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        bufsize=0,
        start_new_session=True,
    )


@contextlib.contextmanager
def _sink(sink: Sink) -> Iterator[int]:
    """Yields the descriptor a program writes to."""
    if isinstance(sink, Path):
        with sink.open("ab") as file:
            yield file.fileno()
    else:
        yield subprocess.DEVNULL if sink is None else sink


def _signal_group(pid: int, number: int) -> None:
    """Sends a signal to the process group the program leads, as far as anybody of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
