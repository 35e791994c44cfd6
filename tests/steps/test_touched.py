"""Which tables a run works on, before and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook.steps import before
from alembook.verdict import Outcome
from tests.steps.conftest import Desk, closed_by


def revision(desk: Desk, number: str = "2b") -> Path:
    """Returns the file of a revision."""
    return next((desk.folder / "project/migrations/versions").glob(f"{number}*.py"))


def edit(path: Path, *, upgrade: str = "", top: str = "") -> None:
    """Adds lines to the beginning of a file and of its upgrade."""
    text = path.read_text(encoding="utf-8")
    text = text.replace("def upgrade():\n", f"def upgrade():\n    {upgrade or 'pass'}\n")
    path.write_text(text.replace("from alembic import op\n", f"from alembic import op\n{top}\n"), encoding="utf-8")


PEOPLE = {"public.alembic_version", "public.people", "public.visits"}


@pytest.fixture
def narrow(desk: Desk) -> Desk:
    """Returns a desk at the first revision that verifies what is touched."""
    desk.configure(scope="touched")
    return desk


def test_what_the_plan_names_is_measured_with_its_neighbours(narrow: Desk) -> None:
    """people by name, visits for its foreign key, the version table; the others are not read, and that is said."""
    narrow.migrate("head")
    with narrow.book("verify") as book:
        earlier = before.taken(book)
    measured = {f"public.{name}" for name in earlier.tables["table"]}
    assert measured == PEOPLE
    verified = narrow.verify()
    assert verified.gate.is_open
    assert verified.facts["scope"] == "2 of 6 tables named by the plan, 1 beside them by foreign keys"
    assert set(verified.comparison["table"]) == {"alembic_version", "people", "visits"}


def test_what_others_do_to_tables_out_of_scope_is_not_judged(narrow: Desk) -> None:
    """It is neither passed nor failed: no check names the table."""
    narrow.migrate("head")
    narrow.execute("DELETE FROM heap")
    verified = narrow.verify()
    assert verified.gate.is_open
    assert not [check for check in verified.checks if check.subject == "public.heap"]


def test_a_new_table_is_in_scope(narrow: Desk) -> None:
    """Whoever made it."""
    narrow.migrate("head")
    narrow.execute("CREATE TABLE made_later AS SELECT 1 AS i")
    assert "made_later" in set(narrow.verify().comparison["table"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"top": "from helpers import work", "upgrade": "work(op.get_bind())"},
            "revision 2b0000000042 may work on tables its text does not name, line 17 calls work",
        ),
        (
            {"upgrade": "sa.inspect(op.get_bind()).get_table_names()"},
            "revision 2b0000000042 may work on tables its text does not name, "
            "it asks which tables there are (get_table_names)",
        ),
    ],
)
def test_a_plan_that_hides_its_tables_puts_every_table_in_scope(narrow: Desk, change: dict[str, str], why: str) -> None:
    """Other code that gets a connection, or a loop over the catalogue, may work on anything."""
    (narrow.folder / "project/helpers.py").write_text("def work(bind): pass\n", encoding="utf-8")
    edit(revision(narrow), **change)
    narrow.migrate("head")
    with narrow.book("verify") as book:
        scope = before.taken(book).scope
    assert (scope.tables, scope.why) == (None, f"every table: {why}")


def test_a_table_that_only_running_shows_is_unverified(narrow: Desk) -> None:
    """Its name was put together at run time: it was not measured before, and the gate stays closed."""
    edit(revision(narrow), upgrade="op.execute('UPDATE ' + 'he' + 'ap SET a = a')")
    narrow.migrate("head")
    check = closed_by(narrow.verify())["every table the run worked on was measured before"]
    assert (check.outcome, check.expected, check.found, check.why) == (
        Outcome.UNVERIFIED,
        "3 tables",
        "2 tables",
        "statements of the run lead to public.heap, and the texts of its plan do not",
    )


WORKED_ON = "every table the run worked on was measured before"


def test_a_table_that_no_text_names_and_the_server_counted_is_unverified(narrow: Desk) -> None:
    """A function puts its name together: no statement has it, the server's count of the revision's rows has."""
    narrow.execute(
        "CREATE TABLE archive_2020 AS SELECT i FROM generate_series(1, 100) AS i;"
        "CREATE FUNCTION purge(year int) RETURNS void LANGUAGE plpgsql AS"
        " $$ BEGIN EXECUTE format('DELETE FROM %I', 'archive_' || year); END $$"
    )
    edit(revision(narrow), upgrade="op.execute('SELECT purge(2020)')")
    narrow.migrate("head")
    check = closed_by(narrow.verify())[WORKED_ON]
    assert (check.outcome, check.expected, check.found, check.why) == (
        Outcome.UNVERIFIED,
        "3 tables",
        "2 tables",
        "statements of the run lead to public.archive_2020, and the texts of its plan do not",
    )


def test_a_table_named_behind_what_the_record_keeps_of_a_statement_is_unverified(narrow: Desk) -> None:
    """The record keeps the beginning of a long text, and of its rest the names: no literal, no comment."""
    (narrow.folder / "project/long.sql").write_text(
        "".join(f"-- don't read line {i}, it fills up space\n" for i in range(600))
        + "UPDATE heap SET b = 'secret-of-heap' WHERE a < 0;",
        encoding="utf-8",
    )
    reading = f"op.execute(Path({str(narrow.folder / 'project/long.sql')!r}).read_text())"
    edit(revision(narrow), upgrade=reading, top="from pathlib import Path")
    narrow.migrate("head")
    assert closed_by(narrow.verify())[WORKED_ON].why.startswith("statements of the run lead to public.heap,")
    [kept] = [path.read_text(encoding="utf-8") for path in (narrow.run().path / "sql").glob("*.sql")]
    [rest] = [line for line in kept.splitlines() if line.startswith("-- the rest ")]
    assert rest.startswith("-- the rest of 25,")
    assert rest.endswith(": SET UPDATE WHERE a b heap")


def test_declared_checks_put_their_tables_in_scope(narrow: Desk) -> None:
    """A rule for a table that no revision names is judged."""
    checks = '[[none]]\nname = "no heap without a letter"\nquery = "SELECT 1 FROM heap WHERE b IS NULL"\n'
    (narrow.folder / "project/migrations/checks.toml").write_text(checks, encoding="utf-8")
    narrow.migrate("head")
    assert "heap" in set(narrow.verify().comparison["table"])
