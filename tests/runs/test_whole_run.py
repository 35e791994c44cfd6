"""An undisturbed run: what it leaves, and what looking at it and verifying again says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.conftest import ORDER, ROOT, Workplace, environment

Finished = tuple[Workplace, subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.xdist_group("finished")


def test_it_ends_with_exit_0_and_a_row_for_each_runbook(finished: Finished) -> None:
    """The terminal shows each runbook with its verdict, where the database stands, and where the record lies."""
    place, done = finished
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\S+)\.ipynb +PASSED", done.stdout, re.MULTILINE) == ORDER
    assert "8 of 8 revisions of the plan are applied; the database is at f922b94e3bae." in done.stdout
    assert str(place.runs()[-1]) in done.stdout


def test_the_folder_is_the_record(finished: Finished) -> None:
    """Notebooks, their pages, receipts, tables, the SQL that ran and the events lie where DESIGN.md 3.3 says."""
    run = finished[0].runs()[-1]
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    pages = {f"{name}{suffix}" for name in ORDER for suffix in (".ipynb", ".html")}
    receipts = {f"{n}.json" for n in ("plan", "backup", "upgrade.s1", "backfill.s1", "upgrade.s2", "verification")}
    assert pages | receipts | {"manifest.json", "SHA256SUMS", "request.json", "events/runner.jsonl"} <= names
    assert {"tables/before.csv", "tables/after.csv", "tables/comparison.csv"} <= names
    assert len([name for name in names if name.startswith("sql/")]) == 8
    assert not [name for name in names if "/." in f"/{name}"]


def test_the_hashes_are_those_of_the_files(finished: Finished) -> None:
    """`sha256sum -c` accepts SHA256SUMS, which names every file but itself."""
    run = finished[0].runs()[-1]
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=run, check=True)
    files = [path for path in run.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert len((run / "SHA256SUMS").read_text(encoding="utf-8").splitlines()) == len(files)


def test_the_record_holds_no_secret_row(finished: Finished) -> None:
    """No value of a provider's secret is in any file of the run."""
    place, _ = finished
    secret = str(place.ask("SELECT encrypted_config FROM provider_credentials ORDER BY id LIMIT 1"))
    assert len(secret) > 20
    assert not [path for path in place.runs()[-1].rglob("*") if path.is_file() and secret in path.read_text("utf-8")]


def test_the_plan_alternates_revisions_and_backfills(finished: Finished) -> None:
    """Stage 1 ends before the contract revision, with the backfill that it needs."""
    plan = finished[0].receipt("plan.json")["plan"]
    assert [(len(stage["revisions"]), stage["backfills"]) for stage in plan["stages"]] == [
        (2, ["provider_credentials"]),
        (6, []),
    ]


def test_looking_back_is_for_people_and_programs(finished: Finished) -> None:
    """`runs` and `show` list the run and its pages, as a table and as JSON."""
    place, _ = finished
    run = place.runs()[-1].name
    assert run in place.alembook("runs").stdout
    listed = json.loads(place.alembook("runs", "--json").stdout)
    assert [(entry["run"], entry["outcome"]) for entry in listed] == [(run, "done")]
    shown = json.loads(place.alembook("show", run[-6:], "--json").stdout)
    assert [Path(step["page"]).name for step in shown["steps"]] == [f"{name}.html" for name in ORDER]


def test_a_run_with_nothing_to_do_says_so(finished: Finished) -> None:
    """At head, a dry run lists nothing and changes nothing, and a backup that is asked for is made; exit 0."""
    place, _ = finished
    done = place.alembook("run", "-t", "demo", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "the safe way):\nnothing\n" in done.stdout
    assert "nothing: the database is where it was asked to be" in done.stdout
    assert place.alembook("run", "-t", "demo", "--through", "backup").returncode == 0
    backup = json.loads((place.runs()[-1] / "backup.json").read_text(encoding="utf-8"))
    assert (backup["outcome"], backup["proof"]["how"]) == ("PASSED", "restored")


def papermill(place: Workplace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Calls papermill's own command line on 60_verify."""
    command = [sys.executable, "-m", "papermill", str(ROOT / "runbooks/60_verify.ipynb"), "out.ipynb", *arguments]
    return subprocess.run(
        command, cwd=place.folder, env=environment(), capture_output=True, text=True, check=False, timeout=600
    )


def test_papermill_alone_runs_a_runbook(finished: Finished) -> None:
    """60_verify works without the runner: it takes the locks itself and writes a receipt of its own."""
    place, _ = finished
    run = next(run for run in place.runs() if (run / "verification.json").exists())
    done = papermill(place, "-p", "target", "demo", "-r", "run_id", run.name)
    assert done.returncode == 0, done.stderr
    attempts = sorted(run.glob("verification.a*.json"))
    assert json.loads(attempts[-1].read_text(encoding="utf-8"))["outcome"] == "PASSED"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-p", "targte", "demo"], "'targte' is unknown (did you mean 'target'?)"),
        (["-p", "dry_run", "no"], "'dry_run' takes bool, not str 'no'"),
        (["-p", "run_id", "5e1234567890"], "'run_id' takes str, not float"),
    ],
)
def test_papermill_cannot_pass_what_a_runbook_does_not_take(
    finished: Finished, arguments: list[str], said: str
) -> None:
    """The cell after the parameters refuses unknown names and wrong types, by name."""
    place, _ = finished
    before = {path for run in place.runs() for path in run.rglob("*")}
    done = papermill(place, *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert {path for run in place.runs() for path in run.rglob("*")} == before


def test_a_row_deleted_by_hand_closes_the_gate(finished: Finished) -> None:
    """Verify exits 3, names table, expected and found, also at the top of the page; a row put back opens it again."""
    place, _ = finished
    run = next(run for run in place.runs() if (run / "verification.json").exists())
    place.execute("CREATE TABLE public.kept AS SELECT * FROM tenants ORDER BY id LIMIT 1")
    place.execute("DELETE FROM tenants WHERE id IN (SELECT id FROM kept)")
    done = place.alembook("run", "--run", run.name, "--only", "verify")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "FAILED  rows of public.tenants: expected 600, found 599" in done.stderr
    page = max(run.glob("60_verify*.html"), key=lambda path: path.stat().st_mtime).read_text(encoding="utf-8")
    assert "rows of public.tenants: expected 600, found 599" in page[: page.index("Where am I")]
    place.execute("INSERT INTO tenants SELECT * FROM kept")
    place.execute("DROP TABLE kept")
    again = place.alembook("run", "--run", run.name, "--only", "verify")
    assert again.returncode == 0, again.stdout + again.stderr
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert [sitting["exit_code"] for sitting in manifest["sittings"]] == [0, 3, 0]
