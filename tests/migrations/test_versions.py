"""The revisions as files: names, docstrings and order. No database."""

from __future__ import annotations

import ast
import re
from datetime import datetime
from pathlib import Path

import pytest
from alembic.script import Script

from alembook.postgres.connection import Database
from tests.migrations.project import BEFORE_CONTRACT, CONTRACT, EXPAND, FOLDER, HEAD, START, Project

SCRIPT = Project(database=Database()).script()
REVISIONS = [revision for revision in reversed(list(SCRIPT.walk_revisions())) if isinstance(revision, Script)]
NAMES = [revision.revision for revision in REVISIONS]


def source(revision: Script) -> str:
    """Returns the text of a revision file."""
    return Path(str(revision.module.__file__)).read_text(encoding="utf-8")


def test_one_line_of_revisions() -> None:
    """There is one base, one head, and a single way from one to the other."""
    assert (SCRIPT.get_bases(), SCRIPT.get_heads()) == (["64b051264f32"], [HEAD])
    assert [revision.down_revision for revision in REVISIONS] == [None, *NAMES[:-1]]
    assert len(NAMES) == len(list((FOLDER / "versions").glob("*.py"))) == 13


def test_the_pool_is_expand_then_contract() -> None:
    """The loader's revision comes right before the expand revision, and the contract revision two after it."""
    assert NAMES[NAMES.index(START) : NAMES.index(CONTRACT) + 1] == [START, EXPAND, BEFORE_CONTRACT, CONTRACT]


@pytest.mark.parametrize("revision", REVISIONS, ids=NAMES)
def test_name_says_date_and_revision(revision: Script) -> None:
    """A file is named for the minute in its Create Date, its revision and a slug."""
    created = re.search(r"^Create Date: (.*)$", source(revision), re.MULTILINE)
    assert created is not None
    at = datetime.fromisoformat(created[1])
    assert at.utcoffset() is not None
    expected = f"{at:%Y_%m_%d_%H%M}-{revision.revision}_"
    assert re.fullmatch(re.escape(expected) + r"[a-z0-9_]+\.py", Path(str(revision.module.__file__)).name)


@pytest.mark.parametrize("revision", REVISIONS, ids=NAMES)
def test_docstring_is_complete(revision: Script) -> None:
    """A docstring says what in its first line, why in a paragraph of its own, and what a downgrade loses."""
    first, why, *rest = (revision.module.__doc__ or "").split("\n\n")
    assert first.endswith(".")
    assert "\n" not in first
    assert len(why) > 60
    assert [text for text in rest if re.match(r"Loses on downgrade: \w", text)]


@pytest.mark.parametrize("revision", REVISIONS, ids=NAMES)
def test_docstring_agrees_with_the_code(revision: Script) -> None:
    """Revision ID and Revises in the docstring are what Alembic goes by."""
    doc = revision.module.__doc__ or ""
    found = dict(re.findall(r"^(Revision ID|Revises):[ ]?(.*)$", doc, re.MULTILINE))
    assert found == {"Revision ID": revision.revision, "Revises": revision.down_revision or ""}


@pytest.mark.parametrize("revision", REVISIONS, ids=NAMES)
def test_downgrade_does_something(revision: Script) -> None:
    """No downgrade is empty, and none only raises."""
    functions = {node.name: node for node in ast.parse(source(revision)).body if isinstance(node, ast.FunctionDef)}
    for name in ("upgrade", "downgrade"):
        body = functions[name].body[1:]
        assert body
        assert not any(isinstance(node, ast.Pass | ast.Raise) for node in body)


@pytest.mark.parametrize("revision", REVISIONS, ids=NAMES)
def test_imports_nothing_of_an_application(revision: Script) -> None:
    """A revision imports Alembic and SQLAlchemy alone, so that it runs for as long as they do."""
    imported = set(re.findall(r"^(?:from|import) ([a-z_]+)", source(revision), re.MULTILINE))
    assert imported <= {"__future__", "alembic", "sqlalchemy"}


def test_ids_fit_the_version_table() -> None:
    """Every revision id is twelve characters: the version table holds 32."""
    assert {len(name) for name in NAMES} == {12}


def test_readme_names_revisions_that_exist() -> None:
    """Each revision the README speaks of is one of these."""
    mentioned = set(re.findall(r"`([0-9a-f]{12})`", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert mentioned
    assert mentioned <= set(NAMES)
