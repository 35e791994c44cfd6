"""A protected target: prepared in one sitting, changed in another, after somebody typed its name."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.runs.conftest import Workplace


@pytest.fixture
def protected(workplace: Workplace) -> Workplace:
    """Returns a workplace whose target is protected."""
    path = workplace.folder / "alembook.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('project = "migrations"\n', 'project = "migrations"\nprotected = true\n'), encoding="utf-8"
    )
    assert "rehearsal" in text, "a protected target names where its copies go"
    return workplace


def age(receipt: Path) -> None:
    """Lets a backup be two hours older than it is."""
    told = json.loads(receipt.read_text(encoding="utf-8"))
    told["taken_at"] = (datetime.fromisoformat(told["taken_at"]) - timedelta(hours=2)).isoformat()
    receipt.write_text(json.dumps(told), encoding="utf-8")


def test_two_sittings(protected: Workplace) -> None:
    """Prepared, then refused without the name, then done; a backup that has grown old meanwhile is made anew."""
    prepared = protected.alembook("run", "-t", "demo", "--through", "rehearse")
    assert prepared.returncode == 0, prepared.stdout + prepared.stderr
    run = protected.runs()[-1]
    assert {"plan.json", "backup.json", "rehearsal.json"} <= {path.name for path in run.iterdir()}
    refused = protected.alembook("run", "--run", run.name)
    assert refused.returncode == 2
    assert refused.stderr == (
        "demo is protected, and its name was not confirmed.\n"
        "  why:  nothing may change it before somebody typed its name.\n"
        "  next: Prepare: `alembook run -t demo --through rehearse`. "
        f"In the window: `alembook run --run {run.name} --confirm demo`.\n"
    )
    assert protected.ask("SELECT version_num FROM alembic_version") == "fa8b0fa6f407"
    age(run / "backup.json")
    done = protected.alembook("run", "--run", run.name, "--confirm", "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert protected.ask("SELECT version_num FROM alembic_version") == "f922b94e3bae"
    names = {path.name for path in run.iterdir()}
    assert {"10_inspect.a2.ipynb", "20_backup.a2.ipynb", "60_verify.ipynb"} <= names
    assert "30_rehearse.a2.ipynb" not in names


def test_nothing_begins_unprepared(protected: Workplace) -> None:
    """A whole run in one sitting is refused, whatever is typed; nothing is begun."""
    refused = protected.alembook("run", "-t", "demo", "--confirm", "demo")
    assert refused.returncode == 2
    assert refused.stderr.startswith("demo is protected: its run is prepared first.\n")
    assert protected.runs() == []
