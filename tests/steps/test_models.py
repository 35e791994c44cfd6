"""The project's models against the database: only what is new counts."""

from __future__ import annotations

from pathlib import Path

from alembook.verdict import Check, Grade, Outcome
from tests.steps.conftest import Desk

NAME = "the models agree with the database as they did before"
DETAILS = "what the models say besides agrees as it did before"
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


def judged(desk: Desk, name: str = NAME) -> Check:
    """Returns what verification says of the models."""
    return next(check for check in desk.verify().checks if check.name == name)


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


def test_a_new_difference_of_the_structure_closes_the_gate(desk: Desk) -> None:
    """The index the second revision made is gone again, which the models have; a column is there that they have not."""
    with_models(desk)
    desk.migrate("head")
    desk.execute("DROP INDEX people_by_name; ALTER TABLE people ADD shoe_size int")
    check = judged(desk)
    assert (check.grade, check.outcome, check.found) == (
        Grade.MUST,
        Outcome.FAILED,
        "Column people.shoe_size is in the database and not in the models.",
    )
    assert judged(desk, DETAILS).outcome is Outcome.PASSED


def test_where_alembic_errs_by_nature_it_is_only_noticed(desk: Desk) -> None:
    """Types, defaults, nullability and the expressions of an index: a should."""
    models = """\
sa.Index("people_by_lower", sa.func.lower(people.c.name))
"""
    with_models(desk, models)
    desk.migrate("head")
    desk.execute("""
        ALTER TABLE people ALTER nickname TYPE varchar(20), ALTER name DROP NOT NULL;
        CREATE INDEX people_by_upper ON people (upper(name))
    """)
    assert judged(desk).outcome is Outcome.PASSED
    check = judged(desk, DETAILS)
    assert (check.grade, check.outcome) == (Grade.SHOULD, Outcome.FAILED)
    assert check.found == (
        "Column people.name is nullable in the database and NOT NULL in the models. "
        "Index people_by_upper on people is in the database and not in the models. "
        "The type of people.nickname is VARCHAR(20) in the database and TEXT in the models."
    )


def test_what_revisions_make_and_no_model_names_is_only_noticed(desk: Desk) -> None:
    """Many projects have indexes of their revisions alone; a column that went and is in the models closes the gate."""
    env = with_models(desk)
    text = env.read_text(encoding="utf-8").replace(', sa.Index("people_by_name", "name"))', ")")
    env.write_text(text.replace('sa.Column("nickname", sa.Text)', ""), encoding="utf-8")
    desk.migrate("head")
    assert judged(desk).outcome is Outcome.PASSED
    assert judged(desk, DETAILS).found == (
        "Column people.nickname is in the database and not in the models. "
        "Index people_by_name on people is in the database and not in the models."
    )
    desk.execute("ALTER TABLE people DROP name CASCADE")
    assert judged(desk).found == "Column people.name is in the models and not in the database."


def test_a_partition_that_time_made_is_no_matter_of_the_models(desk: Desk) -> None:
    """No revision makes it, and no model names it; a table beside it is one."""
    env = with_models(desk)
    env.write_text(env.read_text(encoding="utf-8").replace('name == "people"', "True"), encoding="utf-8")
    desk.migrate("head")
    desk.execute("CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
    assert judged(desk).outcome is Outcome.PASSED
    assert judged(desk, DETAILS).found == "Table events_2027 is in the database and not in the models."
    desk.execute("CREATE TABLE stray (id int)")
    assert judged(desk).found == "Table stray is in the database and not in the models."


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
