"""Asking the database one question of somebody else's making: one statement, reading only, in limited time.

A query from a file is untrusted in its form: psycopg2 sends plain text, and ``SELECT 1; COMMIT; INSERT ...`` sent so
would end a READ ONLY transaction and write. The query is therefore handed to the server as a *value* and opened as a
cursor inside a PL/pgSQL block. The server itself parses it there and refuses several statements ("cannot open
multi-query plan as cursor"), transaction control and everything that returns no rows, whatever comments, quotes or
parentheses it holds (PostgreSQL manual, 41.7.2.2 OPEN FOR EXECUTE; a refcursor outlives its block).

Each question has a savepoint of its own that is rolled back when it is answered: one that fails, times out or changes a
setting leaves the transaction as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import faults, statements

_END = "ROLLBACK TO SAVEPOINT alembook_question; RELEASE SAVEPOINT alembook_question"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The rows of one question, still on the server.

    Attributes:
        columns: names of the columns.
    """

    connection: connections.Connection
    columns: tuple[str, ...]

    def fetch(self, limit: int) -> list[tuple[Any, ...]]:
        """Returns up to ``limit`` further rows. Raises as ``ask``."""
        return _fetch(self.connection, limit)[1]

    def count(self, limit: int) -> int:
        """Counts up to ``limit`` further rows; no value leaves the server. Raises as ``ask``."""
        move = sql.SQL("MOVE FORWARD {} IN alembook_question").format(sql.Literal(limit))
        return connections.execute(self.connection, move)


@contextmanager
def ask(connection: connections.Connection, query: str, *, timeout_s: float, secret: str = "") -> Iterator[Answers]:
    """Opens one query and yields its answers; nothing it does outlives the block.

    Args:
        connection: inside a read-only transaction.
        query: one statement that returns rows.
        timeout_s: limit for each statement sent, seconds; 0 is no limit.
        secret: what the query reads as ``current_setting('alembook.secret')``, so that its own text, which the server
            shows in ``pg_stat_activity`` and logs when it is slow, does not hold it. A server that logs *every*
            statement logs the secret too.

    Raises:
        errors.QueryFailed: the server refused the query or ended it; or the transaction may write.
    """
    with _apart(connection, timeout_s=timeout_s, secret=secret):
        connections.execute(connection, sql.SQL("DO {}").format(sql.Literal(_block(connection, query))))
        yield Answers(connection=connection, columns=_fetch(connection, 0)[0])


def told(connection: connections.Connection, block: sql.Composable, *, timeout_s: float) -> str:
    """Returns what a PL/pgSQL block of ours leaves in the setting ``alembook.answer``; nothing it does outlives it.

    Args:
        connection: inside a read-only transaction.
        block: the body.
        timeout_s: limit, seconds; 0 is no limit.

    Raises:
        errors.QueryFailed: as ``ask``.
    """
    body = sql.Literal(block.as_string(connection))
    with _apart(connection, timeout_s=timeout_s):
        connections.execute(connection, sql.SQL("DO {}").format(body))
        return str(connections.scalar(connection, "SELECT current_setting('alembook.answer')"))


@contextmanager
def _apart(connection: connections.Connection, *, timeout_s: float, secret: str = "") -> Iterator[None]:
    """Opens a savepoint with settings of its own, which is rolled back at the end."""
    _require_read_only(connection)
    connections.execute(connection, "SAVEPOINT alembook_question")
    try:
        settings = statements.load(__package__, "question_settings.sql")
        connections.execute(connection, settings, {"timeout_ms": str(int(timeout_s * 1000)), "secret": secret})
        yield
    finally:
        if not connection.closed:
            connections.execute(connection, _END)


def _require_read_only(connection: connections.Connection) -> None:
    if connections.scalar(connection, "SHOW transaction_read_only") != "on":
        raise errors.QueryFailed(
            "A declared check was about to run in a transaction that may write.",
            why="checks only look; the transaction has to be READ ONLY.",
            next="Report this: it is a fault of Alembook.",
            state="unchanged: the check was not run.",
        )


def _block(connection: connections.Connection, query: str) -> str:
    block = sql.SQL(statements.load(__package__, "question.sql")).format(query=sql.Literal(query))
    return block.as_string(connection)


def _fetch(connection: connections.Connection, limit: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql.SQL("FETCH FORWARD {} FROM alembook_question").format(sql.Literal(limit)))
            return tuple(column.name for column in cursor.description or ()), cursor.fetchall()
        except psycopg2.Error as error:
            raise connections.query_failed(error) from error


def reason(error: errors.QueryFailed) -> str:
    """Returns why a question has no answer: SQLSTATE and message, without DETAIL and without quoted values.

    Raises:
        errors.QueryFailed: the error itself, when the connection is lost: that is no verdict on a query.
    """
    cause = error.__cause__
    if not isinstance(cause, psycopg2.Error) or cause.pgcode is None:
        raise error
    return f"SQLSTATE {cause.pgcode}: {faults.message(cause)}"
