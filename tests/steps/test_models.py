"""The project's models against the database: only what is new counts."""

from __future__ import annotations

from pathlib import Path

from alembook.verdict import Check, Grade, Outcome
from tests.steps.conftest import Desk

NAME = "the models agree with the database as they did before"
#: Models that differ from the first revision in what the second does, and in one thing more: people.age.
MODELS = """\
import sqlalchemy as sa
target_metadata = sa.MetaData()
people = sa.Table("people", target_metadata, sa.Column("id", sa.Integer, primary_key=True),
                  sa.Column("name", sa.Text, nullable=False), sa.Column("age", sa.Integer),
                  sa.Column("nickname", sa.Text), sa.Index("people_by_name", "name"))
def include_object(found, name, kind, reflected, other):
    return kind != "table" or name == "people"
"""
IGNORED = "include_object=include_object, connection=connection"


def with_models(desk: Desk, more: str = "") -> Path:
    """Gives the project models; returns its env.py."""
    env = desk.folder / "project/migrations/env.py"
    text = env.read_text(encoding="utf-8").replace("target_metadata = None\n", MODELS + more)
    env.write_text(text.replace("connection=connection", IGNORED), encoding="utf-8")
    return env


def judged(desk: Desk) -> Check:
    """Returns what verification says of the models."""
    return next(check for check in desk.verify().checks if check.name == NAME)


def test_what_differed_before_is_no_fault_of_the_change(desk: Desk) -> None:
    """people.age was never there, and columns of the database were never in the models."""
    with_models(desk)
    desk.migrate("head")
    check = judged(desk)
    assert (check.outcome, check.found, check.why) == (
        Outcome.PASSED,
        "no new difference",
        "0 new by Alembic's comparison, 6 that were there before",
    )


def test_a_new_difference_fails(desk: Desk) -> None:
    """The index the second revision made is gone again: the models have it."""
    with_models(desk)
    desk.migrate("head")
    desk.execute("DROP INDEX people_by_name; ALTER TABLE people ADD shoe_size int")
    check = judged(desk)
    assert (check.grade, check.outcome, check.found) == (
        Grade.SHOULD,
        Outcome.FAILED,
        "Column people.shoe_size is in the database and not in the models.",
    )


def test_an_env_py_that_writes_is_unverified(desk: Desk) -> None:
    """What it would have written is not there, so the comparison says nothing."""
    with_models(desk)
    desk.migrate("head")
    env = desk.folder / "project/migrations/env.py"
    writing = "        connection.execute(sa.text('CREATE TABLE noted (i int)'))\n        context.configure("
    env.write_text(env.read_text(encoding="utf-8").replace("        context.configure(", writing, 1), encoding="utf-8")
    check = judged(desk)
    assert (check.grade, check.outcome) == (Grade.SHOULD, Outcome.UNVERIFIED)
    assert check.why.startswith("env.py writes while it is looked at: CREATE TABLE noted")


def test_a_project_without_models_is_unverified_and_only_a_may(desk: Desk) -> None:
    """There is nothing to compare with."""
    desk.migrate("head")
    check = judged(desk)
    assert (check.grade, check.outcome, check.why) == (
        Grade.MAY,
        Outcome.UNVERIFIED,
        "env.py gives Alembic no target_metadata",
    )
