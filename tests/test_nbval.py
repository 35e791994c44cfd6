"""The committed runbooks work cell by cell, as somebody would press them in JupyterLab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_frame import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
NBVAL = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-v", "-c", os.devnull]

# The reference project has two stages: the second begins where the backfill must be complete.
PRESSED = [
    ("10_inspect", 1),
    ("20_backup", 1),
    ("40_upgrade", 1),
    ("50_backfill", 1),
    ("40_upgrade", 2),
    ("60_verify", 1),
]


def end_server(folder: Path) -> None:
    """Stops the embedded server of a folder, as `alembook embedded stop` does there."""
    program = "import sys; from alembook.cli import main; sys.exit(main())"
    subprocess.run([sys.executable, "-c", program, "embedded", "stop"], cwd=folder, env=ENVIRONMENT, check=True)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Path]:
    """Yields a folder of its own with the runbooks, the reference project and the demo target; its server is ended."""
    shutil.copy(ROOT / "alembook.toml", tmp_path)
    made = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("runbooks", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=made)
    yield tmp_path
    end_server(tmp_path)


def at_stage(path: Path, stage: int) -> Path:
    """Returns the runbook with its stage set, as an operator edits the parameters cell."""
    text = path.read_text(encoding="utf-8")
    edited = path.with_name(f"{path.stem}_{stage}.ipynb")
    edited.write_text(text.replace("stage: int = 1 ", f"stage: int = {stage} "), encoding="utf-8")
    return edited


@pytest.mark.slow
def test_the_runbooks_run_by_hand(desk: Path) -> None:
    """Every cell of every runbook, in the order of a run and with the parameters it is committed with, does its work."""
    notebooks = [at_stage(desk / "runbooks" / f"{name}.ipynb", stage) for name, stage in PRESSED]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *NBVAL, "--rootdir", str(desk), *map(str, notebooks)],
        cwd=desk,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    receipts = {path.name for path in desk.glob("runs/demo/*/*.json")}
    assert {"plan.json", "backup.json", "upgrade.s1.json", "upgrade.s2.json", "verification.json"} <= receipts
