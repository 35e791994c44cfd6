"""Errors as values, without a customer's data."""

from __future__ import annotations

import psycopg2
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from alembook.postgres.connection import Database
from alembook.project.agent.failure import Caught, Failure, describe, sqlstate


def raised(database: Database, statement: str) -> SQLAlchemyError:
    """Returns what SQLAlchemy raises for a statement."""
    engine = create_engine(database.url())
    with pytest.raises(SQLAlchemyError) as caught, engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
    return caught.value


def test_names_are_kept_and_detail_is_dropped(database18: Database) -> None:
    """SQLSTATE, message, constraint and table are kept; the value in DETAIL is not."""
    statement = "CREATE TABLE t (a text UNIQUE); INSERT INTO t VALUES ('secret'); INSERT INTO t VALUES ('secret')"
    found = describe(raised(database18, statement))
    assert (found["kind"], found["sqlstate"]) == ("statement", "23505")
    assert (found["table"], found["constraint"], found["column"]) == ("t", "t_a_key", None)
    assert found["message"] == 'duplicate key value violates unique constraint "t_a_key"'


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT 'secret'::int", 'invalid input syntax for type integer: "..."'),
        ("SELECT '2026-99-99 secret'::date", 'invalid input syntax for type date: "..."'),
        ('SELECT "secret" FROM pg_class', 'column "secret" does not exist'),
    ],
)
def test_values_in_messages_are_blanked(database18: Database, statement: str, message: str) -> None:
    """A data exception (class 22) quotes the value in its message: it is blanked; names elsewhere are not."""
    assert describe(raised(database18, statement))["message"] == message


def test_the_cause_is_found_behind_another_error(database18: Database) -> None:
    """An error a project raised from the driver's has the server's SQLSTATE and statement all the same."""
    with Caught() as caught:
        try:
            raise raised(database18, "SELECT 1 / 0")
        except SQLAlchemyError as error:
            raise RuntimeError("the migration failed") from error
    assert caught.error is not None
    assert sqlstate(caught.error) == "22012"
    assert describe(caught.error)["statement"] == "SELECT 1 / 0"
    assert describe(caught.error)["message"] == "division by zero"


def test_an_error_without_a_server() -> None:
    """What never reached a server has no SQLSTATE, and the text of its own."""
    with pytest.raises(psycopg2.OperationalError) as caught:
        psycopg2.connect("host=/nowhere dbname=x")
    found = describe(caught.value)
    assert (found["kind"], found["sqlstate"]) == ("error", None)
    assert found["message"].startswith("OperationalError: connection to server on socket")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (SystemExit(3), "exit", "SystemExit: 3"),
        (EOFError("EOF when reading a line"), "prompt", "EOFError: EOF when reading a line"),
        (ModuleNotFoundError("No module named 'x'"), "import", "ModuleNotFoundError: No module named 'x'"),
        (ValueError("bad\nDETAIL:  Key (email)=(a@b)"), "error", "ValueError: bad"),
        (Failure("guard", "Rows are left.", name="x"), "guard", "Rows are left."),
    ],
)
def test_kinds(error: BaseException, kind: str, message: str) -> None:
    """Each family of errors has its word."""
    found = describe(error)
    assert (found["kind"], found["message"]) == (kind, message)


def test_caught_keeps_even_an_exit() -> None:
    """Other people's code may end as it likes; the agent goes on."""
    with Caught() as caught:
        raise SystemExit(1)
    assert isinstance(caught.error, SystemExit)
