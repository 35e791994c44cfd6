"""The change record and the hashes of all files, as another program checks them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from alembook import __version__, archive, process
from alembook.archive import Ending, RunFolder, manifest

DONE = Ending(outcome="done", exit_code=0, steps=[{"step": "inspect", "seconds": 0.5}], facts={"plan_hash": "ab"})
FAILED = Ending(outcome="failed", exit_code=3, message="rows of providers")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Returns a run with a few files."""
    folder = archive.begin(tmp_path / "my runs", "demo", to="head")
    with folder.events("runner") as events:
        events.write("run_started")
    folder.write_sql("e8446f481c1e", "SELECT 1;")
    (folder.path / "10 inspect.ipynb").write_text("{}", encoding="utf-8")
    return folder


def checked(run: RunFolder) -> process.Finished:
    """Runs the system's sha256sum over the list."""
    return process.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        directory=run.path,
    )


def listed(run: RunFolder) -> list[str]:
    """Returns the names on the list."""
    lines = (run.path / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return [line[66:] for line in lines]


def test_the_change_record(run: RunFolder) -> None:
    """What was asked, what was found, how it ended; its digest is returned."""
    assert run.manifest() is None
    digest = archive.close(run, DONE)
    record = run.manifest()
    assert record is not None
    assert digest == hashlib.sha256((run.path / "manifest.json").read_bytes()).hexdigest()
    (sitting,) = record.pop("sittings")
    assert record == {
        **run.request(),
        "plan_hash": "ab",
        "outcome": "done",
        "exit_code": 0,
        "previous_manifest": "",
        "signed": False,
        "closed_with": __version__,
    }
    assert sitting | {"ended_at": ""} == {
        "ended_at": "",
        "outcome": "done",
        "exit_code": 0,
        "message": "",
        "steps": [{"step": "inspect", "seconds": 0.5}],
    }


def test_every_sitting_is_kept(run: RunFolder) -> None:
    """A run that goes on after a stop is closed again; the first stop stays in its record, and the list is new."""
    first = archive.close(run, FAILED)
    run.write_receipt("verification", {"checks": []})
    assert archive.close(run, DONE) != first
    record = run.manifest()
    assert record is not None
    assert (record["outcome"], record["exit_code"]) == ("done", 0)
    assert [(one["outcome"], one["exit_code"], one["message"]) for one in record["sittings"]] == [
        ("failed", 3, "rows of providers"),
        ("done", 0, ""),
    ]
    assert checked(run).exit_code == 0
    assert "verification.json" in listed(run)


def test_the_list_names_every_file(run: RunFolder) -> None:
    """All but the list itself, its signature, and what is hidden; a name that only begins like the list's is on it."""
    for name in ("SHA256SUMS.sig", ".hidden", ".ipynb_checkpoints/a.ipynb", "tables/SHA256SUMS.csv", "tables/.b.csv"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("x", encoding="utf-8")
    archive.close(run, DONE)
    assert listed(run) == [
        "10 inspect.ipynb",
        "events/runner.jsonl",
        "manifest.json",
        "request.json",
        "sql/e8446f481c1e.sql",
        "tables/SHA256SUMS.csv",
    ]


def test_sha256sum_checks_the_list(run: RunFolder) -> None:
    """The system's own program accepts it, and a changed, a missing file fails."""
    archive.close(run, DONE)
    found = checked(run)
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines() == [f"{name}: OK" for name in listed(run)]
    (run.path / "sql/e8446f481c1e.sql").write_text("SELECT 2;", encoding="utf-8")
    (run.path / "request.json").unlink()
    found = checked(run)
    assert found.exit_code == 1
    assert "sql/e8446f481c1e.sql: FAILED" in found.stdout.splitlines()
    assert "request.json: FAILED open or read" in found.stdout.splitlines()


def test_each_record_names_the_one_before(tmp_path: Path) -> None:
    """Runs of a target are a chain; a run that was never closed and another target's are no links."""
    runs = [archive.begin(tmp_path, target, to="head") for target in ("demo", "shop", "demo", "demo")]
    ids = [f"20261122T12030{number}Z-000000" for number in range(4)]
    for number, (run, new) in enumerate(zip(runs, ids, strict=True)):
        run.path.rename(run.path.with_name(new))
        runs[number] = RunFolder(path=run.path.with_name(new), target=run.target, run_id=new)
    first, other, open_one, last = runs
    digest = archive.close(first, DONE)
    archive.close(other, DONE)
    archive.close(last, DONE)
    assert open_one.manifest() is None
    assert manifest.previous_digest(last) == digest
    assert json.loads((last.path / "manifest.json").read_text(encoding="utf-8"))["previous_manifest"] == digest
    assert [manifest.previous_digest(run) for run in (first, other)] == ["", ""]


def test_a_digest_of_a_large_file(tmp_path: Path) -> None:
    """The whole file counts."""
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert manifest.sha256(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def stopped(root: Path, outcome: str, **receipts: dict[str, Any]) -> RunFolder:
    """Returns a run that stopped with an outcome ("" = it was cut off) after writing receipts."""
    run = archive.begin(root, "demo", to="head")
    for stem, value in receipts.items():
        run.write_receipt(stem, value)
    if outcome:
        archive.close(run, Ending(outcome=outcome, exit_code=0))
    return run


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [("", False), ("open", False), ("failed", False), ("interrupted", False), ("done", True), ("abandoned", True)],
)
def test_a_run_that_has_ended(tmp_path: Path, outcome: str, ended: bool) -> None:
    """Everything was done, or it was given up; any other stop may be gone on from, when there is a plan."""
    run = stopped(tmp_path, outcome, plan={})
    assert archive.is_ended(run) is ended
    assert archive.open_runs(tmp_path, "demo") == ([] if ended else [run])
    assert archive.open_runs(tmp_path, "shop") == []


def test_a_run_without_a_plan_is_not_gone_on_with(tmp_path: Path) -> None:
    """Nothing was inspected yet: a new run says as much."""
    stopped(tmp_path, "failed")
    assert archive.open_runs(tmp_path, "demo") == []


@pytest.mark.parametrize(
    ("outcome", "verification", "is_unresolved"),
    [
        ("", None, True),
        ("failed", {"outcome": "FAILED"}, True),
        ("unverified", {"outcome": "UNVERIFIED"}, True),
        ("open", {"outcome": "PASSED"}, False),
        ("done", {"outcome": "PASSED"}, False),
        ("abandoned", None, False),
    ],
)
def test_a_run_that_must_be_resolved(
    tmp_path: Path, outcome: str, verification: dict[str, Any] | None, is_unresolved: bool
) -> None:
    """It began to change the database, and was neither verified nor ended."""
    stopped(tmp_path, "failed", plan={})
    assert archive.unresolved(tmp_path, "demo") is None
    run = stopped(tmp_path, outcome, plan={}, before={}, **({"verification": verification} if verification else {}))
    assert archive.unresolved(tmp_path, "demo") == (run if is_unresolved else None)
