"""The agent's own files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from alembook.project import agent

FILES = sorted(Path(agent.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_syntax_of_python_3_8(file: Path) -> None:
    """The agent runs under the project's interpreter, which may be as old as 3.8."""
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 8))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    first = imports[0] if imports else None
    assert first is None or (isinstance(first, ast.ImportFrom) and first.module == "__future__")
