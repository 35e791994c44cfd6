"""Runbooks worked by hand: copies in the run's folder, filled in, every save kept."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from alembook import archive
from alembook.archive import RunFolder
from alembook.config import parameters
from alembook.runner import workbook

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Returns a run that has just begun."""
    return archive.begin(tmp_path / "runs", "demo", to="head")


def test_copies_know_their_run(run: RunFolder, tmp_path: Path) -> None:
    """Target, run, configuration and goal are filled in; everything else is as committed."""
    made = workbook.copy(ROOT / "runbooks", run, tmp_path / "alembook.toml")
    assert [path.name[:2] for path in made] == ["10", "20", "30", "40", "50", "60", "90"]
    cells = nbformat.read(made[0], as_version=4).cells
    declared = {p.name: p.default for p in parameters.parse(cells[1].source)}
    assert declared == {
        "target": "demo",
        "run_id": run.run_id,
        "config": str(tmp_path / "alembook.toml"),
        "to": "head",
        "reviewer": "",
    }
    committed = nbformat.read(ROOT / "runbooks" / made[0].name, as_version=4).cells
    assert [cell.source for cell in cells[2:]] == [cell.source for cell in committed[2:]]


def test_a_copy_that_was_worked_on_is_kept(run: RunFolder, tmp_path: Path) -> None:
    """Opening the lab again does not lose what was written."""
    made = workbook.copy(ROOT / "runbooks", run, tmp_path / "alembook.toml")
    made[0].write_text("worked on", encoding="utf-8")
    assert workbook.copy(ROOT / "runbooks", run, tmp_path / "alembook.toml") == []
    assert made[0].read_text(encoding="utf-8") == "worked on"


def test_every_save_is_kept(run: RunFolder, tmp_path: Path) -> None:
    """Two saves of one notebook are two files beside it; other files are not copied."""
    made = workbook.copy(ROOT / "runbooks", run, tmp_path / "alembook.toml")
    for text in ("first", "second"):
        made[0].write_text(text, encoding="utf-8")
        workbook.keep({"type": "notebook"}, str(made[0]))
    workbook.keep({"type": "file"}, str(made[1]))
    saves = sorted((workbook.folder(run) / "saves").iterdir())
    assert [path.read_text(encoding="utf-8") for path in saves] == ["first", "second"]
    assert all(path.name.startswith("10_inspect.") for path in saves)


def test_the_server_listens_on_loopback_only(run: RunFolder) -> None:
    """Its configuration keeps saves, and its root is the folder of the copies."""
    given = workbook.arguments(run, port=8888, browser=False)
    assert "--ServerApp.ip=127.0.0.1" in given
    assert f"--ServerApp.root_dir={workbook.folder(run)}" in given
    settings = SimpleNamespace(FileContentsManager=SimpleNamespace(post_save_hook=None))
    workbook.configure(settings)
    assert settings.FileContentsManager.post_save_hook is workbook.keep


def test_a_copy_is_a_notebook(run: RunFolder, tmp_path: Path) -> None:
    """Each copy is valid and has no outputs."""
    for path in workbook.copy(ROOT / "runbooks", run, tmp_path / "alembook.toml"):
        nbformat.validate(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4))
        assert not [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell.get("outputs")]
