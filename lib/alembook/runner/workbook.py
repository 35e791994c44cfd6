"""Runbooks worked by hand: copies inside the run's folder, and a JupyterLab that keeps every save of them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from alembook import archive
from alembook.archive import atomic

_FOLDER = "workbook"
_SAVES = "saves"


def folder(run: archive.RunFolder) -> Path:
    """Returns where the copies of a run lie."""
    return run.path / _FOLDER


def copy(source: Path, run: archive.RunFolder, config_file: Path) -> list[Path]:
    """Copies the runbooks into the run's folder, with target, run and configuration filled in; keeps those there.

    Raises:
        errors.ArchiveFailed: they cannot be written.
    """
    made = []
    values = {"target": run.target, "run_id": run.run_id, "config": str(config_file), "to": run.request()["to"]}
    for path in sorted(source.glob("[0-9][0-9]_*.ipynb")):
        copied = folder(run) / path.name
        if not copied.exists():
            atomic.write_text(copied, _filled(path, values))
            made.append(copied)
    return made


def _filled(path: Path, values: dict[str, str]) -> str:
    """Returns a runbook whose parameters cell holds the given values as defaults."""
    book = nbformat.read(path, as_version=4)
    for cell in book.cells:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            cell.source = "\n".join(_line(line, values) for line in cell.source.splitlines())
    return str(nbformat.writes(book))


def _line(line: str, values: dict[str, str]) -> str:
    name = line.partition(":")[0]
    if name not in values:
        return line
    comment = line.partition("  #")[2]
    return f"{name}: str = {values[name]!r}  #{comment}"


def arguments(run: archive.RunFolder, *, port: int, browser: bool) -> list[str]:
    """Returns the arguments of JupyterLab: loopback only, the copies as its root, every save kept."""
    config_file = folder(run) / ".jupyter_server_config.py"
    atomic.write_text(config_file, "from alembook.runner import workbook\n\nworkbook.configure(c)\n")
    return [
        f"--config={config_file}",
        f"--ServerApp.root_dir={folder(run)}",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.allow_root=True",
    ]


def configure(settings: Any) -> None:
    """Makes a Jupyter server keep every save; called by the configuration file ``arguments`` writes."""
    settings.FileContentsManager.post_save_hook = keep


def keep(model: dict[str, Any], os_path: str, **_: object) -> None:
    """Copies a saved notebook to ``saves/`` under the time of the save (Jupyter's post-save hook)."""
    if model["type"] != "notebook":
        return
    saved = Path(os_path)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    target = saved.parent / _SAVES / f"{saved.stem}.{stamp}.ipynb"
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(saved, target)
