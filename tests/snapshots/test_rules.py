"""Reading checks.toml, and the checks a backfill declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import errors
from alembook.snapshots import rules
from alembook.snapshots.rules import ContentRule, Declared, NoneRule, RowsRule
from alembook.verdict import Grade

DESIGNED = """
[[rows]]
table = "provider_credentials"
from_revision = "e8446f481c1e"
expected = "SELECT count(*) FROM providers WHERE btrim(encrypted_config) <> '' ; "
[[content]]
name = "credentials survive"
before = "SELECT id AS key, encrypted_config AS value FROM providers"
after = "SELECT p.id AS key, c.encrypted_config AS value FROM providers p JOIN provider_credentials c ON true"
[[none]]
name = "every provider with a secret points at a credential"
query = "SELECT 1 FROM providers"
grade = "should"
"""


def written(folder: Path, text: str) -> Path:
    """Returns a checks.toml with this text."""
    path = folder / "checks.toml"
    path.write_text(text)
    return path


def refusal(folder: Path, text: str) -> str:
    """Returns the text of what ``load`` raises."""
    with pytest.raises(errors.ConfigurationError) as caught:
        rules.load(written(folder, text))
    return str(caught.value).replace(str(folder), "FOLDER")


def test_the_three_kinds_are_read(tmp_path: Path) -> None:
    """As DESIGN.md 3.5 writes them; the grade is must unless said, and a semicolon at the end is dropped."""
    assert rules.load(written(tmp_path, DESIGNED)) == Declared(
        rows=(
            RowsRule(
                name="rows of provider_credentials",
                table="provider_credentials",
                expected="SELECT count(*) FROM providers WHERE btrim(encrypted_config) <> ''",
                from_revision="e8446f481c1e",
            ),
        ),
        content=(
            ContentRule(
                name="credentials survive",
                before="SELECT id AS key, encrypted_config AS value FROM providers",
                after="SELECT p.id AS key, c.encrypted_config AS value FROM providers p "
                "JOIN provider_credentials c ON true",
            ),
        ),
        none=(
            NoneRule(
                name="every provider with a secret points at a credential",
                query="SELECT 1 FROM providers",
                grade=Grade.SHOULD,
            ),
        ),
    )


def test_no_file_declares_nothing(tmp_path: Path) -> None:
    """A project need not have one."""
    assert rules.load(tmp_path / "checks.toml") == Declared()
    assert rules.load(written(tmp_path, "")) == Declared()


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        (
            "[[nones]]\nname = 'x'",
            "nones cannot be used",
            "[[rows]] | [[changes]] | [[content]] | [[none]] | [[census]]",
        ),
        ("[none]\nname = 'x'", "none cannot be used", "tables written as [[none]]"),
        ("rows = 3", "rows cannot be used", "tables written as [[rows]]"),
    ],
)
def test_an_unknown_kind_is_refused(tmp_path: Path, text: str, what: str, why: str) -> None:
    """With the kinds there are."""
    key = what.split(maxsplit=1)[0]
    assert refusal(tmp_path, text) == (
        f"checks.toml: {what}.\n  why:  accepted: {why}.\n  next: Correct {key} in FOLDER/checks.toml."
    )


@pytest.mark.parametrize(
    ("text", "what", "why", "advice"),
    [
        (
            "[[none]]\nname = 'x'\nquerry = 'SELECT 1'\nquery = 'SELECT 1'",
            "none[1].querry is not a key Alembook knows",
            "accepted in [none[1]]: kind, name, query, grade, from_revision",
            "Did you mean query?",
        ),
        (
            "[[none]]\nname = 'x'\nquery = 'SELECT 1'\ngrade = 'shall'",
            "none[1].grade is 'shall', which cannot be used",
            "accepted: must | should | may",
            "Correct none[1].grade in FOLDER/checks.toml.",
        ),
        (
            "[[none]]\nname = 'x'\nquery = 'SELECT 1'\n[[none]]\nname = 'y'\nquery = 4",
            "none[2].query is 4, which cannot be used",
            "accepted: one SQL query",
            "Correct none[2].query in FOLDER/checks.toml.",
        ),
        (
            "[[rows]]\ntable = 'x'",
            "rows[1].expected is missing",
            "accepted: one SQL query",
            "Add expected to [rows[1]] in FOLDER/checks.toml.",
        ),
        (
            "[[content]]\nbefore = 'SELECT 1'\nafter = 'SELECT 1'",
            "content[1].name is missing",
            "accepted: a sentence that names what survives",
            "Add name to [content[1]] in FOLDER/checks.toml.",
        ),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(tmp_path: Path, text: str, what: str, why: str, advice: str) -> None:
    """With file, key and what is accepted."""
    assert refusal(tmp_path, text) == f"checks.toml: {what}.\n  why:  {why}.\n  next: {advice}"


def test_what_is_not_toml_is_refused(tmp_path: Path) -> None:
    """With the place TOML gives."""
    assert refusal(tmp_path, "[[none]\n").startswith("checks.toml cannot be read.\n  why:  Expected ']]'")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[none]]\nname = 'x'\nquery = 'SELECT 1'\n" * 2, "Two checks are named x."),
        (
            "[[rows]]\nname = 'x'\ntable = 't'\nexpected = 'SELECT 1'\n[[none]]\nname = 'x'\nquery = 'SELECT 1'",
            "Two checks are named x.",
        ),
        (
            "".join(f"[[rows]]\nname = '{name}'\ntable = 't'\nexpected = 'SELECT 1'\n" for name in "xy"),
            "Two checks are for the table t.",
        ),
    ],
)
def test_two_checks_of_one_name_or_table_are_refused(tmp_path: Path, text: str, what: str) -> None:
    """A verdict names its check; two numbers for one table cannot both hold."""
    assert refusal(tmp_path, text).startswith(what)


def test_a_table_may_have_a_rule_for_each_revision(tmp_path: Path) -> None:
    """Each holds for the plans that apply it."""
    one = "[[rows]]\nname = 'x'\ntable = 't'\nexpected = 'SELECT 1'\nfrom_revision = 'a1'\n"
    found = rules.load(written(tmp_path, one + one.replace("'x'", "'y'").replace("a1", "b2")))
    assert [rule.from_revision for rule in found.rows] == ["a1", "b2"]


def test_a_backfill_declares_the_same_as_mappings(tmp_path: Path) -> None:
    """The kind is a key; rules of several places are added."""
    entry = {"kind": "none", "name": "n", "query": "SELECT 1;"}
    found = rules.declare([("checks[0]", entry)], path=tmp_path / "pool.py")
    assert found == Declared(none=(NoneRule(name="n", query="SELECT 1"),))
    both = found + rules.load(written(tmp_path, DESIGNED))
    assert [len(kind) for kind in (both.rows, both.content, both.none, both.all())] == [1, 1, 2, 4]
    with pytest.raises(errors.ConfigurationError, match="Two checks are named n"):
        (found + found).require_distinct()


@pytest.mark.parametrize("entry", [{"name": "n"}, {"kind": "nothing"}, {"kind": 3}])
def test_a_mapping_without_a_kind_is_refused(tmp_path: Path, entry: dict[str, object]) -> None:
    """With the kinds there are."""
    with pytest.raises(errors.ConfigurationError) as caught:
        rules.declare([("checks[0]", entry)], path=tmp_path / "pool.py")
    assert "pool.py: checks[0].kind" in caught.value.what
    assert caught.value.why == "accepted: rows | changes | content | none | census."
