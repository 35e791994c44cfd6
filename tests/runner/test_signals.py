"""SIGINT and SIGTERM to a whole runner process: the record is true, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest

from alembook import archive, errors
from alembook.runner import signals
from tests.runner.conftest import is_there, statuses, write_notebook

RUNNER = """
import json, os, sys
from pathlib import Path
from alembook import archive
from alembook.runner import notebook, signals
from alembook.runner.kernels import Kernels
folder = Path(sys.argv[1])
with signals.trapped(), archive.Events(folder / "events.jsonl") as events, Kernels() as kernels:
    kernels.warm(dict(os.environ))
    outcome = notebook.execute(folder / "source.ipynb", folder / "out.ipynb", {}, events=events, kernels=kernels,
                               grace_s=float(sys.argv[2]), is_last=False)
print(json.dumps({"status": outcome.status, "exit_code": outcome.exit_code, "text": str(outcome.failure())}))
sys.exit(outcome.exit_code)
"""
SLEEP = "import time\ntry:\n    time.sleep(60)\nfinally:\n    print('cleaned up', flush=True)"
DEAF = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"


@contextmanager
def runner(folder: Path, source: str, *, grace_s: float = 10) -> Iterator[subprocess.Popen[str]]:
    """Yields a runner whose notebook is in the given cell."""
    write_notebook(folder / "source.ipynb", source, "print('later')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), str(grace_s)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while len([entry for entry in events(folder) if entry["event"] == "cell_started"]) < 2:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "the cell did not start"
            time.sleep(0.05)
        time.sleep(0.3)
        yield process
    finally:
        process.kill()
        process.communicate()


def events(folder: Path) -> list[Any]:
    """Returns the runner's events so far."""
    return list(archive.events.read(folder / "events.jsonl"))


def kernels_of(pid: int) -> list[int]:
    """Returns the processes a runner started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def wait_until_gone(pids: list[int], seconds: float) -> None:
    """Waits until none of the processes is there.

    Raises:
        AssertionError: one is still there after that time.
    """
    deadline = time.monotonic() + seconds
    while any(is_there(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if is_there(pid)]}"
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_the_cell_and_is_recorded(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """The cell can clean up, the record says interrupted, no kernel is left, not even the spare, and no file."""
    with runner(tmp_path, SLEEP) as process:
        started = kernels_of(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, "")
    assert json.loads(out) == {
        "status": "interrupted",
        "exit_code": code,
        "text": f"The run was stopped by {number.name} in out.ipynb, cell 2.\n"
        "  next: Go on with `alembook run --run RUN`; the record says what was done.",
    }
    nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert statuses(nb) == ["succeeded", "interrupted", "not_run"]
    assert nb.cells[1].outputs[0].text == "cleaned up\n"
    assert nb.metadata.alembook.status == "interrupted"
    assert events(tmp_path)[-1]["signal"] == number
    assert len(started) == 3  # the kernel, the spare, and the process both are forked from
    wait_until_gone(started, 1)
    assert not list(tmp_path.glob("alembook-kernels-*"))


def test_a_second_signal_cuts_the_grace_short(tmp_path: Path) -> None:
    """A cell that will not end is killed at once, and the record still ends."""
    with runner(tmp_path, DEAF, grace_s=60) as process:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 143
    recorded = statuses(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert recorded == ["succeeded", "interrupted", "not_run"]


def test_a_killed_runner_leaves_no_kernel_and_no_false_record(tmp_path: Path) -> None:
    """SIGKILL: the kernels end by themselves, and the record says running and pending, never completed."""
    with runner(tmp_path, DEAF) as process:
        started = kernels_of(process.pid)
        process.kill()
        process.wait()
        wait_until_gone(started, 4)
    nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert statuses(nb) == ["succeeded", "running", "pending"]
    assert nb.metadata.alembook.status == "running"


def test_trapped_raises_in_the_main_thread_and_restores_the_handlers() -> None:
    """Within the block a signal is an error of ours; afterwards everything is as before."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(errors.Stopped) as caught, signals.trapped():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_counted_only_counts() -> None:
    """While cleaning up, a signal is noted and nothing else."""
    with signals.counted() as arrived:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
    assert arrived == [signal.SIGINT]


def test_outside_the_main_thread_nothing_is_trapped() -> None:
    """Python allows handlers in the main thread only; a thread's block just runs."""
    ran: list[bool] = []

    def work() -> None:
        with signals.trapped():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [True]
