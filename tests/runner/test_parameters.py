"""The parameters of a notebook file."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from alembook import errors
from alembook.runner import parameters
from tests.runner.conftest import write_notebook


def test_read_finds_the_tagged_cell(tmp_path: Path) -> None:
    """The cell tagged `parameters` is the declaration."""
    declared = parameters.read(write_notebook(tmp_path / "a.ipynb", "y: int = 2"))
    assert [(parameter.name, parameter.default) for parameter in declared] == [("x", 1), ("name", "")]


def test_checked_returns_the_given_ones(tmp_path: Path) -> None:
    """Defaults stay in the notebook."""
    assert parameters.checked(write_notebook(tmp_path / "a.ipynb"), {"x": 5}) == {"x": 5}


def test_a_notebook_without_a_parameters_cell_takes_none(tmp_path: Path) -> None:
    """Giving it some is refused; giving it none is fine."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x: int = 1")])
    nbformat.write(nb, tmp_path / "a.ipynb")
    assert parameters.checked(tmp_path / "a.ipynb", {}) == {}
    with pytest.raises(errors.ParameterError) as caught:
        parameters.checked(tmp_path / "a.ipynb", {"x": 1})
    assert str(caught.value) == (
        "a.ipynb takes no parameters.\n"
        "  why:  none of its cells is tagged `parameters`.\n"
        "  next: Tag the cell that declares them, or run the notebook without any."
    )
