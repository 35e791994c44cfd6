"""``runs`` and ``show``: looking back, from the archive alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alembook import archive, cli
from alembook.archive import Ending, RunFolder

STEPS = [
    {"step": "inspect", "stage": 0, "notebook": "10_inspect.ipynb", "verdict": "PASSED", "seconds": 1.5},
    {"step": "verify", "stage": 0, "notebook": "60_verify.ipynb", "verdict": "FAILED", "seconds": 0.5},
]
FAILED = Ending(
    outcome="failed",
    exit_code=3,
    message="verify: the gate is closed by 1 of 4 checks.",
    steps=STEPS,
    facts={"standing": "at e8446f481c1e"},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Returns an alembook.toml with two targets and an archive in a folder of its own."""
    path = tmp_path / "alembook.toml"
    target = 'database = "env:NEVER_SET"\nproject = "migrations"\n'
    path.write_text(f'[archive]\npath = "record"\n[targets.demo]\n{target}[targets.shop]\n{target}', encoding="utf-8")
    return path


@pytest.fixture
def run(file: Path) -> RunFolder:
    """Returns a run whose verification failed."""
    folder = archive.begin(file.parent / "record", "demo", to="head", change_id="CHG-1")
    (folder.path / "10_inspect.html").touch()
    archive.close(folder, FAILED)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Runs a command and returns what it printed."""
    assert cli.execute(arguments) == code
    out, err = capsys.readouterr()
    return err if code else out


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Runs a command with --json and returns the value."""
    return json.loads(said(capsys, *arguments, "--json"))


def test_no_runs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive that is not there yet has none."""
    assert said(capsys, "runs", "--config", str(file)) == "no runs yet\n"
    assert told(capsys, "runs", "--config", str(file)) == []


def test_runs(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a run, whole: id, target, what was asked, how it ended, who, when."""
    lines = said(capsys, "runs", "--config", str(file)).splitlines()
    request = run.request()
    assert [line.split() for line in lines] == [
        ["run", "target", "to", "outcome", "exit_code", "by", "at", "link"],
        [run.run_id, "demo", "head", "failed", "3", request["by"], request["at"]],
    ]


def test_runs_of_a_target(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Others are left out; a target that is not configured is refused."""
    assert [entry["run"] for entry in told(capsys, "runs", "-t", "demo", "--config", str(file))] == [run.run_id]
    assert told(capsys, "runs", "-t", "shop", "--config", str(file)) == []
    assert said(capsys, "runs", "-t", "prod", "--config", str(file), code=2) == (
        "alembook.toml has no target 'prod'.\n"
        f"  why:  {file} defines: demo, shop.\n"
        "  next: Name one of them, or add a [targets.NAME] table.\n"
    )


def test_how_a_run_stands(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Closed, cut off, or going on: a run without a record is interrupted when nobody writes into it."""
    other = archive.begin(file.parent / "record", "shop", to="e8446f481c1e")

    def outcomes() -> dict[str, tuple[str, int | None]]:
        found = told(capsys, "runs", "--config", str(file))
        return {entry["run"]: (entry["outcome"], entry["exit_code"]) for entry in found}

    assert outcomes() == {run.run_id: ("failed", 3), other.run_id: ("interrupted", None)}
    with other.events("runner"):
        assert outcomes()[other.run_id] == ("running", None)
    archive.close(other, Ending(outcome="done", exit_code=0))
    assert outcomes()[other.run_id] == ("done", 0)


def test_show(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked, what was done, where the pages are, and why it stopped."""
    request = run.request()
    shown = said(capsys, "show", run.run_id[-6:], "--config", str(file))
    facts, steps, message = shown.split("\n\n")
    assert [line.rstrip().split(maxsplit=1) for line in facts.splitlines()] == [
        ["run", run.run_id],
        ["target", "demo"],
        ["to", "head"],
        ["by", request["by"]],
        ["at", request["at"]],
        ["outcome", "failed"],
        ["exit_code", "3"],
        ["standing", "at e8446f481c1e"],
        ["folder", str(run.path)],
    ]
    assert [line.split() for line in steps.splitlines()] == [
        ["step", "stage", "verdict", "seconds", "page"],
        ["inspect", "0", "PASSED", "1.5", str(run.path / "10_inspect.html")],
        ["verify", "0", "FAILED", "0.5"],
    ]
    assert message == "verify: the gate is closed by 1 of 4 checks.\n"


def test_show_for_programs(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, with the whole change record; ``latest`` is the default."""
    found = told(capsys, "show", "--config", str(file))
    assert found["run"] == run.run_id
    assert [step["page"] for step in found["steps"]] == [str(run.path / "10_inspect.html"), ""]
    assert found["manifest"] == run.manifest()


def test_show_a_run_that_goes_on(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was begun is read from the events; what is not recorded is said to be so."""
    run = archive.begin(file.parent / "record", "demo", to="head")
    with run.events("runner") as events:
        events.write("notebook_started", notebook="10_inspect.ipynb")
        found = told(capsys, "show", "--config", str(file))
    assert (found["outcome"], found["manifest"]) == ("running", None)
    assert found["standing"] == "not recorded; `alembook run --run` asks the database"
    assert [(step["step"], step["verdict"]) for step in found["steps"]] == [("10_inspect.ipynb", "begun")]


def test_show_every_sitting(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """The steps of all sittings in their order; what a later one found done is not repeated."""
    again = [{**STEPS[0], "verdict": "done before"}, {**STEPS[1], "verdict": "PASSED"}]
    archive.close(run, Ending(outcome="done", exit_code=0, steps=again, facts={"standing": "at head"}))
    found = told(capsys, "show", "--config", str(file))
    assert [(step["step"], step["verdict"]) for step in found["steps"]] == [
        ("inspect", "PASSED"),
        ("verify", "FAILED"),
        ("verify", "PASSED"),
    ]
    shown = said(capsys, "show", "--config", str(file))
    assert "the gate is closed" not in shown


def test_show_what_is_not_there(file: Path, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown run is usage."""
    assert said(capsys, "show", "nothing", "--config", str(file), code=2) == (
        "There is no run 'nothing' in the archive.\n"
        f"  why:  {file.parent / 'record'} holds 1 runs.\n"
        "  next: `alembook runs` lists them.\n"
    )
