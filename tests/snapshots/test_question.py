"""One question: one statement, reading only, in limited time."""

from __future__ import annotations

import contextlib

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import measurement, question


def asked(connection: Connection, query: str, *, timeout_s: float = 5) -> list[tuple[object, ...]]:
    """Returns up to ten rows."""
    with question.ask(connection, query, timeout_s=timeout_s) as answers:
        return answers.fetch(10)


def refused(connection: Connection, query: str, *, timeout_s: float = 5) -> str:
    """Returns why there is no answer."""
    with pytest.raises(errors.QueryFailed) as caught:
        asked(connection, query, timeout_s=timeout_s)
    return question.reason(caught.value)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT 1", [(1,)]),
        ("SELECT 1 -- a comment", [(1,)]),
        ("/* ; */ SELECT ';', '$$', '$x$', 'it''s %s \\ ' -- ;", [(";", "$$", "$x$", "it's %s \\ ")]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("WITH a AS (SELECT 1 AS x) SELECT * FROM a UNION ALL SELECT 2", [(1,), (2,)]),
        ("SELECT WHERE false", []),
        ("SHOW transaction_read_only", [("on",)]),
    ],
)
def test_a_query_is_asked_as_it_is_written(looking18: Connection, query: str, found: list[object]) -> None:
    """Comments, quotes and semicolons inside of it mean what they mean."""
    assert asked(looking18, query) == found


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 1; COMMIT; INSERT INTO w VALUES (1)", "SQLSTATE 42P11: cannot open multi-query plan as cursor"),
        ("SELECT 1); COMMIT; INSERT INTO w VALUES (1); SELECT (1", 'SQLSTATE 42601: syntax error at or near ")"'),
        ("SELECT 1) q; COMMIT; INSERT INTO w VALUES (1); SELECT (1", 'SQLSTATE 42601: syntax error at or near ")"'),
        ("SELECT 1'; COMMIT; INSERT INTO w VALUES (1); --", "SQLSTATE 42601: unterminated quoted string at or near"),
        ("COMMIT", "SQLSTATE 42P11: cannot open COMMIT query as cursor"),
        ("", "SQLSTATE 42P11: cannot open multi-query plan as cursor"),
        ("INSERT INTO w VALUES (1)", "SQLSTATE 42P11: cannot open INSERT query as cursor"),
        ("INSERT INTO w VALUES (1) RETURNING i", "SQLSTATE 25006: cannot execute INSERT in a read-only transaction"),
        (
            "WITH a AS (INSERT INTO w VALUES (1) RETURNING i) SELECT * FROM a",
            "SQLSTATE 25006: cannot execute SELECT in a read-only transaction",
        ),
        ("SELECT nextval('s')", "SQLSTATE 25006: cannot execute nextval() in a read-only transaction"),
        ("SELECT i FROM w FOR UPDATE", "SQLSTATE 25006: cannot execute SELECT FOR UPDATE in a read-only transaction"),
        ("SET TRANSACTION READ WRITE", "SQLSTATE 42P11: cannot open SET query as cursor"),
        (
            "SELECT set_config('transaction_read_only', 'off', true)",
            "SQLSTATE 25001: cannot set transaction read-write mode inside a read-only transaction",
        ),
    ],
)
def test_nothing_but_one_reading_statement_is_run(connection: Connection, query: str, reason: str) -> None:
    """The server refuses it, nothing is written, and the transaction is still the one that reads."""
    connections.execute(connection, "CREATE TABLE w (i int); CREATE SEQUENCE s")
    with measurement.snapshot(connection):
        assert refused(connection, query).startswith(reason)
        assert connections.scalar(connection, "SHOW transaction_read_only") == "on"
        assert asked(connection, "SELECT count(*) FROM w") == [(0,)]
    assert connections.scalar(connection, "SELECT count(*) FROM w") == 0


def test_time_is_limited(looking18: Connection) -> None:
    """The limit belongs to the question and not to the transaction."""
    assert refused(looking18, "SELECT pg_sleep(5)", timeout_s=0.05) == (
        "SQLSTATE 57014: canceling statement due to statement timeout"
    )
    assert connections.scalar(looking18, "SHOW statement_timeout") == "0"


def test_a_setting_does_not_outlive_its_question(looking18: Connection) -> None:
    """Nor does the cursor: the next question has a new one."""
    assert asked(looking18, "SELECT set_config('search_path', 'nowhere', false)") == [("nowhere",)]
    assert asked(looking18, "SHOW search_path") == [('"$user", public',)]


def test_the_secret_is_a_setting_of_its_question(looking18: Connection) -> None:
    """The text of the query does not hold it."""
    with question.ask(looking18, "SELECT current_setting('alembook.secret')", timeout_s=5, secret="abc") as answers:
        assert answers.fetch(1) == [("abc",)]
        assert connections.scalar(looking18, "SELECT current_query()") == "SELECT current_query()"
    assert asked(looking18, "SELECT coalesce(current_setting('alembook.secret', true), '')") == [("",)]


def test_rows_are_counted_without_fetching_them(looking18: Connection) -> None:
    """Up to a bound."""
    with question.ask(looking18, "SELECT i FROM generate_series(1, 1000) AS i", timeout_s=5) as answers:
        assert answers.columns == ("i",)
        assert (answers.count(300), answers.fetch(2), answers.count(5000)) == (300, [(301,), (302,)], 698)


def test_a_transaction_that_may_write_is_refused(connection18: Connection) -> None:
    """A check is not run where it could do harm."""
    connections.execute(connection18, "BEGIN")
    with pytest.raises(errors.QueryFailed) as caught:
        asked(connection18, "SELECT 1")
    assert str(caught.value) == (
        "A declared check was about to run in a transaction that may write.\n"
        "  left: unchanged: the check was not run.\n"
        "  why:  checks only look; the transaction has to be READ ONLY.\n"
        "  next: Report this: it is a fault of Alembook."
    )


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 'sk-secret'::int", "SQLSTATE 22P02: invalid input syntax for type integer"),
        ("SELECT 'sk-secret'::date", "SQLSTATE 22007: invalid input syntax for type date"),
        ("SELECT '{\"a\": sk-secret}'::json", "SQLSTATE 22P02: invalid input syntax for type json"),
        ("SELECT 1/0", "SQLSTATE 22012: division by zero"),
        ("SELECT sk FROM pg_class", 'SQLSTATE 42703: column "sk" does not exist'),
    ],
)
def test_a_reason_holds_no_value_of_a_row(looking18: Connection, query: str, reason: str) -> None:
    """SQLSTATE and message without DETAIL; what a message about data quotes is dropped, names of a query stay."""
    assert refused(looking18, query) == reason


def test_a_lost_connection_is_no_verdict(database18: Database) -> None:
    """It is raised on, so that nobody takes a dead server for a wrong query."""
    opened = connections.connect(database18, application_name="alembook test", read_only=True)
    with contextlib.closing(opened), measurement.snapshot(opened):
        with pytest.raises(errors.QueryFailed) as caught:
            asked(opened, "SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(errors.QueryFailed) as raised:
            question.reason(caught.value)
    assert raised.value is caught.value
