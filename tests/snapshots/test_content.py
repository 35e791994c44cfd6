"""Keyed fingerprints of values by key."""

from __future__ import annotations

import json

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import content, measurement
from alembook.snapshots.content import Fingerprint

KEY = bytes(range(32))


def of(connection: Connection, query: str, key: bytes = KEY) -> Fingerprint:
    """Returns a fingerprint."""
    return content.fingerprint(connection, query, key=key, timeout_s=10)


def values(*pairs: str) -> str:
    """Returns a query of pairs."""
    return f"SELECT * FROM (VALUES {', '.join(pairs)}) AS pairs (key, value)"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (values("(1, 'a')", "(2, 'b')"), values("(2, 'b')", "(1, 'a')")),
        (values("(1, 'a')"), "SELECT 'a' AS value, '1' AS key -- other order, other type"),
        (values("(1, 'a')"), "SELECT 1::bigint AS key, 'a'::varchar(9) AS value"),
        (values("(NULL, NULL)"), "SELECT NULL::int AS key, NULL::text AS value"),
        ("SELECT 1 AS key, 'é☃'::text AS value", "SELECT 1 AS key, U&'\\00e9\\2603'::text AS value"),
    ],
)
def test_the_same_pairs_are_equal(looking18: Connection, left: str, right: str) -> None:
    """In any order, as text, whatever the type that holds it."""
    assert of(looking18, left).differing(of(looking18, right)) == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (values("(1, 'a')"), values("(1, 'b')")),
        (values("(1, 'a')"), values("(1, 'a ')")),
        (values("(1, '')"), values("(1, NULL)")),
        (values("('', '')"), values("(NULL, '')")),
        (values("('1', 'a')", "('2', 'b')"), values("('1', 'b')", "('2', 'a')")),
        (values("('1', '23')"), values("('12', '3')")),
        (values("(1, 'a')", "(1, 'a')"), values("(1, 'a')")),
        (values("(1, 'a')", "(1, 'a')", "(1, 'b')"), values("(1, 'a')", "(1, 'b')", "(1, 'b')")),
        (values("(1, 'a')"), "SELECT 1 AS key, 'a' AS value WHERE false"),
        ("SELECT 1 AS key, 1.0 AS value", "SELECT 1 AS key, 1.00 AS value"),
        ("SELECT 1 AS key, 0.1::float8 AS value", "SELECT 1 AS key, 0.1::float4::float8 AS value"),
        (
            "SELECT 1 AS key, timestamptz '2020-01-01 12:00+00' AS value",
            "SELECT 1 AS key, timestamptz '2020-01-01 12:00+01' AS value",
        ),
    ],
)
def test_other_pairs_differ(looking18: Connection, left: str, right: str) -> None:
    """A value changed, blank, NULL, moved to another row, repeated, missing, of other precision or time."""
    assert of(looking18, left).differing(of(looking18, right)) > 0


def test_settings_of_the_session_do_not_matter(looking18: Connection) -> None:
    """The text form of values is pinned."""
    row = "row(timestamptz '2020-01-01 12:00+00', 0.1::float8, '\\x01'::bytea, interval '90 min')"
    query = f"SELECT 1 AS key, {row} AS value"
    first = of(looking18, query)
    for setting in (
        "TimeZone = 'Asia/Tokyo'",
        "DateStyle = 'German'",
        "extra_float_digits = -10",
        "bytea_output = 'escape'",
        "IntervalStyle = 'iso_8601'",
    ):
        connections.execute(looking18, f"SET LOCAL {setting}")
    assert of(looking18, query) == first


def test_one_changed_value_of_many_is_seen(connection: Connection) -> None:
    """Exactly its group of keys differs; all groups are used about evenly."""
    connections.execute(
        connection, "CREATE TABLE t AS SELECT i AS key, md5(i::text) AS value FROM generate_series(1, 50000) AS i"
    )
    with measurement.snapshot(connection):
        before = of(connection, "SELECT key, value FROM t")
    assert (before.rows, len(before.buckets)) == (50_000, 256)
    assert max(rows for rows, _ in before.buckets.values()) < 300
    connections.execute(connection, "UPDATE t SET value = value || ' ' WHERE key = 777")
    with measurement.snapshot(connection):
        after = of(connection, "SELECT key, value FROM t")
    assert before.differing(after) == 1


def test_another_secret_has_other_sums(looking18: Connection) -> None:
    """So a fingerprint says nothing to who has not got the plan's."""
    assert of(looking18, values("(1, 'a')")).differing(of(looking18, values("(1, 'a')"), bytes(32))) > 0


def test_a_fingerprint_goes_to_json_and_back(looking18: Connection) -> None:
    """Sums are wider than what JSON readers keep exact, so they are text; no value and no key is in it."""
    found = of(looking18, values("('alice@example.org', 'sk-secret')", "(2, NULL)".replace("2", "'2'")))
    text = json.dumps(found.to_json())
    assert Fingerprint.from_json(json.loads(text)) == found
    assert "alice" not in text
    assert "secret" not in text


@pytest.mark.parametrize("query", ["SELECT 1 AS key", "SELECT 1 AS key, 2 AS value, 3 AS further", "SELECT 1, 2"])
def test_other_columns_are_refused(looking18: Connection, query: str) -> None:
    """A column nobody compares would be believed compared."""
    with pytest.raises(errors.ConfigurationError) as caught:
        of(looking18, query)
    assert caught.value.why == "it is compared by two columns: key and value."
    assert caught.value.next == "Write SELECT ... AS key, ... AS value."


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS key, 2 AS value) q; COMMIT; INSERT INTO w VALUES (1); SELECT (1",
        "SELECT 1 AS key, 2 AS value; COMMIT; INSERT INTO w VALUES (1)",
        "SELECT 1 AS key, 2 AS value) AS a, (SELECT 3",
    ],
)
def test_a_query_cannot_break_out(connection18: Connection, query: str) -> None:
    """It is proved to be one statement by itself before it is put between parentheses."""
    connections.execute(connection18, "CREATE TABLE w (i int)")
    with measurement.snapshot(connection18), pytest.raises(errors.QueryFailed):
        of(connection18, query)
    assert connections.scalar(connection18, "SELECT count(*) FROM w") == 0


def test_an_encoding_that_is_no_encoding_is_hashed_as_bytes(connection18: Connection) -> None:
    """A SQL_ASCII database holds bytes nobody can name, and they are compared as they are."""
    name = connection18.info.dbname + "_ascii"
    connections.execute(
        connection18, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc"
    )
    parts = connections.Database.parse(connection18.dsn).with_dbname(name)
    opened = connections.connect(parts, application_name="alembook test", read_only=True)
    try:
        with measurement.snapshot(opened):
            left, right = (of(opened, f"SELECT 1 AS key, E'\\x{byte}' AS value") for byte in ("e9", "e8"))
    finally:
        opened.close()
        connections.execute(connection18, f"DROP DATABASE {name}")
    assert left.differing(right) == 1
