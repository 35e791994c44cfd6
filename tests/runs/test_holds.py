"""A hold: the run waits between two stages until people say that they did what it waits for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.conftest import ROOT, Workplace, environment

HOLD = 'before="0e154742a5fa",\n    hold="deploy the pool",'


@pytest.fixture
def held(workplace: Workplace) -> Workplace:
    """Returns a workplace whose backfill ends in a hold."""
    path = workplace.folder / "migrations/backfills/provider_credentials.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('before="0e154742a5fa",', HOLD), encoding="utf-8")
    return workplace


def statements(run: Path) -> list[dict[str, object]]:
    """Returns what people said about a run."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((run / "approvals").glob("*.json"))]


def test_a_run_waits_at_a_hold_until_people_release_it(held: Workplace) -> None:
    """Exit 7 after the first stage, again without a release; `continue` records who and what; then it ends with 0."""
    stopped = held.alembook("run", "-t", "demo")
    run = held.runs()[-1]
    assert stopped.returncode == 7, stopped.stdout + stopped.stderr
    assert stopped.stderr.endswith(
        f"Run {run.name} waits at the hold 'deploy the pool', after stage 1 of 2.\n"
        f"  why:  the application must be ready for what follows: {', '.join(following(run))}.\n"
        f"  next: Do what the hold says (deploy the pool). Then `alembook continue {run.name} --confirm TEXT`, with a "
        f"text that says what was done, and `alembook run --run {run.name}`.\n"
    )
    assert held.receipt("manifest.json")["outcome"] == "waiting"
    assert held.ask("SELECT version_num FROM alembic_version") == "f161ed2aafe0"
    again = held.alembook("run", "--run", run.name)
    assert again.returncode == 7, again.stdout + again.stderr
    released = held.alembook("continue", run.name[-6:], "--confirm", "api 2.3 deployed, CHG-7")
    assert released.returncode == 0, released.stderr
    assert released.stdout.splitlines()[0].endswith("the hold 'deploy the pool' is released.")
    (said,) = statements(run)
    assert (said["statement"], said["stage"], said["text"]) == ("release", 1, "api 2.3 deployed, CHG-7")
    assert said["by"]
    done = held.alembook("run", "--run", run.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert held.receipt("manifest.json")["releases"][0]["text"] == "api 2.3 deployed, CHG-7"


def following(run: Path) -> list[str]:
    """Returns the revisions of a run's second stage."""
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))["plan"]
    return [str(revision) for revision in plan["stages"][1]["revisions"]]


def test_a_notebook_waits_too(held: Workplace) -> None:
    """The step itself refuses when papermill runs it: nothing is applied."""
    held.alembook("run", "-t", "demo")
    parameters = ["-p", "target", "demo", "-r", "run_id", held.runs()[-1].name, "-p", "stage", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(ROOT / "runbooks/40_upgrade.ipynb"), "out.ipynb", *parameters],
        cwd=held.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 1
    assert "waits at the hold 'deploy the pool', after stage 1 of 2." in done.stderr
    assert held.ask("SELECT version_num FROM alembic_version") == "f161ed2aafe0"


def test_there_is_nothing_to_release(held: Workplace) -> None:
    """Before the stage is done, without a text, or where no hold is: exit 2, and what is so."""
    planned = held.alembook("run", "-t", "demo", "--through", "backup")
    assert planned.returncode == 0, planned.stderr
    run = held.runs()[-1].name
    early = held.alembook("continue", run, "--confirm", "done")
    assert (early.returncode, early.stderr.splitlines()[:2]) == (
        2,
        [
            f"Run {run} waits at no hold.",
            "  why:  its plan has 'deploy the pool' after stage 1; none released, none is reached.",
        ],
    )
    empty = held.alembook("continue", run, "--confirm", " ")
    assert (empty.returncode, empty.stderr.splitlines()[0]) == (2, "--confirm needs a text.")
    assert not (held.runs()[-1] / "approvals").exists()


def test_a_failed_check_is_waived_by_its_name(workplace: Workplace) -> None:
    """A closed gate opens for a check that was named with a reason; the record and the page show it."""
    checks = workplace.folder / "migrations" / "checks.toml"
    text = '\n[[none]]\nname = "no tenant at all"\nquery = "SELECT id FROM tenants"\n'
    checks.write_text(checks.read_text(encoding="utf-8") + text, encoding="utf-8")
    failed = workplace.alembook("run", "-t", "demo")
    assert failed.returncode == 3, failed.stdout + failed.stderr
    run = workplace.runs()[-1]

    def waive(name: str, *more: str) -> tuple[int, str]:
        done = workplace.alembook("run", "--run", run.name, "--waive", name, *more)
        return done.returncode, done.stderr.splitlines()[0] if done.stderr else ""

    assert waive("no tenant at all") == (2, "--waive CHECK and --reason TEXT go together.")
    assert waive("no tenants", "--reason", "x") == (2, f"Run {run.name} has no check 'no tenants' to waive.")
    assert waive("the server takes writes", "--reason", "x") == (2, "'the server takes writes' is PASSED.")
    assert not (run / "approvals").exists()
    done = workplace.alembook("run", "--run", run.name, "--waive", "no tenant at all", "--reason", "they are test data")
    assert done.returncode == 0, done.stdout + done.stderr
    (said,) = statements(run)
    assert (said["statement"], said["check"], said["reason"]) == ("waiver", "no tenant at all", "they are test data")
    manifest = workplace.receipt("manifest.json")
    assert (manifest["outcome"], manifest["waivers"][0]["check"]) == ("done", "no tenant at all")
    page = (run / "60_verify.html").read_text(encoding="utf-8")
    assert "FAILED  no tenant at all" in page[: page.index("Where am I")]
    assert "waived: they are test data" in page[: page.index("Where am I")]


def test_a_waiver_is_given_after_it_was_seen(workplace: Workplace) -> None:
    """A new run has no check to waive: exit 2, nothing begun."""
    done = workplace.alembook("run", "-t", "demo", "--waive", "anything", "--reason", "x")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "--waive needs --run RUN.")
    assert not workplace.runs()
