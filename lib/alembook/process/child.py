"""What a child does before it becomes its program: drops root, and ties its life to its parent's.

``process`` starts every program through this file, run as a script (``python -I -S child.py ...``): after a fork in a
process with threads (a kernel has many) nothing but exec is safe, so the work is done here, in a process with one
thread. The keeper of the embedded server, which has one thread itself, calls the functions. Standard library only.

Source: Linux manual pages prctl(2), capabilities(7), capset(2).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

CANNOT_RUN = 126
NOT_FOUND = 127

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522


def become(user: int, *, may_override: bool = False) -> None:
    """Turns a process of root into one of ``user``, for good.

    Args:
        user: numeric id with an entry in the passwd database; its group there becomes the only group.
        may_override: keep CAP_DAC_OVERRIDE, and nothing else, through exec: the user then passes folders closed to it.
            Needs CAP_SETPCAP as well, which Docker grants by default.

    Raises:
        OSError: this process may not do that (not root, a capability is missing, the id is not mapped).
        KeyError: the id has no entry.
    """
    group = pwd.getpwuid(user).pw_gid
    if may_override:
        # Keeps capabilities through setuid, and lets access(2) heed them, by which initdb judges its own programs.
        _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if may_override:
        _set_capabilities(1 << _CAP_DAC_OVERRIDE)
        # Permitted equals ambient, so exec is not "secure" to the loader and keeps the death signal.
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE)


def die_with(parent: int, death_signal: int) -> None:
    """Asks the kernel for ``death_signal`` when the *thread* that created this process ends. Linux only.

    Call it after ``become``: a change of user or capabilities clears it. Ends this process at once when the parent
    is gone already.
    """
    if not sys.platform.startswith("linux"):
        return
    _prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        os._exit(128 + death_signal)


def adopt(*, is_on: bool) -> None:
    """Lets this process become the parent of what its children leave behind when they end, or no more. Linux only."""
    _prctl(_PR_SET_CHILD_SUBREAPER, int(is_on))


def _prctl(option: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


def _set_capabilities(mask: int) -> None:
    """Makes ``mask`` (the low 32 capabilities) effective, permitted and inheritable, and nothing else."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")


def _detach() -> None:
    """Goes on in a grandchild that nobody has to wait for; its pid goes to standard output, then output to the log."""
    pid = os.fork()
    if pid:
        os.write(1, str(pid).encode())
        os._exit(0)
    os.setsid()
    os.dup2(2, 1)


def _given_environment() -> dict[bytes, bytes] | None:
    """Returns the environment as it was given; None where there is no ``/proc``.

    This interpreter has changed LC_CTYPE in its own copy when the locale is C (PEP 538). Ask before ``become``, after
    which the file is root's.
    """
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return None
    return {name: value for name, separator, value in (entry.partition(b"=") for entry in entries) if separator}


def _run_program(argv: list[str], environment: dict[bytes, bytes] | None) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if environment is None:
        os.execv(argv[0], argv)  # noqa: S606 - the whole purpose
    os.execve(argv[0], argv, environment)  # noqa: S606 - the whole purpose


def main(arguments: list[str]) -> int:
    """Becomes the program, or says on standard error why not.

    Args:
        arguments: mode (run, detach, probe), parent's pid, death signal (0: none), user ("": stay), "override" or "",
            then the program and its arguments; for probe the paths that must be reachable.

    Returns:
        probe: 0 when every path is readable and may be entered or run, else 1. Else only on failure: 126 or 127.
    """
    mode, parent, death_signal, user, override, *rest = arguments
    environment = _given_environment()
    try:
        if mode == "detach":
            _detach()
        if user:
            become(int(user), may_override=bool(override))
        if mode == "probe":
            return int(not all(os.access(path, os.R_OK | os.X_OK) for path in rest))
        if int(death_signal):
            die_with(int(parent), int(death_signal))
        _run_program(rest, environment)
    except OSError as error:
        sys.stderr.write(f"alembook: cannot run {rest[0]}: {error.strerror}\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN
    except KeyError:
        sys.stderr.write(f"alembook: cannot run {rest[0]}: there is no user with id {user}\n")
    return CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
