"""One batch: take the next keys, do what is declared, all in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2 import sql

from alembook import errors
from alembook.backfills.keyed import KeyedTable
from alembook.postgres import connection as connections
from alembook.postgres import faults

#: SQLSTATE -> why a batch is worth another try: the server itself rolled it back for the sake of others.
WORTH_ANOTHER_TRY = {
    "55P03": "a lock was not available in time",
    "40P01": "a deadlock was resolved at its expense",
    "40001": "a concurrent update came first",
}

_IS_FOUND = "SELECT to_regclass('batch') = to_regclass('pg_temp.batch')"

#: The walk follows the key's index even where sorting looks cheaper, so no batch scans what earlier ones did. What it
#: locks is in memory from then on: finding it again by index costs no disk, and planned so, the declared statements do
#: not scan the whole table for every batch either (measured: half the time at 100,000 rows).
_BEGIN = """BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL enable_sort = off;
SET LOCAL random_page_cost = 1.1"""
_AS_CONFIGURED = "SET LOCAL enable_sort TO DEFAULT"


def prepare(connection: connections.Connection, table: KeyedTable) -> None:
    """Makes the temporary table ``batch`` for the session.

    Raises:
        errors.BackfillFailed: the role may not, or another relation would be taken for it.
    """
    try:
        connections.execute(connection, table.statement("batch_create.sql"))
        is_found = connections.scalar(connection, _IS_FOUND)
    except errors.QueryFailed as error:
        raise errors.BackfillFailed(
            f"The keys of a batch of {table.schema}.{table.table} have no place.",
            why=f"{reason(error)}.",
            next="Grant the role TEMPORARY on the database and SELECT on the table.",
            state="unchanged: no batch was begun.",
        ) from error
    if not is_found:
        raise errors.BackfillFailed(
            "The name `batch` does not lead to the keys of the batch.",
            why="search_path names pg_temp after a schema that has a relation of this name.",
            next="Leave pg_temp out of the role's search_path: it is searched first then.",
            state="unchanged: no batch was begun.",
        )


@contextmanager
def transaction(connection: connections.Connection) -> Iterator[None]:
    """Commits what is done inside, or rolls all of it back when that raises."""
    connections.execute(connection, _BEGIN)
    try:
        yield
        connections.execute(connection, "COMMIT")
    except BaseException:
        if not connection.closed:
            with suppress(errors.QueryFailed):
                connections.execute(connection, "ROLLBACK")
        raise


def fill(
    connection: connections.Connection, table: KeyedTable, position: Sequence[str] | None, size: int
) -> tuple[int, list[str]]:
    """Locks the next pending rows and puts their keys into ``batch``.

    Args:
        connection: inside ``transaction``.
        table: what is walked.
        position: last key of the batch before, or None at the beginning.
        size: rows wanted.

    Returns:
        Rows found, and the last key as text, a value per key column; (0, []) at the end of the table.
    """
    take = table.statement("batch_fill.sql", following=table.following(position), size=sql.Literal(size))
    found = connections.execute(connection, take)
    connections.execute(connection, _AS_CONFIGURED)
    if not found:
        return 0, []
    row = connections.rows(connection, table.last())[0]
    return found, [row[name] for name in table.key]


def apply(connection: connections.Connection, declared: Sequence[str]) -> None:
    """Runs the declared statements, each inside PL/pgSQL's EXECUTE.

    There the server refuses to end the transaction, which plain text sent by psycopg2 could do, and with it the promise
    that a batch and its progress commit together.
    """
    for statement in declared:
        block = sql.SQL("BEGIN EXECUTE {}; END").format(sql.Literal(statement)).as_string(connection)
        connections.execute(connection, sql.SQL("DO {}").format(sql.Literal(block)))


def left(connection: connections.Connection, table: KeyedTable) -> int:
    """Returns how many rows of the batch are still pending."""
    return int(connections.scalar(connection, table.statement("batch_left.sql")))


def pending(connection: connections.Connection, table: KeyedTable) -> int:
    """Returns how many rows of the whole table are pending, counted."""
    return int(connections.scalar(connection, table.statement("pending.sql")))


def sqlstate(error: errors.QueryFailed) -> str:
    """Returns the SQLSTATE behind an error, "" when the connection was lost."""
    cause = error.__cause__
    return (cause.pgcode or "") if isinstance(cause, psycopg2.Error) else ""


def reason(error: errors.QueryFailed) -> str:
    """Returns SQLSTATE and message of an error, without the values that some messages quote."""
    cause = error.__cause__
    if not isinstance(cause, psycopg2.Error) or cause.pgcode is None:
        return "the connection was lost"
    return f"SQLSTATE {cause.pgcode}: {faults.message(cause)}"
