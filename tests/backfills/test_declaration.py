"""Declaring a backfill, and loading what a folder declares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alembook import errors
from alembook.backfills import SQL, Backfill, Call, declaration

TEXT = """
from alembook.backfills import SQL, Backfill

{name} = Backfill(
    name="{name}", after="a1", table="items", key=("id",), pending="NOT done", apply=SQL("UPDATE items SET done = true")
)
"""


def write(folder: Path, **texts: str) -> Path:
    """Writes files of a folder; a text without a line break is the name of a backfill that is in order."""
    for stem, text in texts.items():
        (folder / f"{stem}.py").write_text(text if "\n" in text else TEXT.format(name=text))
    return folder


def refusal(folder: Path) -> str:
    """Returns the text of what ``load`` raises."""
    with pytest.raises(errors.ConfigurationError) as caught:
        declaration.load(folder)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_what_is_declared_is_kept_as_it_is(declare: Callable[..., Backfill]) -> None:
    """Everything that is not given has the value of nothing."""
    backfill = declare(checks=[{"kind": "none", "name": "n", "query": "SELECT 1"}], hold="deploy")
    assert (backfill.before, backfill.hold, backfill.key) == ("b2", "deploy", ("id",))
    assert backfill.checks == ({"kind": "none", "name": "n", "query": "SELECT 1"},)
    assert (declare(before=None).before, declare(before="").hold) == ("", "")


@pytest.mark.parametrize(
    ("changes", "key", "accepted"),
    [
        ({"name": "Doubling"}, "name", "small letters, digits and underscores, a letter first, at most 63"),
        ({"name": 3}, "name", "a string that is not empty"),
        ({"after": " "}, "after", "a string that is not empty"),
        ({"pending": None}, "pending", "a string that is not empty"),
        ({"table": ""}, "table", "a string that is not empty"),
        ({"before": 5}, "before", "a string"),
        ({"key": "id"}, "key", 'a tuple of different column names, such as ("id",)'),
        ({"key": ()}, "key", 'a tuple of different column names, such as ("id",)'),
        ({"key": ("id", "id")}, "key", 'a tuple of different column names, such as ("id",)'),
        ({"apply": "UPDATE"}, "apply", 'SQL("...") | Call("package.module:function")'),
        (
            {"checks": {"kind": "none"}},
            "checks",
            'a tuple of mappings, such as ({"kind": "none", "name": "...", "query": "..."},)',
        ),
        (
            {"hold": "deploy", "before": None},
            "hold",
            "a hold only together with `before`: it is the stage that follows that waits",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(
    declare: Callable[..., Backfill], changes: dict[str, Any], key: str, accepted: str
) -> None:
    """The refusal names the key and what is accepted."""
    with pytest.raises(errors.ConfigurationError) as caught:
        declare(**changes)
    assert str(caught.value) == (
        f"A backfill's {key} cannot be used.\n  why:  accepted: {accepted}.\n  next: Correct it in the backfill's file."
    )


@pytest.mark.parametrize("statements", [(), (" ",), ("SELECT 1", ""), (3,)])
def test_what_a_batch_does_is_never_empty(statements: tuple[Any, ...]) -> None:
    """No statement and a blank one are refused."""
    with pytest.raises(errors.ConfigurationError, match=r"A backfill's SQL\(\.\.\.\) cannot be used\."):
        SQL(*statements)


@pytest.mark.parametrize("function", ["app", "app:", "app.crypto:re encrypt", ""])
def test_a_call_names_a_function(function: str) -> None:
    """Module and function, with a colon between."""
    with pytest.raises(errors.ConfigurationError, match=r"accepted: \"package\.module:function\"\."):
        Call(function)


def test_a_call_is_understood_and_refused_when_it_is_used(declare: Callable[..., Backfill]) -> None:
    """A project may declare it today; running it says that this version cannot."""
    backfill = declare(apply=Call("app.crypto:reencrypt"))
    with pytest.raises(errors.NotAvailableYet) as caught:
        _ = backfill.statements
    assert str(caught.value) == (
        "The backfill doubling calls app.crypto:reencrypt, which this version understands and cannot do yet.\n"
        "  why:  functions of the project need its own interpreter for every batch.\n"
        "  next: Write it as SQL(...), or wait for a version that can."
    )


def test_the_digest_changes_with_whatever_is_declared(declare: Callable[..., Backfill]) -> None:
    """Equal declarations have equal digests, and a changed condition has another."""
    assert declare().digest() == declare().digest()
    assert (
        len({declare().digest(), declare(pending="done IS FALSE").digest(), declare(key=("id", "value")).digest()}) == 3
    )


def test_a_folder_is_loaded_by_file_name(tmp_path: Path) -> None:
    """Files that begin with an underscore and a folder that does not exist declare nothing."""
    write(tmp_path, second="second", first="first", _shared="broken(\n")
    assert [backfill.name for backfill in declaration.load(tmp_path)] == ["first", "second"]
    assert declaration.files(tmp_path) == [tmp_path / "first.py", tmp_path / "second.py"]
    assert declaration.load(tmp_path / "absent") == ()


def test_a_file_may_declare_several(tmp_path: Path) -> None:
    """They come in the order they stand; a second name of one counts once."""
    write(tmp_path, pool=TEXT.format(name="one") + TEXT.format(name="two") + "again = one\n")
    assert [backfill.name for backfill in declaration.load(tmp_path)] == ["one", "two"]


def test_loading_leaves_no_trace(tmp_path: Path) -> None:
    """Neither a module of Python's nor a file in the user's repository remains."""
    before = set(sys.modules)
    declaration.load(write(tmp_path, first="first"))
    assert {name for name in set(sys.modules) - before if "first" in name or "backfill" in name} == set()
    assert [path.name for path in tmp_path.iterdir()] == ["first.py"]


def test_a_value_that_cannot_be_used_is_told_with_file_and_line(tmp_path: Path) -> None:
    """The line is that of the declaration."""
    write(tmp_path, first=TEXT.format(name="first").replace('table="items"', "table=3"))
    assert refusal(tmp_path) == (
        "FOLDER/first.py, line 4: A backfill's table cannot be used.\n"
        "  why:  accepted: a string that is not empty.\n"
        "  next: Correct it in the backfill's file."
    )


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("x = 1\ny = = 2\n", 2, "SyntaxError: invalid syntax (first.py, line 2)"),
        ("\n\nimport app.models\n", 3, "ModuleNotFoundError: No module named 'app'"),
        ("def f():\n    return {}['x']\nf()\n", 2, "KeyError: 'x'"),
        ("exit(3)\n", 1, "SystemExit: 3"),
        (
            "from alembook.backfills import Backfill\nBackfill(nmae='first')\n",
            2,
            "TypeError: Backfill.__init__() got an unexpected keyword argument 'nmae'",
        ),
    ],
)
def test_a_file_that_cannot_be_executed_is_told_with_its_line(tmp_path: Path, text: str, line: int, why: str) -> None:
    """Whatever the file raises, exit() included, is a refusal of ours."""
    write(tmp_path, first=text)
    assert refusal(tmp_path) == (
        f"FOLDER/first.py, line {line}: the file cannot be executed.\n"
        f"  why:  {why}.\n"
        "  next: Correct the file; it runs in Alembook's interpreter and needs only alembook.backfills."
    )


def test_a_file_without_a_backfill_is_refused(tmp_path: Path) -> None:
    """A file that declares nothing is a mistake rather than nothing to do."""
    write(tmp_path, first="x = 1\n")
    assert refusal(tmp_path) == (
        "FOLDER/first.py declares no backfill.\n"
        "  why:  it has no module-level value that is a Backfill.\n"
        "  next: Write `backfill = Backfill(...)`, or begin the file's name with an underscore."
    )


def test_the_only_backfill_is_named_as_its_file(tmp_path: Path) -> None:
    """So the name in a plan leads to the file."""
    write(tmp_path, first="second")
    assert refusal(tmp_path) == (
        "FOLDER/first.py declares the backfill second.\n"
        "  why:  a file's only backfill is named as the file, so that it can be found.\n"
        "  next: Name the file second.py, or the backfill first."
    )


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    """Both files are named."""
    write(tmp_path, first="first", pool=TEXT.format(name="first") + TEXT.format(name="two"))
    assert refusal(tmp_path) == (
        "Two backfills are named first: in first.py and in pool.py.\n"
        "  why:  progress is kept by name.\n"
        "  next: Rename one of them, and its file."
    )
