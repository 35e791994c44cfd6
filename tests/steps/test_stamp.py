"""Where the database is, as inspect judges it: each way has its kind, its message, its check, and what to do."""

from __future__ import annotations

import pytest

from alembook import archive
from alembook.postgres import fingerprint
from alembook.project.state import Kind
from alembook.steps import inspection
from alembook.steps.inspection import Inspection
from alembook.verdict import Check, Grade, Outcome
from tests.project.conftest import relations
from tests.steps.conftest import Desk
from tests.steps.test_models import with_models

FIRST, LAST = "1a0000000041", "2b0000000042"
ROWS = "the version rows leave no doubt"
GRAVE = "tables and columns are as the last run left them"
OTHER = "indexes, constraints and other objects are as the last run left them"
TABLES = "the tables that are there have a version row"
MODELS = "the models agree with the database"


def inspected(desk: Desk, to: str = "head") -> Inspection:
    """Returns what inspect finds, in a run of its own."""
    begun = archive.begin(desk.folder / "runs", "demo", to=to)
    with desk.book("inspect", folder=begun) as book:
        return inspection.inspect(book, to=to)


def check(found: Inspection, name: str) -> Check:
    """Returns one check."""
    return next(each for each in found.checks if each.name == name)


def test_behind_and_as_recorded(desk: Desk) -> None:
    """A database where the last run left it: behind, and the schema is the recorded one."""
    found = inspected(desk)
    assert found.found.kind is Kind.BEHIND
    assert found.found.message == "The database is at 1a0000000041: 1 of 2 revisions are not applied."
    for name in (ROWS, GRAVE, OTHER):
        assert check(found, name).outcome is Outcome.PASSED
    assert check(found, GRAVE).expected.startswith("as recorded at 20")
    assert MODELS not in [each.name for each in found.checks]
    assert "1 of 2 revisions are not applied" in found.state()._repr_html_()


def test_nothing_is_created_by_looking(desk: Desk) -> None:
    """The catalogue is the same before and after, in every kind of state."""
    states = (
        "SELECT 1",
        "UPDATE alembic_version SET version_num = 'gone'",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version; DROP SCHEMA alembook CASCADE",
    )
    for statement in states:
        desk.execute(statement)
        with desk.connect() as connection:
            before = relations(connection), fingerprint.read(connection)
            inspected(desk)
            assert (relations(connection), fingerprint.read(connection)) == before


def test_an_unknown_revision_stops(desk: Desk) -> None:
    """Ahead of the code: must, and nothing is compared with a record."""
    desk.execute("UPDATE alembic_version SET version_num = 'cccccccccccc'")
    found = inspected(desk)
    assert found.found.kind is Kind.UNKNOWN
    closing = check(found, ROWS)
    assert (closing.grade, closing.outcome) == (Grade.MUST, Outcome.FAILED)
    assert closing.why == "The database is at cccccccccccc, which the project does not have."
    assert closing.next.startswith("Check out the code that has this revision")
    assert GRAVE not in [each.name for each in found.checks]


def test_overlapping_rows_stop(desk: Desk) -> None:
    """Two rows, one below the other: must."""
    desk.execute(f"INSERT INTO alembic_version VALUES ('{LAST}')")
    found = inspected(desk)
    assert found.found.kind is Kind.OVERLAPPING
    assert check(found, ROWS).outcome is Outcome.FAILED
    assert check(found, ROWS).next.endswith("and delete the lower row: 1a0000000041.")


def test_tables_without_version_rows_are_named(desk: Desk) -> None:
    """An unstamped database with tables no revision creates: a warning; whose they are only people know."""
    desk.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE a (i int); CREATE TABLE b (i int)")
    found = inspected(desk)
    assert found.found.kind is Kind.UNSTAMPED
    assert found.found.message == "There is no version table, and there are 2 tables: public.a, public.b."
    said = check(found, TABLES)
    assert (said.grade, said.outcome, said.found) == (Grade.SHOULD, Outcome.FAILED, "no version row")
    assert said.why == found.found.message
    assert said.next == (
        "If they are this project's, find out which revision they are at (compare with a scratch database upgraded to "
        "it) and write that down with `alembic stamp`. If they are another application's, go on."
    )


@pytest.mark.parametrize("statement", ["DELETE FROM alembic_version", "DROP TABLE alembic_version"])
def test_tables_that_would_be_created_again_stop(desk: Desk, statement: str) -> None:
    """Unstamped, and pending revisions create tables that are there: the upgrade would surely fail."""
    desk.execute(statement)
    found = inspected(desk)
    what = "The version table is empty" if "DELETE" in statement else "There is no version table"
    assert found.found.message == (
        f"{what}, and there are 5 tables: public.events_2025, public.events_2026, public.heap, public.people, "
        "public.visits."
    )
    said = check(found, TABLES)
    assert (said.grade, said.outcome) == (Grade.MUST, Outcome.FAILED)
    assert said.found == (
        "no version row; the revisions create again: public.people, public.visits, public.heap, public.events, "
        "public.events_2025, public.events_2026"
    )


def test_an_empty_database_has_nothing_to_say(desk: Desk) -> None:
    """No table and no row: the upgrade begins with the first revision."""
    desk.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA alembook CASCADE")
    found = inspected(desk)
    assert found.found.kind is Kind.EMPTY
    assert not {TABLES, GRAVE, OTHER, MODELS} & {each.name for each in found.checks}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE visits", "table public.visits: gone"),
        ("ALTER TABLE people DROP COLUMN note", "column public.people.note: gone"),
        ("ALTER TABLE people ALTER note TYPE varchar(9)", "column public.people.note: text -> character varying(9)"),
    ],
)
def test_stamped_and_a_column_differs_stops(desk: Desk, change: str, said: str) -> None:
    """What the revisions stand on is not what the last run left: must, by name."""
    desk.execute(change)
    found = inspected(desk)
    assert found.found.kind is Kind.DIFFERS
    assert "Its schema is not the recorded one: " in found.found.message
    closing = check(found, GRAVE)
    assert (closing.grade, closing.outcome) == (Grade.MUST, Outcome.FAILED)
    assert said in closing.found
    assert closing.why == "the version rows are those of the record, and the schema is another one"
    assert closing.next.startswith("Find out who changed it.")


def test_stamped_and_an_index_differs_is_a_warning(desk: Desk) -> None:
    """An index, a constraint, a setting or a new table of others closes no gate, and is named."""
    desk.execute(
        "CREATE TABLE notes (id int); CREATE INDEX extra ON people (born); ALTER TABLE heap DISABLE TRIGGER quiet"
    )
    found = inspected(desk)
    assert found.found.kind is Kind.BEHIND
    assert check(found, GRAVE).outcome is Outcome.PASSED
    said = check(found, OTHER)
    assert (said.grade, said.outcome) == (Grade.SHOULD, Outcome.FAILED)
    for name in ("index public.extra: new", "table public.notes: new", "trigger public.heap.quiet"):
        assert name in said.found


def test_what_comes_and_goes_by_itself_stops_nothing(desk: Desk) -> None:
    """A partition that a job dropped, a table that no revision knows: named, and only a warning."""
    desk.execute("CREATE TABLE staging_20261125 (id int)")
    desk.migrate("head")
    desk.execute("DROP TABLE events_2025, staging_20261125")
    found = inspected(desk)
    assert check(found, GRAVE).outcome is Outcome.PASSED
    assert check(found, OTHER).outcome is Outcome.FAILED
    for name in ("events_2025", "staging_20261125"):
        assert f"table public.{name}: gone" in check(found, OTHER).found


def test_stamped_by_hand_has_no_record(desk: Desk) -> None:
    """A revision that no run left the database at: there is nothing to compare with, and that is said."""
    desk.execute(f"UPDATE alembic_version SET version_num = '{LAST}'")
    said = check(inspected(desk), GRAVE)
    assert (said.grade, said.outcome) == (Grade.MAY, Outcome.UNVERIFIED)
    assert said.why == "no recorded run left this target at 2b0000000042"


def test_at_head_the_models_are_compared(done: Desk) -> None:
    """Alembic's own comparison: without metadata it cannot be judged; a difference is a warning with a sentence."""
    said = check(inspected(done), MODELS)
    assert (said.grade, said.outcome) == (Grade.MAY, Outcome.UNVERIFIED)
    assert said.why == "env.py gives Alembic no target_metadata"
    with_models(done)
    found = inspected(done)
    assert found.found.kind is Kind.AT_HEAD
    said = check(found, MODELS)
    assert (said.grade, said.outcome) == (Grade.SHOULD, Outcome.FAILED)
    assert "Column people.age is in the models and not in the database." in said.found
    assert said.next == "Write the revision that is missing, or correct the models."
