"""Programs: what they inherit, what of them is read, and that none is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from alembook import errors, process
from alembook.process import child, program
from tests.test_frame import ROOT

ENVIRONMENT = {"PATH": os.defpath}
OURS = {**ENVIRONMENT, "PYTHONPATH": str(ROOT / "lib")}
NOBODY = 65534
IS_ROOT = os.geteuid() == 0


def shell(text: str) -> list[str]:
    """Returns the arguments that run a line of shell."""
    return ["sh", "-c", text]


def until(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Says whether a condition holds before the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid: int) -> bool:
    """Says whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def number_in(path: Path) -> int:
    """Returns the pid that a program writes to a file; waits for it."""
    assert until(lambda: path.exists() and path.read_text().strip().isdigit())
    return int(path.read_text())


@pytest.mark.parametrize("given", [{"A": "b c"}, {"LC_ALL": "C"}, {"LC_CTYPE": "C"}, {}])
def test_environment_is_given_whole(given: dict[str, str]) -> None:
    """A program sees exactly the variables it is given: none of ours, none that the launcher's interpreter sets."""
    done = process.run(["/usr/bin/env"], environment=given)
    assert dict(line.split("=", 1) for line in done.stdout.splitlines()) == given


def test_result_holds_what_was_said() -> None:
    """Both streams, exit code, resolved arguments and time are in the result."""
    done = process.run(shell("echo a; echo b >&2; printf c; exit 3"), environment=ENVIRONMENT)
    assert (done.stdout, done.stderr, done.exit_code, done.timed_out) == ("a\nc", "b", 3, False)
    assert os.path.isabs(done.argv[0])
    assert done.argv[1] == "-c"
    assert 0 < done.seconds < 10


def test_a_signal_is_a_negative_exit_code() -> None:
    """A program that a signal ended says which."""
    assert process.run(shell("kill -USR1 $$"), environment=ENVIRONMENT).exit_code == -signal.SIGUSR1


def test_lines_are_handed_on_as_they_come() -> None:
    """Each line is seen with its stream while the program still runs."""
    seen: list[tuple[str, str, float]] = []
    process.run(
        shell("echo first; sleep 0.3; echo second >&2"),
        environment=ENVIRONMENT,
        on_line=lambda stream, line: seen.append((stream, line, time.monotonic())),
    )
    assert [entry[:2] for entry in seen] == [("stdout", "first"), ("stderr", "second")]
    assert seen[1][2] - seen[0][2] > 0.2


def test_only_the_last_lines_are_kept() -> None:
    """Memory does not grow with the output: the result holds its end, ``on_line`` sees all of it."""
    count = 0

    def take(_stream: str, _line: str) -> None:
        nonlocal count
        count += 1

    done = process.run(shell("seq 1 100000"), environment=ENVIRONMENT, kept_lines=2, on_line=take)
    assert (done.stdout, count) == ("99999\n100000", 100_000)


def test_a_line_without_end_comes_in_pieces() -> None:
    """A megabyte without a newline is not collected into one line."""
    sizes: list[int] = []
    process.run(
        shell("head -c 1000000 /dev/zero | tr '\\0' x"),
        environment=ENVIRONMENT,
        on_line=lambda _stream, line: sizes.append(len(line)),
    )
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= 2 * 65_536


def test_faulty_bytes_are_replaced() -> None:
    """Output that is not UTF-8 is read all the same."""
    assert process.run(shell(r"printf 'a\377b\r\n'"), environment=ENVIRONMENT).stdout == "a\ufffdb"


def test_there_is_no_standard_input() -> None:
    """A program that asks at the terminal reads the end of the file."""
    assert process.run(["cat"], environment=ENVIRONMENT, timeout_s=10).exit_code == 0


def test_signals_are_at_their_defaults() -> None:
    """SIGPIPE, which Python ignores, ends a program as it does at a terminal."""
    done = process.run(shell("grep SigIgn /proc/self/status"), environment=ENVIRONMENT)
    assert int(done.stdout.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_directory_and_descriptors_are_handed_over(tmp_path: Path) -> None:
    """A program works in the folder it is given and finds a descriptor under its number."""
    reader, writer = os.pipe()
    text = f"pwd; echo hello > /dev/fd/{writer}"
    done = process.run(shell(text), environment=ENVIRONMENT, directory=tmp_path, pass_fds=[writer])
    os.close(writer)
    with open(reader, "rb") as told:
        assert told.read() == b"hello\n"
    assert done.stdout == str(tmp_path)


def test_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    """When the time is up, what the program started ends with it."""
    file = tmp_path / "pid"
    done = process.run(shell(f"sleep 100 & echo $! > '{file}'; wait"), environment=ENVIRONMENT, timeout_s=0.5)
    assert (done.timed_out, done.exit_code) == (True, -signal.SIGTERM)
    assert until(lambda: not is_alive(number_in(file)))


def test_timeout_ends_a_program_that_will_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ignored is SIGKILL a little later."""
    monkeypatch.setattr(program, "_GRACE_S", 0.2)
    done = process.run(shell("trap '' TERM; sleep 100 & wait; wait"), environment=ENVIRONMENT, timeout_s=0.3)
    assert (done.timed_out, done.exit_code) == (True, -signal.SIGKILL)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_leaves_nothing_running(tmp_path: Path, error: type[BaseException]) -> None:
    """Ctrl-C, or an error of ``on_line``, ends the program before it goes on."""
    file = tmp_path / "pid"

    def interrupt(_stream: str, _line: str) -> None:
        raise error

    with pytest.raises(error):
        process.run(
            shell(f"sleep 100 & echo $! > '{file}'; echo now; wait"), environment=ENVIRONMENT, on_line=interrupt
        )
    assert until(lambda: not is_alive(number_in(file)))


def test_a_program_left_in_the_background_is_ended(tmp_path: Path) -> None:
    """Who ends and leaves another holding its output is not waited for, and the other is ended."""
    file = tmp_path / "pid"
    done = process.run(shell(f"sleep 100 & echo $! > '{file}'"), environment=ENVIRONMENT)
    assert (done.exit_code, done.timed_out) == (0, False)
    assert done.seconds < 10
    assert until(lambda: not is_alive(number_in(file)))


def test_missing_program_by_name() -> None:
    """A program that PATH does not have is named with that PATH."""
    with pytest.raises(errors.ToolMissing) as caught:
        process.run(["no-such-program"], environment={"PATH": "/usr/bin:/bin"})
    assert str(caught.value) == (
        "The program no-such-program was not found.\n"
        "  why:  there is no executable file of this name in PATH (/usr/bin:/bin).\n"
        "  next: Install it, or correct the path where it is configured."
    )


def test_missing_program_by_path() -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(errors.ToolMissing) as caught:
        process.start(["/no/such/program"], environment={})
    assert str(caught.value) == (
        "The program /no/such/program was not found.\n"
        "  why:  there is no executable file of this name.\n"
        "  next: Install it, or correct the path where it is configured."
    )


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    """What cannot be executed ends with 126 and says why."""
    file = tmp_path / "broken"
    file.write_bytes(b"\x7fELF")
    file.chmod(0o755)
    done = process.run([str(file)], environment={})
    assert done.exit_code == child.CANNOT_RUN
    assert done.stderr == f"alembook: cannot run {file}: Exec format error"


def test_another_user() -> None:
    """Root runs a program as somebody else, without capabilities; who is not root is told that he cannot."""
    done = process.run(shell("id -u; id -G; grep CapEff /proc/self/status"), environment=ENVIRONMENT, user=NOBODY)
    if IS_ROOT:
        user, groups, capabilities = done.stdout.splitlines()
        assert (user, groups, int(capabilities.split()[1], 16)) == (str(NOBODY), str(NOBODY), 0)
    else:
        assert done.exit_code == child.CANNOT_RUN
        assert "Operation not permitted" in done.stderr


def test_another_user_who_passes_closed_folders(tmp_path: Path) -> None:
    """With ``may_override`` another user keeps the one capability that opens folders closed to him."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "file").write_text("seen")
    assert process.can_reach([closed / "file"], user=NOBODY) is False
    assert process.can_reach([closed], user=NOBODY, may_override=True) is IS_ROOT
    read = ["cat", str(closed / "file")]
    done = process.run(read, environment=ENVIRONMENT, user=NOBODY, may_override=True)
    assert done.stdout == ("seen" if IS_ROOT else "")


def test_a_started_program_goes_on_and_is_ended(tmp_path: Path) -> None:
    """A started program writes to its file, is waited for in vain, and ends with the ``with`` block."""
    log = tmp_path / "log"
    log.write_text("before\n")
    with process.start(shell("echo out; echo err >&2; sleep 100"), environment=ENVIRONMENT, stdout=log) as running:
        assert until(lambda: log.read_text().endswith("err\n"))
        assert (running.poll(), running.wait(0.05)) == (None, None)
        assert is_alive(running.pid)
    assert log.read_text() == "before\nout\nerr\n"
    assert running.poll() == -signal.SIGTERM
    assert running.terminate() == running.kill() == -signal.SIGTERM


def test_streams_may_go_to_two_places(tmp_path: Path) -> None:
    """Stderr has a place of its own when one is given; a descriptor serves as well as a file."""
    out, err = tmp_path / "out", tmp_path / "err"
    with err.open("ab") as file:
        running = process.start(
            shell("echo out; echo err >&2"), environment=ENVIRONMENT, stdout=out, stderr=file.fileno()
        )
        assert running.wait(10) == 0
    assert (out.read_text(), err.read_text()) == ("out\n", "err\n")


def test_a_program_dies_with_its_parent(tmp_path: Path) -> None:
    """SIGKILL of who started a program ends the program."""
    file = tmp_path / "pid"
    text = (
        "import sys, time; from alembook import process\n"
        "running = process.start(['sleep', '100'], environment={'PATH': '/usr/bin:/bin'})\n"
        "open(sys.argv[1], 'w').write(str(running.pid)); time.sleep(100)"
    )
    parent = process.start([sys.executable, "-c", text, str(file)], environment=OURS)
    pid = number_in(file)
    assert is_alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    assert until(lambda: not is_alive(pid))
    assert parent.wait(10) == -signal.SIGKILL


def test_a_detached_program_outlives_its_parent(tmp_path: Path) -> None:
    """A detached program goes on in a session of its own when who started it is gone, and writes to its log."""
    file, log = tmp_path / "pid", tmp_path / "log"
    text = (
        "import sys; from pathlib import Path; from alembook import process\n"
        "pid = process.detach(['sh', '-c', 'sleep 0.5; echo here; sleep 100'], directory=Path('/'),\n"
        "    environment={'PATH': '/usr/bin:/bin'}, log=Path(sys.argv[2]))\n"
        "open(sys.argv[1], 'w').write(str(pid))"
    )
    done = process.run([sys.executable, "-c", text, str(file), str(log)], environment=OURS)
    assert (done.exit_code, done.stderr) == (0, "")
    pid = number_in(file)
    try:
        assert until(lambda: log.read_text() == "here\n")
        assert os.getsid(pid) == os.getpgid(pid) == pid
    finally:
        os.killpg(pid, signal.SIGKILL)
    assert until(lambda: not is_alive(pid))
