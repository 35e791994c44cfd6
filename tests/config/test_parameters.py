"""Parameters of a runbook: declared, checked, and checked again inside a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from alembook import errors
from alembook.config import parameters
from alembook.config.parameters import Parameter

CELL = """target: str = "demo"  # name of a target
to: str = "head"
stage: int = 1  # which stage
ratio: float = 0.5
dry_run: bool = False
"""
DECLARED = parameters.parse(CELL)


def test_parse_reads_names_types_defaults_and_comments() -> None:
    """A cell's parameters come in its order, with the comment of their line."""
    assert parameters.parse(CELL)[:3] == (
        Parameter(name="target", type=str, default="demo", comment="name of a target"),
        Parameter(name="to", type=str, default="head"),
        Parameter(name="stage", type=int, default=1, comment="which stage"),
    )


def test_parse_takes_a_hash_inside_a_string_for_text() -> None:
    """Only a real comment is one."""
    assert parameters.parse('mark: str = "a # b"') == (Parameter(name="mark", type=str, default="a # b"),)


def test_parse_turns_an_int_default_of_a_float_into_a_float() -> None:
    """A default always has the declared type."""
    default = parameters.parse("ratio: float = 1")[0].default
    assert (default, type(default)) == (1.0, float)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x = 1", "it is not an annotated assignment."),
        ("import os", "it is not an annotated assignment."),
        ("x: list = []", "the type 'list' is none of str, int, bool, float."),
        ("x: str | None = None", "the type 'str | None' is none of str, int, bool, float."),
        ("x: str = open('f').read()", "its default is not a literal."),
        ("x: int = True", "its default is bool True, not int."),
        ("x: int", "its default is NoneType None, not int."),
        ("x: int = 1\nx: int = 2", "it is declared twice."),
        ("x: int =", "it is not Python: invalid syntax."),
    ],
)
def test_parse_refuses_what_is_no_declaration(source: str, why: str) -> None:
    """Anything but `name: type = literal` is refused with the reason."""
    with pytest.raises(errors.ParameterError) as caught:
        parameters.parse(source)
    assert caught.value.why == why


def test_check_returns_the_given_values_with_their_types() -> None:
    """What fits is returned; an int given for a float becomes one; what is not given is left to the notebook."""
    checked = parameters.check(DECLARED, {"target": "production", "stage": 2, "ratio": 1, "dry_run": True})
    assert checked == {"target": "production", "stage": 2, "ratio": 1.0, "dry_run": True}
    assert isinstance(checked["ratio"], float)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"targte": "demo"}, "'targte' is unknown (did you mean 'target'?)"),
        ({"password": "x"}, "'password' is unknown"),
        ({"dry_run": "no"}, "'dry_run' takes bool, not str 'no'"),
        ({"dry_run": 0}, "'dry_run' takes bool, not int 0"),
        ({"stage": True}, "'stage' takes int, not bool True"),
        ({"stage": "1"}, "'stage' takes int, not str '1'"),
        ({"stage": 1.0}, "'stage' takes int, not float 1.0"),
        ({"to": float("5e1234567890")}, "'to' takes str, not float inf"),
        ({"to": int("012345678901")}, "'to' takes str, not int 12345678901"),
        ({"to": None}, "'to' takes str, not NoneType None"),
        ({"ratio": float("nan")}, "'ratio' takes float, not float nan"),
        ({"ratio": float("inf")}, "'ratio' takes float, not float inf"),
        ({"ratio": True}, "'ratio' takes float, not bool True"),
        ({"stage": "x" * 90}, "'stage' takes int, not str '" + "x" * 39 + "..."),
    ],
)
def test_check_refuses_an_unknown_name_and_another_type(given: dict[str, Any], problem: str) -> None:
    """A value that is not exactly of the declared type is refused, as is a name nobody declared."""
    with pytest.raises(errors.ParameterError) as caught:
        parameters.check(DECLARED, given)
    assert caught.value.why == f"{problem}."


def test_check_names_every_problem_and_what_is_accepted() -> None:
    """One refusal says all that is wrong, and how it is right."""
    with pytest.raises(errors.ParameterError) as caught:
        parameters.check(DECLARED, {"targte": "demo", "dry_run": "no"})
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "The runbook cannot take the parameters it was given.\n"
        "  why:  'targte' is unknown (did you mean 'target'?); 'dry_run' takes bool, not str 'no'.\n"
        "  next: Correct them; with papermill's command line, pass text as `-r name value`, which is never converted.\n"
        "  it accepts:\n"
        "    target: str = 'demo'  # name of a target\n"
        "    to: str = 'head'\n"
        "    stage: int = 1  # which stage\n"
        "    ratio: float = 0.5\n"
        "    dry_run: bool = False"
    )


OWN = {"target": "demo", "to": "head", "stage": 1, "ratio": 0.5, "dry_run": False}


def injected(**values: Any) -> str:
    """Returns the cell papermill would inject."""
    return "# Parameters\n" + "".join(f"{name} = {value!r}\n" for name, value in values.items())


def test_check_cells_returns_every_parameter_as_the_kernel_has_it() -> None:
    """Inside a kernel, defaults and injected values come back together."""
    cells = ["", CELL, injected(target="production"), "check()"]
    assert parameters.check_cells(cells, OWN | {"target": "production"}) == OWN | {"target": "production"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"targte": "demo"}, "'targte' is unknown (did you mean 'target'?)."),
        ({"dry_run": "no"}, "'dry_run' takes bool, not str 'no'."),
        ({"to": float("inf")}, "'to' takes str, not float inf."),
        ({"to": 12345678901}, "'to' takes str, not int 12345678901."),
    ],
)
def test_check_cells_refuses_what_papermills_command_line_injects(given: dict[str, Any], problem: str) -> None:
    """`-p targte demo`, `-p dry_run no` and a revision id that became a number are refused in the kernel."""
    with pytest.raises(errors.ParameterError) as caught:
        parameters.check_cells(["", CELL, injected(**given)], OWN | given)
    assert caught.value.why == problem


def test_check_cells_forgets_a_mistake_that_was_corrected() -> None:
    """In JupyterLab an injected cell that was corrected and run again is the one that counts."""
    cells = ["", CELL, injected(targte="x"), "check()", injected(target="x")]
    assert parameters.check_cells(cells, OWN | {"target": "x", "targte": "x"})["target"] == "x"


def test_check_cells_forgets_what_was_injected_before_the_parameters_ran_again() -> None:
    """Running the parameters cell again goes back to its defaults."""
    cells = ["", CELL, injected(targte="x"), "check()", CELL]
    assert parameters.check_cells(cells, OWN | {"targte": "x"}) == OWN


def test_check_cells_follows_an_edited_parameters_cell() -> None:
    """The latest run of the parameters cell is the declaration; a later cell of other declarations is not."""
    edited = CELL + "extra: int = 3\n"
    assert parameters.check_cells(["", CELL, edited, "other: int = 5"], OWN | {"extra": 3})["extra"] == 3


def test_check_cells_refuses_a_parameter_that_was_deleted() -> None:
    """A declared name without a value is named."""
    with pytest.raises(errors.ParameterError) as caught:
        parameters.check_cells(["", CELL], {name: value for name, value in OWN.items() if name != "to"})
    assert caught.value.why == "'to' has no value any more."


def test_check_cells_refuses_a_kernel_without_its_parameters_cell() -> None:
    """A runbook started in the middle has no parameters."""
    with pytest.raises(errors.ParameterError) as caught:
        parameters.check_cells(["", "%matplotlib inline", "x = 1", "import os"], {})
    assert str(caught.value) == (
        "The parameters cell of this runbook has not run in this kernel.\n"
        "  why:  no executed cell consists of `name: type = default` lines.\n"
        "  next: Run the runbook from its first cell."
    )
