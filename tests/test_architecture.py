"""The house keeps its shape: who may import whom, how large things are, what a runbook may contain."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_frame import ROOT

PACKAGE = ROOT / "lib/alembook"
AGENT = PACKAGE / "project/agent"
LINES_OF_A_FILE = 340
LINES_OF_A_FUNCTION = 50
LINES_OF_A_CELL = 5
WORDS_OF_A_CELL = 60

FORBIDDEN_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.Try, ast.TryStar)
FORBIDDEN_NAMES = {"print", "input", "exit", "quit", "SystemExit", "get_ipython"}
SECRETS = re.compile(r"passw|secret|token|api_?key", re.IGNORECASE)

runbooks = pytest.mark.parametrize("path", sorted(ROOT.glob("runbooks/*.ipynb")), ids=lambda path: path.stem)


def modules() -> list[Path]:
    """Returns every Python file that is ours; the example projects stand for other people's."""
    found = [path for folder in ("lib", "migrations", "tests") for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if not path.is_relative_to(ROOT / "tests/projects")]


def tree(path: Path) -> ast.Module:
    """Returns a Python file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Yields each dotted name a file imports, in functions too; a relative one with its dots."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    """Returns a notebook's cells of one kind ("code", "markdown")."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    """Returns a cell's text."""
    return "".join(cell["source"])


def is_parameters(cell: dict[str, Any]) -> bool:
    """Says whether papermill puts its values below this cell."""
    return "parameters" in cell["metadata"].get("tags", [])


def test_imports_point_downward() -> None:
    """The contracts of pyproject.toml hold: the layers, and who alone may import what."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "lib"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_agent_runs_where_alembook_is_not_installed() -> None:
    """The agent imports the standard library, alembic, SQLAlchemy and Flask; nothing of ours."""
    allowed = {*sys.stdlib_module_names, "alembic", "sqlalchemy", "flask"}
    foreign = {
        f"{path.name}: {name}"
        for path in AGENT.rglob("*.py")
        for name in imports(path)
        if name.partition(".")[0] not in allowed and not re.match(r"\.\w", name)
    }
    assert foreign == set()


def test_only_config_reads_the_environment() -> None:
    """`os.environ` and `os.getenv` stand in config, and in the agent, whose environment its parent wrote."""
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if not path.is_relative_to(AGENT) and not path.is_relative_to(PACKAGE / "config")
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and "environ" in {a.name for a in node.names})
    }
    assert readers == set()


def test_files_are_small() -> None:
    """No Python file is longer than a reader's patience."""
    lengths = {str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > LINES_OF_A_FILE} == {}


def test_functions_are_small() -> None:
    """No function is longer than a screen; a revision is a list of operations, as long as the change."""
    long = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno
        for path in modules()
        if path.parent.name != "versions"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno
        and node.end_lineno - node.lineno > LINES_OF_A_FUNCTION
    }
    assert long == {}


def test_there_are_runbooks() -> None:
    """The runbooks of a whole run are there, numbered in its order."""
    names = [path.stem for path in sorted(ROOT.glob("runbooks/*.ipynb"))]
    assert [name for name in names if name[:2] in {"10", "20", "40", "50", "60"}] == [
        "10_inspect",
        "20_backup",
        "40_upgrade",
        "50_backfill",
        "60_verify",
    ]


@runbooks
def test_runbook_is_committed_without_outputs(path: Path) -> None:
    """A runbook in the repository was never run there."""
    assert [source(cell) for cell in cells(path, "code") if cell["outputs"] or cell["execution_count"]] == []


@runbooks
def test_runbook_opens_with_its_purpose(path: Path) -> None:
    """The first cell is a title, and says what is read or written."""
    first = source(cells(path, "markdown")[0])
    assert first == source(json.loads(path.read_text(encoding="utf-8"))["cells"][0])
    assert first.startswith("# ")
    assert "**Reads**" in first or "**Writes**" in first


@runbooks
def test_runbook_has_one_parameters_cell(path: Path) -> None:
    """Its first code cell holds the parameters: annotated, a comment each, none of them a secret."""
    first, *others = cells(path, "code")
    assert is_parameters(first)
    assert not any(is_parameters(cell) for cell in others)
    text = source(first)
    assert [type(node).__name__ for node in ast.parse(text).body if not isinstance(node, ast.AnnAssign)] == []
    assert [line for line in text.splitlines() if line.strip() and "  # " not in line] == []
    assert SECRETS.findall(text) == []


@runbooks
def test_runbook_is_thin(path: Path) -> None:
    """A code cell is a few lines of calls, and its last line shows a value."""
    for cell in cells(path, "code")[1:]:
        text = source(cell)
        assert len(text.splitlines()) <= LINES_OF_A_CELL, text
        assert isinstance(ast.parse(text).body[-1], ast.Expr), f"shows nothing:\n{text}"
        assert not text.rstrip().endswith(";"), f"hides its value:\n{text}"


@runbooks
def test_runbook_only_calls_the_library(path: Path) -> None:
    """No cell defines, catches, prints, asks, exits, or leaves Python for the shell or a magic."""
    for cell in cells(path, "code"):
        text = source(cell)
        assert [line for line in text.splitlines() if line.lstrip().startswith(("!", "%"))] == []
        for node in ast.walk(ast.parse(text)):
            assert not isinstance(node, FORBIDDEN_NODES), text
            assert not (isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES), text


@runbooks
def test_runbook_is_brief(path: Path) -> None:
    """A markdown cell is read in one look; the title, which is read once, may be twice as long."""
    title, *others = cells(path, "markdown")
    assert len(source(title).split()) <= 2 * WORDS_OF_A_CELL
    assert {
        source(cell): len(source(cell).split()) for cell in others if len(source(cell).split()) > WORDS_OF_A_CELL
    } == {}
