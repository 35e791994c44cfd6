"""One batch: what it takes, what it lets its statements do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from alembook import errors
from alembook.backfills import Backfill, batch, keyed
from alembook.backfills.keyed import KeyedTable
from alembook.postgres import connection as connections
from tests.backfills.conftest import Workshop


@pytest.fixture
def items(workshop18: Workshop, declare: Callable[..., Backfill]) -> KeyedTable:
    """Returns the table of ten items, its batch made on the workshop's connection."""
    workshop18.make_items(10)
    table = keyed.read(workshop18.connection, declare())
    batch.prepare(workshop18.connection, table)
    return table


def test_a_batch_holds_the_next_keys(workshop18: Workshop, items: KeyedTable) -> None:
    """After a position, in order, pending ones only, up to a number; none at the end of the table."""
    workshop18.do("UPDATE items SET done = true WHERE id = 4")
    with batch.transaction(workshop18.connection):
        assert batch.fill(workshop18.connection, items, ["2"], 3) == (3, ["6"])
        assert workshop18.ask("SELECT array_agg(id ORDER BY id) FROM batch") == [3, 5, 6]
    assert workshop18.ask("SELECT count(*) FROM batch") == 0
    with batch.transaction(workshop18.connection):
        assert batch.fill(workshop18.connection, items, ["10"], 3) == (0, [])


def take_and_apply(workshop: Workshop, items: KeyedTable, *statements: str) -> None:
    """Runs one batch of five."""
    with batch.transaction(workshop.connection):
        batch.fill(workshop.connection, items, None, 5)
        batch.apply(workshop.connection, statements)


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("COMMIT", "0A000"),
        ("UPDATE items SET done = true; COMMIT; UPDATE items SET value = 0", "0A000"),
        ("ROLLBACK", "0A000"),
        ("SAVEPOINT s", "0A000"),
        ("VACUUM items", "25001"),
        ("CREATE INDEX CONCURRENTLY i ON items (value)", "25001"),
    ],
)
def test_a_statement_cannot_end_the_transaction(
    workshop18: Workshop, items: KeyedTable, statement: str, sqlstate: str
) -> None:
    """The server refuses it, and the batch is rolled back whole."""
    with pytest.raises(errors.QueryFailed) as caught:
        take_and_apply(workshop18, items, statement)
    assert batch.sqlstate(caught.value) == sqlstate
    assert workshop18.ask("SELECT count(*) FROM items WHERE done OR value = 0") == 0


def test_statements_run_as_written_and_in_order(workshop18: Workshop, items: KeyedTable) -> None:
    """Quotes, backslashes, dollars, per cent signs, comments and a semicolon at the end mean what they mean."""
    workshop18.do("CREATE TABLE notes (text text)")
    texts = [
        r"INSERT INTO notes SELECT '%s it''s 100% \n $$' || id FROM batch -- done",
        "INSERT INTO notes SELECT $x$two$x$ || count(*) FROM notes;",
    ]
    with batch.transaction(workshop18.connection):
        batch.fill(workshop18.connection, items, None, 1)
        batch.apply(workshop18.connection, texts)
    assert workshop18.ask("SELECT array_agg(text) FROM notes") == [r"%s it's 100% \n $$1", "two1"]


def test_the_planner_is_told_only_inside_the_batch(workshop18: Workshop, items: KeyedTable) -> None:
    """Statements sort as the server is configured, and the session keeps no setting."""
    with batch.transaction(workshop18.connection):
        batch.fill(workshop18.connection, items, None, 5)
        assert workshop18.ask("SHOW enable_sort") == "on"
        assert workshop18.ask("SHOW random_page_cost") == "1.1"
    assert workshop18.ask("SHOW random_page_cost") == "4"


def test_rows_of_a_batch_are_locked_and_readers_do_not_wait(workshop18: Workshop, items: KeyedTable) -> None:
    """A writer of such a row waits; a writer of another, a reader and a foreign key do not."""
    workshop18.do("CREATE TABLE parts (item integer REFERENCES items)")
    with contextlib.closing(workshop18.connect()) as other, batch.transaction(workshop18.connection):
        batch.fill(workshop18.connection, items, None, 5)
        assert connections.execute(other, "UPDATE items SET value = 7 WHERE id = 6") == 1
        assert connections.execute(other, "INSERT INTO parts VALUES (1)") == 1
        assert connections.scalar(other, "SELECT count(*) FROM items") == 10
        with pytest.raises(errors.QueryFailed) as caught:
            connections.execute(other, "UPDATE items SET value = 7 WHERE id = 5")
    assert batch.sqlstate(caught.value) == "55P03"


def test_rows_left_are_counted_in_the_batch_only(workshop18: Workshop, items: KeyedTable) -> None:
    """What is pending outside of it does not count."""
    with batch.transaction(workshop18.connection):
        batch.fill(workshop18.connection, items, None, 5)
        batch.apply(workshop18.connection, ["UPDATE items SET done = true WHERE id <= 3"])
        assert batch.left(workshop18.connection, items) == 2
    assert batch.pending(workshop18.connection, items) == 7


def test_a_condition_may_end_in_a_comment(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """It stands on lines of its own."""
    workshop18.make_items(10)
    table = keyed.read(workshop18.connection, declare(pending="NOT done OR items.id > 9 -- both, 100%"))
    assert batch.pending(workshop18.connection, table) == 10


def test_a_role_without_temporary_tables_is_told(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """Before any batch is begun."""
    workshop18.make_items(1)
    name = workshop18.database.dbname
    workshop18.do(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; CREATE ROLE plain; GRANT SELECT ON items TO plain")
    table = keyed.read(workshop18.connection, declare())
    workshop18.do("SET ROLE plain")
    try:
        with pytest.raises(errors.BackfillFailed) as caught:
            batch.prepare(workshop18.connection, table)
    finally:
        workshop18.do("RESET ROLE; REVOKE ALL ON items FROM plain; DROP ROLE plain")
    assert str(caught.value) == (
        "The keys of a batch of public.items have no place.\n"
        "  left: unchanged: no batch was begun.\n"
        f"""  why:  SQLSTATE 42501: permission denied to create temporary tables in database "{name}".\n"""
        "  next: Grant the role TEMPORARY on the database and SELECT on the table."
    )


def test_another_relation_is_not_taken_for_the_batch(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """A table of that name does no harm, unless the search_path puts it before temporary tables."""
    workshop18.make_items(10)
    workshop18.do("CREATE TABLE batch (id integer)")
    assert workshop18.run(declare()).rows_done == 10
    workshop18.do("UPDATE items SET done = false")
    with pytest.raises(errors.BackfillFailed) as caught:
        workshop18.run(declare(), connect=lambda: workshop18.connect(search_path="public, pg_temp"))
    assert str(caught.value) == (
        "The name `batch` does not lead to the keys of the batch.\n"
        "  left: unchanged: no batch was begun.\n"
        "  why:  search_path names pg_temp after a schema that has a relation of this name.\n"
        "  next: Leave pg_temp out of the role's search_path: it is searched first then."
    )


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 'sk-secret'::int", "SQLSTATE 22P02: invalid input syntax for type integer"),
        ("DO $$ BEGIN RAISE 'row sk-secret: bad'; END $$", "SQLSTATE P0001: row sk-secret"),
        ("SELECT nothing", 'SQLSTATE 42703: column "nothing" does not exist'),
    ],
)
def test_a_reason_keeps_names_and_drops_quoted_values(workshop18: Workshop, query: str, reason: str) -> None:
    """Messages about data lose what they quote; what a function of the project raises keeps only its first words."""
    with pytest.raises(errors.QueryFailed) as caught:
        workshop18.do(query)
    assert batch.reason(caught.value) == reason
