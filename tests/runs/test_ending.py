"""Runs that do not end well: what must be resolved first, what may be corrected, and giving up."""

from __future__ import annotations

import shutil

import pytest

from tests.runs.conftest import Workplace

pytestmark = pytest.mark.xdist_group("ending")
CHECK = '\n[[none]]\nname = "no tenant without a name"\nquery = "SELECT {column} FROM tenants WHERE name IS NULL"\n'


def test_a_wrong_query_is_corrected_and_the_run_ends(workplace: Workplace) -> None:
    """Verify is UNVERIFIED (exit 4), a new run is refused (exit 6); the query corrected, the same run ends with 0."""
    checks = workplace.folder / "migrations" / "checks.toml"
    good = checks.read_text(encoding="utf-8")
    rehearsed = workplace.alembook("run", "-t", "demo", "--through", "upgrade")
    assert rehearsed.returncode == 0, rehearsed.stdout + rehearsed.stderr
    checks.write_text(good + CHECK.format(column="no_such_column"), encoding="utf-8")
    done = workplace.alembook("run", "--run", workplace.runs()[-1].name, "--only", "verify")
    assert done.returncode == 4, done.stdout + done.stderr
    run = workplace.runs()[-1].name
    again = workplace.alembook("run", "-t", "demo")
    assert again.returncode == 6
    assert again.stderr == (
        f"Run {run} of demo began to change the database and was not verified.\n"
        "  why:  a new run would take what that one left for the state before the change.\n"
        f"  next: `alembook run --run {run}` goes on with it; `alembook abandon {run} --reason TEXT` gives it up.\n"
        "  where it stands:\n"
        "    8 of 8 revisions of the plan are applied; the database is at f922b94e3bae.\n"
    )
    checks.write_text(good + CHECK.format(column="id"), encoding="utf-8")
    corrected = workplace.alembook("run", "--run", run)
    assert corrected.returncode == 0, corrected.stdout + corrected.stderr
    found = {check["name"]: check for check in workplace.receipt("verification.a2.json")["checks"]}
    assert found["no tenant without a name"]["outcome"] == "PASSED"
    unchanged = found["the files of the plan are unchanged"]
    assert (unchanged["outcome"], unchanged["grade"]) == ("FAILED", "should")
    assert unchanged["found"] == "migrations/checks.toml: changed"


def test_a_run_is_given_up_with_a_reason(workplace: Workplace) -> None:
    """`abandon` records reason and standing, and makes room for a new run; a run that has ended cannot be given up."""
    workplace.alembook("run", "-t", "demo", "--through", "upgrade", "--through-stage", "1")
    run = workplace.runs()[-1].name
    assert workplace.alembook("run", "-t", "demo").returncode == 6
    done = workplace.alembook("abandon", run, "--reason", "the ticket was withdrawn")
    assert done.returncode == 0, done.stderr
    assert "2 of 8 revisions of the plan are applied" in done.stdout
    manifest = workplace.receipt("manifest.json")
    assert (manifest["outcome"], manifest["sittings"][-1]["message"]) == ("abandoned", "the ticket was withdrawn")
    assert workplace.alembook("abandon", run, "--reason", "again").returncode == 2
    assert workplace.alembook("run", "-t", "demo").returncode == 0


def test_a_lost_key_is_not_a_difference(workplace: Workplace) -> None:
    """Without the run's key the contents can be compared with nothing: UNVERIFIED, exit 4, and it says so."""
    planned = workplace.alembook("run", "-t", "demo", "--through", "upgrade")
    assert planned.returncode == 0, planned.stderr
    shutil.rmtree(workplace.folder / ".alembook" / "keys")
    done = workplace.alembook("run", "--run", workplace.runs()[-1].name)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "UNVERIFIED  credentials survive (before the change: the run's key is gone: " in done.stderr


def test_an_empty_database_is_migrated(workplace: Workplace) -> None:
    """From no table at all to head: an empty dump is a dump, and every step has its receipt."""
    workplace.execute("DROP SCHEMA public CASCADE")
    workplace.execute("CREATE SCHEMA public")
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 of 13 revisions of the plan are applied" in done.stdout
