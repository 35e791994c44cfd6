"""Tiny notebooks, real kernels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

from alembook.runner import notebook
from alembook.runner.kernels import Kernels
from alembook.runner.outcome import Outcome

PARAMETERS = "x: int = 1  # a number\nname: str = ''"


@dataclass
class Log:
    """Keeps the events it is given."""

    found: list[dict[str, Any]] = field(default_factory=list)

    def write(self, event: str, **fields: Any) -> None:
        """Keeps one event."""
        self.found.append({"event": event, **fields})

    def names(self) -> list[str]:
        """Returns the events' names in order."""
        return [str(entry["event"]) for entry in self.found]


def write_notebook(path: Path, *cells: str) -> Path:
    """Writes a notebook: the parameters, then the cells; one that begins with `#` is markdown. Ids are c0, c1, ..."""
    nb: nbformat.NotebookNode = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    nb.cells.append(nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}))
    for source in cells:
        make: Any = nbformat.v4.new_markdown_cell if source.startswith("#") else nbformat.v4.new_code_cell
        nb.cells.append(make(source))
    for number, cell in enumerate(nb.cells):
        cell["id"] = f"c{number}"
    nbformat.write(nb, path)
    return path


def is_there(pid: int) -> bool:
    """Says whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture(scope="session")
def kernels() -> Iterator[Kernels]:
    """Kernels for all tests of this wing; one is always booting ahead."""
    with Kernels() as made:
        made.warm({**os.environ, "ALEMBOOK_TEST": "given"})
        yield made


@pytest.fixture
def log() -> Log:
    """Where the events of a test's notebook go."""
    return Log()


Run = Callable[..., tuple[Outcome, nbformat.NotebookNode]]


@pytest.fixture
def run(kernels: Kernels, log: Log, tmp_path: Path) -> Run:
    """Executes cells as a notebook ``out.ipynb``; returns what became of it and the executed notebook."""

    def execute(*cells: str, **options: Any) -> tuple[Outcome, nbformat.NotebookNode]:
        source = write_notebook(tmp_path / "source.ipynb", *cells)
        given = options.pop("given", {})
        output = tmp_path / "out.ipynb"
        made = notebook.execute(source, output, given, events=log, kernels=kernels, is_last=False, **options)
        return made, nbformat.read(output, as_version=4)

    return execute


def statuses(nb: nbformat.NotebookNode) -> list[str | None]:
    """Returns what the record says of each cell; None for markdown."""
    return [cell.metadata.get("papermill", {}).get("status") for cell in nb.cells]
