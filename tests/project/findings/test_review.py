"""Findings on revisions of a real project, held against a real database."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import execute
from alembook.project import driver, findings
from alembook.project.findings import Finding, Review
from alembook.verdict import Grade, Outcome
from tests.project.conftest import Project

LAST = "3c0000000003"
FILL = "INSERT INTO accounts (id, email, name) SELECT n, n || '@example.org', 'name' FROM generate_series(10, {}) AS n"


@pytest.fixture
def filled(generic: Project) -> Project:
    """Returns the generic example at its head, with twelve thousand accounts, analysed."""
    generic.upgrade("1a0000000001", "2b0000000002", LAST)
    with contextlib.closing(connections.connect(generic.database, application_name="test")) as connection:
        execute(connection, FILL.format(12_000))
        execute(connection, "ANALYZE accounts")
    return generic


def look(project: Project, *, without: str = "") -> Review:
    """Returns the review of everything that is not applied."""
    described = project.describe()
    pending = [revision for revision in described.revisions if int(revision.id[0]) > int(LAST[0])]

    def render(revisions: Any) -> dict[str, tuple[str, str]]:
        found = driver.render(
            project.target, project.database, project.session, revisions=revisions, log=project.events.append
        )
        return {name: (each.sql, each.error) for name, each in found.items()}

    with contextlib.closing(
        connections.connect(project.database, application_name="test", read_only=True)
    ) as connection:
        return findings.review(
            pending, connection, version_table=("public", "alembic_version"), server_version="18.4", render=render
        )


def of(review: Review, rule: str) -> Finding:
    """Returns the one finding of a rule."""
    [found] = [finding for finding in review.findings if finding.rule == rule]
    return found


def rules(review: Review) -> set[str]:
    """Returns the rules that found something, those on every short test revision left out."""
    return {finding.rule for finding in review.findings} - {"no-way-back"}


def do(project: Project, statement: str) -> None:
    """Executes a statement in the project's database."""
    with contextlib.closing(connections.connect(project.database, application_name="test")) as connection:
        execute(connection, statement)


def test_a_dropped_column_names_what_depends_on_it(filled: Project) -> None:
    """A view (by pg_depend), an index and a function (by its text) are named, with rows, size and lock."""
    do(filled, "CREATE VIEW names AS SELECT name FROM accounts")
    do(filled, "CREATE INDEX accounts_name ON accounts (name)")
    do(filled, "CREATE FUNCTION first_name() RETURNS text LANGUAGE sql AS 'SELECT max(name) FROM accounts'")
    filled.revision("4d0000000004", LAST, 'op.drop_column("accounts", "name")')
    found = of(look(filled), "drop-column")
    assert found.found == ("depends on it: function first_name() (its text names it), index accounts_name, view names")
    assert (found.rows, found.grade, found.lock) == (11993, Grade.SHOULD, "ACCESS EXCLUSIVE: nobody reads or writes")
    assert found.size_bytes
    assert found.next == "Deploy the application that no longer maps it first, then drop it in a revision of its own."


def test_a_narrower_type_counts_the_rows_that_do_not_fit(filled: Project) -> None:
    """The query and its answer are in the finding."""
    do(filled, "UPDATE accounts SET name = 'far too long' WHERE id BETWEEN 10 AND 12")
    body = 'op.alter_column("accounts", "name", type_=sa.String(8), existing_type=sa.String(40))'
    filled.revision("4d0000000004", LAST, body)
    found = of(look(filled), "type-narrows")
    assert found.found == "character varying(40) becomes character varying(8); 3 rows would not fit"
    assert found.query == 'SELECT count(*) FROM public.accounts WHERE length("name") > 8'


def test_a_shorter_scale_counts_the_rows_that_are_rounded(filled: Project) -> None:
    """PostgreSQL rounds without an error: such rows are told from those that make the statement fail."""
    do(filled, "ALTER TABLE accounts ADD total numeric(12,4) DEFAULT 1.5")
    do(filled, "UPDATE accounts SET total = CASE WHEN id = 10 THEN 99999999 ELSE 1.2345 END WHERE id BETWEEN 10 AND 12")
    filled.revision("4d0000000004", LAST, 'op.alter_column("accounts", "total", type_=sa.Numeric(6, 2))')
    found = of(look(filled), "type-narrows")
    assert found.found == "numeric(12,4) becomes numeric(6,2); 1 row would not fit, 2 rows would be rounded"
    assert found.query.split(";\n") == [
        'SELECT count(*) FROM public.accounts WHERE abs(round("total", 2)) >= 10::numeric ^ 4',
        'SELECT count(*) FROM public.accounts WHERE "total" <> round("total", 2)',
    ]


def test_a_wider_type_is_no_finding(filled: Project) -> None:
    """squawk warns of any new type; the catalogue knows that varchar(40) to varchar(80) rewrites nothing."""
    body = 'op.alter_column("accounts", "name", type_=sa.String(80), existing_type=sa.String(40))'
    filled.revision("4d0000000004", LAST, body)
    review = look(filled)
    assert rules(review) == set()
    assert "ALTER TABLE accounts ALTER COLUMN name TYPE VARCHAR(80)" in review.revisions[0].sql


def test_a_required_column_is_a_must_only_where_rows_are(filled: Project) -> None:
    """NOT NULL without a default fails for sure on a table with rows, and not on an empty one."""
    do(filled, "CREATE TABLE empty_one (id int)")
    column = 'sa.Column("age", sa.Integer(), nullable=False)'
    filled.revision("4d0000000004", LAST, f'op.add_column("accounts", {column})\nop.add_column("empty_one", {column})')
    grades = {f.table: f.grade for f in look(filled).findings if f.rule == "required-column"}
    assert grades == {"accounts": Grade.MUST, "empty_one": Grade.SHOULD}


def test_a_required_column_after_a_delete_is_not_sure_to_fail(filled: Project) -> None:
    """A statement of the plan that may empty the table first makes it should."""
    body = (
        'op.execute("DELETE FROM accounts")\nop.add_column("accounts", sa.Column("age", sa.Integer(), nullable=False))'
    )
    filled.revision("4d0000000004", LAST, body)
    assert of(look(filled), "required-column").grade is Grade.SHOULD


def test_a_long_id_is_a_must(filled: Project) -> None:
    """The version column takes 32 characters; the check says so before anything runs."""
    filled.revision("4" + "d" * 40, LAST, 'op.execute("SELECT 1")')
    found = of(look(filled), "long-id")
    assert (found.operation, found.grade) == ("41 characters, and the version column takes 32", Grade.MUST)
    check = found.check()
    assert (check.outcome, check.grade, check.subject) == (Outcome.FAILED, Grade.MUST, "4" + "d" * 40)


def test_what_blocks_is_found(filled: Project) -> None:
    """A plain index, a validated foreign key and check, a unique constraint, a volatile default: one finding each."""
    filled.revision(
        "4d0000000004",
        LAST,
        """
        op.create_table("other", sa.Column("id", sa.Integer, primary_key=True))
        op.create_index("by_name", "accounts", ["name"])
        op.create_index("on_other", "other", ["id"])
        op.create_foreign_key("fk", "accounts", "other", ["id"], ["id"])
        op.create_check_constraint("ck", "accounts", "id > 0")
        op.create_unique_constraint("uq", "accounts", ["name"])
        op.add_column("accounts", sa.Column("token", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))
        """,
    )
    assert rules(look(filled)) == {"plain-index", "foreign-key", "check", "unique", "volatile-default"}


def test_the_safe_ways_are_no_findings(filled: Project) -> None:
    """NOT VALID, CONCURRENTLY in an autocommit block, a default that needs no rewrite: nothing is said."""
    filled.revision(
        "4d0000000004",
        LAST,
        """
        op.add_column("accounts", sa.Column("since", sa.DateTime(), server_default=sa.func.now()))
        op.create_check_constraint("ck", "accounts", "id > 0", postgresql_not_valid=True)
        with op.get_context().autocommit_block():
            op.create_index("by_name", "accounts", ["name"], postgresql_concurrently=True)
        """,
    )
    review = look(filled)
    assert rules(review) == set()
    assert review.revisions[0].note == ""


def test_a_change_of_rows_in_a_revision(filled: Project) -> None:
    """A whole UPDATE is unbatched; what reads the database first has no SQL before it runs, and says so."""
    filled.revision(
        "4d0000000004",
        LAST,
        """
        bind = op.get_bind()
        bind.execute(sa.text("UPDATE accounts SET name = 'x'"))
        bind.execute(sa.text("INSERT INTO accounts VALUES (1, 'a')"))
        """,
    )
    review = look(filled)
    assert rules(review) == {"unbatched", "data-change"}
    assert review.revisions[0].note.startswith("not written offline: line 10 asks the database (op.get_bind)")
    assert "UPDATE accounts SET name = 'x';" in review.revisions[0].sql


def test_squawk_adds_what_raw_sql_holds(filled: Project) -> None:
    """SQL we do not judge ourselves is squawk's: its finding has our table's size and its line counted from 1."""
    filled.revision("4d0000000004", LAST, 'op.execute("ALTER TABLE accounts ALTER COLUMN email DROP NOT NULL")')
    found = of(look(filled), "squawk ban-drop-not-null")
    assert (found.table, found.rows) == ("accounts", 11993)
    assert found.found == "line 3 of its SQL"


def test_squawk_says_nothing_of_the_plans_own_tables(filled: Project) -> None:
    """An index on a table that the plan makes blocks nobody."""
    body = 'op.create_table("fresh", sa.Column("id", sa.Integer))\nop.create_index("i", "fresh", ["id"])'
    filled.revision("4d0000000004", LAST, body)
    assert rules(look(filled)) == set()


def test_no_squawk_is_said(filled: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program our own rules still judge, and the reason is kept."""
    monkeypatch.setattr("alembook.project.findings.linter._program", lambda: "/nowhere/squawk")
    filled.revision("4d0000000004", LAST, 'op.drop_table("accounts")')
    review = look(filled)
    assert "squawk" in review.unasked
    assert rules(review) == {"drop-table"}


def test_looking_runs_no_revision(filled: Project) -> None:
    """A revision that does more than name operations is not called to see its SQL: nothing is moved beside it."""
    path = filled.folder / "moved"
    filled.revision("4d0000000004", LAST, f"import pathlib\npathlib.Path({str(path)!r}).write_text('x')")
    review = look(filled)
    assert review.revisions[0].note.startswith("not written offline: line 10 imports inside the function")
    assert not path.exists()
