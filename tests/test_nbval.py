"""The committed runbooks work cell by cell, as somebody would press them in JupyterLab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook import config
from alembook.postgres import disposable, embedded
from tests.test_frame import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "lib"), "NO_COLOR": "1"}
NBVAL = ["--nbval-lax", "--nbval-current-env", "-x", "-v", "-p", "no:cacheprovider", "-c", os.devnull]

# The reference project has two stages: the second begins where the backfill must be complete.
PRESSED = [
    ("10_inspect", 1),
    ("20_backup", 1),
    ("30_rehearse", 1),
    ("40_upgrade", 1),
    ("50_backfill", 1),
    ("40_upgrade", 2),
    ("60_verify", 1),
]


def run(folder: Path, *arguments: str, **environment: str) -> None:
    """Runs a Python program in a folder; what it said is shown when it fails."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Returns a folder of its own with the runbooks, the reference project and the demo target."""
    shutil.copy(ROOT / "alembook.toml", tmp_path)
    made = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("runbooks", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=made)
    return tmp_path


@pytest.fixture
def filled(desk: Path) -> Iterator[Path]:
    """Yields that folder with a database as it was before the credential pool; its server is ended."""
    target = config.load(desk / "alembook.toml").target("demo")
    server = embedded.Server(target.state_folder, 18, fast=True)
    url = disposable.make(server.ensure(), target.database.embedded_name).url()
    run(desk, "-m", "alembic", "-c", "migrations/alembic.ini", "-x", f"url={url}", "upgrade", "fa8b0fa6f407")
    libpq = url.replace("+psycopg2", "")
    run(desk, "migrations/load.py", "--providers", "200", "--tenants", "40", DATABASE_URL=libpq)
    yield desk
    server.stop()


def at_stage(path: Path, stage: int) -> str:
    """Returns a copy of the runbook with its stage set, as an operator edits the parameters cell."""
    text = path.read_text(encoding="utf-8")
    edited = path.with_name(f"{path.stem}_{stage}.ipynb")
    edited.write_text(text.replace("stage: int = 1 ", f"stage: int = {stage} "), encoding="utf-8")
    return str(edited)


@pytest.mark.slow
def test_the_runbooks_run_by_hand(filled: Path) -> None:
    """Every cell of every runbook works, in the order of a run, with the parameters it is committed with."""
    notebooks = [at_stage(filled / "runbooks" / f"{name}.ipynb", stage) for name, stage in PRESSED]
    run(filled, "-m", "pytest", *NBVAL, "--rootdir", str(filled), *notebooks)
    receipts = {path.name for path in filled.glob("runs/demo/*/*.json")}
    assert {
        "plan.json",
        "backup.json",
        "rehearsal.json",
        "upgrade.s1.json",
        "upgrade.s2.json",
        "verification.json",
    } <= receipts
