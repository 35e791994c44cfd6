"""The parameters of a notebook file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from alembook import errors
from alembook.config import parameters

_TAG = "parameters"


def read(source: Path) -> tuple[parameters.Parameter, ...]:
    """Returns the parameters a notebook declares in the cell tagged `parameters`.

    Raises:
        errors.ParameterError: there is no such cell, or it cannot be read.
        errors.UsageError: the file is not there or is no notebook.
    """
    for cell in load(source).cells:
        if cell.cell_type == "code" and _TAG in cell.metadata.get("tags", []):
            return parameters.parse(cell.source)
    raise errors.ParameterError(
        f"{source.name} takes no parameters.",
        why="none of its cells is tagged `parameters`.",
        next="Tag the cell that declares them, or run the notebook without any.",
    )


def checked(source: Path, given: Mapping[str, object]) -> dict[str, Any]:
    """Returns the given parameters, checked against the notebook's declaration before any kernel starts.

    Raises:
        errors.ParameterError: a name is unknown, a value is of the wrong type, or the notebook declares none.
        errors.UsageError: the file is not there or is no notebook.
    """
    return parameters.check(read(source), given) if given else _none(load(source))


def _none(_: nbformat.NotebookNode) -> dict[str, Any]:
    """Returns no parameters, for a notebook that can be read and needs none."""
    return {}


def load(source: Path) -> nbformat.NotebookNode:
    """Returns a notebook file's content, format 4.

    Raises:
        errors.UsageError: the file is not there or is no notebook.
    """
    try:
        text = source.read_text(encoding="utf-8")
        notebook: nbformat.NotebookNode = nbformat.reads(text, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a notebook of format 4"
        raise errors.UsageError(
            f"The notebook {source} cannot be read.",
            why=f"{why}.",
            next="Check the path; `alembook init` copies the shipped runbooks.",
        ) from error
    return notebook
