"""Runs that are cut off: what the exit code and the record say, and that going on loses and repeats nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.runs.conftest import Workplace, environment

Finished = tuple[Workplace, subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.xdist_group("finished")
PATIENCE_S = 300


def events(place: Workplace, writer: str) -> list[dict[str, Any]]:
    """Returns what a writer has put down so far in the latest run."""
    paths = [path for run in place.runs()[-1:] for path in run.glob(f"events/{writer}.jsonl")]
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    return [json.loads(line) for line in lines]


def waited_for(place: Workplace, writer: str, event: str, running: subprocess.Popen[str]) -> dict[str, Any]:
    """Returns the first event of that name, as soon as it is there."""
    for _ in ticks(running):
        found = [entry for entry in events(place, writer) if entry["event"] == event]
        if found:
            return found[0]
    raise AssertionError(f"no {event}: {running.communicate()}")


def ticks(running: subprocess.Popen[str]) -> Iterator[None]:
    """Yields every few milliseconds while a process runs."""
    deadline = time.monotonic() + PATIENCE_S
    while running.poll() is None and time.monotonic() < deadline:
        yield
        time.sleep(0.003)


def begun(place: Workplace) -> subprocess.Popen[str]:
    """Starts a run."""
    return subprocess.Popen(
        place.command("run", "-t", "demo"),
        cwd=place.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kernel_of(place: Workplace) -> int:
    """Returns the pid of the kernel at work."""
    return int([entry for entry in events(place, "runner") if entry["event"] == "notebook_started"][-1]["kernel_pid"])


def nothing_runs_on_the_server(place: Workplace) -> bool:
    """Says whether no backend of a run is left."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'alembook%' AND datname = current_database()"
    )
    return int(place.ask(query)) == 0


def goes_on(place: Workplace, run: Path) -> str:
    """Goes on with a run to its end and returns what the terminal showed."""
    done = place.alembook("run", "--run", run.name)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("writer", "event", "notebook", "standing"),
    [
        ("40_upgrade.s1.agent", "revision_committed", "40_upgrade.s1", " of 8 revisions of the plan are applied"),
        ("50_backfill.s1.kernel", "backfill_batch", "50_backfill.s1", "2 of 8 revisions of the plan are applied"),
    ],
)
def test_a_killed_kernel_is_no_success_and_loses_nothing(
    finished: Finished, workplace: Workplace, writer: str, event: str, notebook: str, standing: str
) -> None:
    """SIGKILL in the middle of a step: exit 5, the record says so, `--run` finishes with equal contents."""
    running = begun(workplace)
    waited_for(workplace, writer, event, running)
    os.kill(kernel_of(workplace), signal.SIGKILL)
    stdout, stderr = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 5, stdout + stderr
    assert f"The kernel died: {notebook}.ipynb" in stderr
    assert standing in stdout
    run = workplace.runs()[-1]
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["outcome"], manifest["exit_code"]) == ("interrupted", 5)
    assert standing in manifest["standing"]
    cells = json.loads((run / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    statuses = [cell["metadata"].get("papermill", {}).get("status") for cell in cells if cell["cell_type"] == "code"]
    assert "kernel_died" in statuses
    assert "completed" not in statuses
    assert nothing_runs_on_the_server(workplace)
    assert f"{notebook}.a2.ipynb" in goes_on(workplace, run)
    assert workplace.contents() == finished[0].contents()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_run_and_cleans_up(workplace: Workplace, number: signal.Signals, code: int) -> None:
    """SIGTERM and SIGINT end with their own codes, nothing runs on, and the record says stopped."""
    running = begun(workplace)
    waited_for(workplace, "20_backup.kernel", "dump_started", running)
    kernel = kernel_of(workplace)
    running.send_signal(number)
    stdout, stderr = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == code, stdout + stderr
    assert f"The run was stopped by {number.name}" in stderr
    assert workplace.receipt("manifest.json")["outcome"] == "stopped"
    assert nothing_runs_on_the_server(workplace)
    assert not Path(f"/proc/{kernel}").exists()


def test_a_killed_runner_leaves_no_kernel_and_can_be_gone_on_with(finished: Finished, workplace: Workplace) -> None:
    """SIGKILL of the runner: kernel and agent end by themselves; `show` says interrupted; `--run` finishes."""
    running = begun(workplace)
    waited_for(workplace, "50_backfill.s1.kernel", "backfill_batch", running)
    kernel = kernel_of(workplace)
    running.kill()
    running.communicate(timeout=PATIENCE_S)
    deadline = time.monotonic() + 15
    while Path(f"/proc/{kernel}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{kernel}").exists()
    run = workplace.runs()[-1]
    shown = json.loads(workplace.alembook("show", "--json").stdout)
    assert shown["outcome"] == "interrupted"
    goes_on(workplace, run)
    assert workplace.contents() == finished[0].contents()


def test_a_second_run_on_the_target_is_refused(workplace: Workplace) -> None:
    """While a run holds the target another one ends with exit 6 and names the backend that holds it."""
    running = begun(workplace)
    waited_for(workplace, "runner", "notebook_started", running)
    second = workplace.alembook("run", "-t", "demo")
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=PATIENCE_S)
    assert second.returncode == 6, second.stderr
    assert second.stderr.startswith(f"Another run holds {workplace.database.dbname}.\n  why:  backend ")
    assert len(workplace.runs()) == 1
