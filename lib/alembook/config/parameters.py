"""The parameters of a runbook: declared once in its `parameters` cell, checked whole before anything runs.

A declaration is an annotated assignment, ``name: type = default  # comment``, with a type of ``str``, ``int``, ``bool``
or ``float``. It is read from the syntax tree, never by running or importing anything, so the same reading serves the
runner (before a kernel starts) and the kernel (where papermill's command line may have injected anything at all).
"""

from __future__ import annotations

import ast
import difflib
import io
import math
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alembook import errors

_TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "float": float}
#: How papermill begins the cell it injects (papermill 2.7, parameterize.py).
_INJECTED = "# Parameters"
_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One declared parameter.

    Attributes:
        name: the Python name.
        type: ``str``, ``int``, ``bool`` or ``float``.
        default: its value when none is given, of that type.
        comment: the text after ``#`` on its line, without the mark.
    """

    name: str
    type: type
    default: str | int | bool | float
    comment: str = ""

    def declaration(self) -> str:
        """Returns the parameter as a runbook writes it, on one line."""
        text = f"{self.name}: {self.type.__name__} = {self.default!r}"
        return f"{text}  # {self.comment}" if self.comment else text


def parse(source: str) -> tuple[Parameter, ...]:
    """Returns the parameters a `parameters` cell declares, in its order.

    Raises:
        errors.ParameterError: a line is not ``name: type = literal`` with one of the four types.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise _malformed(f"line {error.lineno}", f"it is not Python: {error.msg}") from error
    comments = _comments(source)
    found = tuple(_declared(statement, comments) for statement in tree.body)
    names = [parameter.name for parameter in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _malformed(f"parameter {twice[0]!r}", "it is declared twice")
    return found


def _declared(statement: ast.stmt, comments: Mapping[int, str]) -> Parameter:
    where = f"line {statement.lineno}"
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        raise _malformed(where, "it is not an annotated assignment")
    annotation = ast.unparse(statement.annotation).strip("'\"")
    if annotation not in _TYPES:
        raise _malformed(where, f"the type {annotation!r} is none of {', '.join(_TYPES)}")
    try:
        default = ast.literal_eval(statement.value or ast.Constant(None))
    except ValueError as error:
        raise _malformed(where, "its default is not a literal") from error
    wanted = _TYPES[annotation]
    if not _fits(wanted, default):
        raise _malformed(where, f"its default is {_shown(default)}, not {annotation}")
    comment = comments.get(statement.end_lineno or statement.lineno, "")
    return Parameter(name=statement.target.id, type=wanted, default=wanted(default), comment=comment)


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}


def _malformed(where: str, why: str) -> errors.ParameterError:
    return errors.ParameterError(
        f"The parameters cell cannot be read at {where}.",
        why=f"{why}.",
        next="Write one `name: type = default  # comment` a line, with a type of str, int, bool or float.",
    )


def _fits(wanted: type, value: object) -> bool:
    """Says whether a value is of a type: a bool is no int, an int is a float, and no float is infinite or NaN."""
    if wanted is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    return type(value) is wanted


def check(declared: Sequence[Parameter], given: Mapping[str, object]) -> dict[str, Any]:
    """Returns the given values, each of exactly its declared type (an int given for a float becomes one).

    Raises:
        errors.ParameterError: a name is unknown or a value of the wrong type; all of them are named, with the
            parameters the runbook accepts.
    """
    by_name = {parameter.name: parameter for parameter in declared}
    problems = [problem for name, value in given.items() if (problem := _problem(by_name, name, value))]
    if problems:
        raise _refused(problems, declared)
    return {name: by_name[name].type(value) for name, value in given.items()}


def _problem(declared: Mapping[str, Parameter], name: str, value: object) -> str:
    if name not in declared:
        near = difflib.get_close_matches(name, declared, n=1)
        return f"{name!r} is unknown" + (f" (did you mean {near[0]!r}?)" if near else "")
    wanted = declared[name].type
    return "" if _fits(wanted, value) else f"{name!r} takes {wanted.__name__}, not {_shown(value)}"


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"


def _refused(problems: Sequence[str], declared: Sequence[Parameter]) -> errors.ParameterError:
    return errors.ParameterError(
        "The runbook cannot take the parameters it was given.",
        why="; ".join(problems) + ".",
        next="Correct them; with papermill's command line, pass text as `-r name value`, which is never converted.",
        evidence={"it accepts": "\n".join(parameter.declaration() for parameter in declared) or "none"},
    )


def check_cells(inputs: Sequence[str], values: Mapping[str, object]) -> dict[str, Any]:
    """Returns every declared parameter with the value the kernel now has for it; used inside a kernel.

    The `parameters` cell is the first input made of declarations only; when it was run again, the latest run counts,
    and of what papermill injected only what came after it. So a mistake corrected in JupyterLab does not stay refused.

    Args:
        inputs: the cells executed so far, as IPython keeps them in ``In``.
        values: the namespace they ran in.

    Raises:
        errors.ParameterError: a parameter was injected that is not declared, or one has a value of another type, or no
            `parameters` cell has run in this kernel.
    """
    declared, position = _latest_declaration(inputs)
    missing = [parameter.name for parameter in declared if parameter.name not in values]
    problems = [f"{name!r} has no value any more" for name in missing]
    by_name = {parameter.name: parameter for parameter in declared}
    present = {name: values[name] for name in by_name if name in values}
    injected = [name for name in _injected_names(inputs[position + 1 :]) if name not in by_name]
    problems += [_problem(by_name, name, None) for name in injected]
    problems += [problem for name, value in present.items() if (problem := _problem(by_name, name, value))]
    if problems:
        raise _refused(problems, declared)
    return {name: by_name[name].type(value) for name, value in present.items()}


def _latest_declaration(inputs: Sequence[str]) -> tuple[tuple[Parameter, ...], int]:
    found = [(declared, position) for position, text in enumerate(inputs) if (declared := _declarations_only(text))]
    if not found:
        raise errors.ParameterError(
            "The parameters cell of this runbook has not run in this kernel.",
            why="no executed cell consists of `name: type = default` lines.",
            next="Run the runbook from its first cell.",
        )
    first = {parameter.name for parameter in found[0][0]}
    again = [entry for entry in found if first & {parameter.name for parameter in entry[0]}]
    return again[-1]


def _declarations_only(source: str) -> tuple[Parameter, ...]:
    try:
        return parse(source)
    except errors.ParameterError:
        return ()


def _injected_names(inputs: Sequence[str]) -> Iterator[str]:
    injected = [text for text in inputs if text.startswith(_INJECTED)]
    if not injected:
        return
    for node in ast.walk(ast.parse(injected[-1])):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
