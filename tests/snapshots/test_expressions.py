"""Values that PostgreSQL's own hashes do not tell apart, or whose sums cancel out."""

from __future__ import annotations

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.verdict import Outcome
from tests.snapshots.test_evidence import changed


@pytest.mark.parametrize(
    ("kind", "was", "becomes"),
    [
        ("numeric", "1", "-1"),
        ("numeric", "NaN", "Infinity"),
        ("bigint", "1", "4294967296"),
        ("jsonb", '{"a": 1}', '{"a": -1}'),
        ("int[]", "{1,2}", "{{1,2}}"),
        ("int8range", "[1,2)", "[4294967296,4294967297)"),
        ("box", "(1,1),(0,0)", "(2,1),(1,0)"),
        ("char(3)", "a", "b"),
    ],
)
def test_values_that_postgresql_hashes_alike_are_told_apart(
    connection18: Connection, kind: str, was: str, becomes: str
) -> None:
    """With a key and without one."""
    connections.execute(
        connection18,
        f"""CREATE TABLE keyed (id int PRIMARY KEY, v {kind}); INSERT INTO keyed VALUES (1, '{was}');
            CREATE TABLE bare (v {kind}); INSERT INTO bare VALUES ('{was}')""",
    )
    found = changed(connection18, f"UPDATE keyed SET v = '{becomes}';; UPDATE bare SET v = '{becomes}'")
    assert [found[f"public.{name}"].columns for name in ("keyed", "bare")] == [("v",), ("v",)]


@pytest.mark.parametrize(
    ("rows", "change"),
    [
        ("(1, 1.0), (2, 10000.0)", "v = CASE id WHEN 1 THEN 10000 ELSE 1 END"),
        ("(1, 1.0), (2, 7.0)", "v = v * 10000"),
        ("(1, 0.0), (2, NULL)", "v = CASE WHEN v IS NULL THEN 0 END"),
    ],
    ids=["two values change places", "another weight", "NULL and 0 change places"],
)
@pytest.mark.parametrize("kind", ["numeric", "float8", "float4", "text"])
def test_changes_do_not_cancel_out(connection18: Connection, kind: str, rows: str, change: str) -> None:
    """PostgreSQL's hash of 1 and of 10,000 differ in one bit, that of 0 is its seed: for any keys, sums must differ."""
    unseen = []
    for key in range(0, 60_000, 1_000):
        shifted = rows.replace("(1,", f"({key + 1},").replace("(2,", f"({key + 2},").replace(".0", "")
        connections.execute(
            connection18,
            f"DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, v {kind}); INSERT INTO t VALUES {shifted}",
        )
        update = f"UPDATE t SET v = ({change.removeprefix('v = ')})".replace("id WHEN 1", f"id WHEN {key + 1}")
        if kind == "text":
            update = update.replace("v * 10000", "v || '0000'").replace("THEN 0", "THEN '0'")
            update = update.replace("10000 ELSE 1", "'10000' ELSE '1'")
        if changed(connection18, update)["public.t"].columns != ("v",):
            unseen.append(key)
    assert unseen == []


def test_null_is_not_zero_in_a_table_without_a_key(connection18: Connection) -> None:
    """Neither as values of a column, nor as part of a row."""
    connections.execute(connection18, "CREATE TABLE t (v float8, w text); INSERT INTO t VALUES (NULL, 'x'), (0, 'y')")
    found = changed(connection18, "UPDATE t SET w = CASE w WHEN 'x' THEN 'y' ELSE 'x' END")["public.t"]
    assert (found.outcome, found.reason) == (Outcome.FAILED, "each column holds the values it held, and in other rows")
    found = changed(connection18, "UPDATE t SET v = 0 WHERE v IS NULL")["public.t"]
    assert (found.outcome, found.columns, found.nulls) == (Outcome.FAILED, ("v",), "v 1 -> 0")
