"""Rows of two databases by every kind of key, with none, in many pieces: always those of a full outer join."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import strategies as st

from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.snapshots import buckets, crew, differences
from alembook.snapshots.details import MayShow
from alembook.verdict import Outcome
from tests.snapshots.test_pair import Two, listed, two_on

#: Type of each column of a key -> values that are told apart, and some that are one.
PARTS = {
    "bigint": ["0", "1", "-1", "4294967296"],
    "text": ["", "a", "a ", "A", "ä"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"],
    "numeric": ["0", "-1", "1.0", "1.00", "NaN"],
    "timestamptz": ["2026-01-01 12:00+00", "2026-01-01 13:00+01", "infinity"],
    "bytea": [r"\x", r"\x00"],
    "date": ["2026-01-01", "2026-01-02"],
    "mood": ["sad", "glad"],
}
KEYS = [
    ("bigint",),
    ("text",),
    ("mood", "bigint"),
    ("uuid", "numeric", "timestamptz"),
    ("bytea", "date", "uuid", "text"),
]
VALUES = {"text": ["", " ", "x"], "int": ["0", "1", "-1"], "numeric": ["1.0", "1.00", "-1"]}

Row = tuple[str | None, ...]


@pytest.fixture(scope="module")
def keyed(server18: Server) -> Iterator[Two]:
    """Yields two databases; the left one has a schema for the right one's rows, for the join."""
    with two_on(server18, server18) as found:
        connections.execute(found.other, "CREATE TYPE other AS ENUM ('x')")  # so that the oids differ
        found.both("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        connections.execute(found.one, "CREATE SCHEMA join_of")
        yield found


def rows(key: tuple[str, ...]) -> st.SearchStrategy[list[Row]]:
    """Draws rows of values, the same row possibly more than once."""
    values = [st.sampled_from(PARTS[each]) for each in key]
    values += [st.sampled_from([*each, None]) for each in VALUES.values()]
    return st.lists(st.tuples(*values), max_size=12)


@st.composite
def tables(draw: st.DrawFn, key: tuple[str, ...]) -> tuple[list[Row], list[Row]]:
    """Draws a table, and another that is mostly the same."""
    drawn = rows(key)
    left, more = draw(drawn), draw(drawn)
    kept = [row for row in left if draw(st.integers(0, 4))]
    return left, kept + more[: draw(st.integers(0, 3))]


def fill(two: Two, key: tuple[str, ...], left: list[Row], right: list[Row]) -> None:
    """Makes the tables anew; of rows with one key, the first stays."""
    types = [*key, *VALUES]
    named = ", ".join(f"c{n} {kind}" for n, kind in enumerate(types))
    unique = f", PRIMARY KEY ({', '.join(f'c{n}' for n, _ in enumerate(key))})" if key else ""
    for connection, table, content in ((two.one, "t", left), (two.one, "join_of.r", right), (two.other, "t", right)):
        script = f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({named}{unique});"
        for row in content:
            values = ", ".join("NULL" if value is None else f"'{value}'" for value in row)
            script += f"INSERT INTO {table} VALUES ({values}) ON CONFLICT DO NOTHING;"
        connections.execute(connection, script)


def joined(two: Two, key: tuple[str, ...]) -> Counter[tuple[str, str, str]]:
    """Returns (kind, key, columns) of what a full outer join finds different."""
    names = [f"c{n}" for n, _ in enumerate(key)]
    on = " AND ".join(f"l.{name} = r.{name}" for name in names)
    cases = ", ".join(
        f"CASE WHEN l.c{n} IS DISTINCT FROM r.c{n} THEN 'c{n}' END" for n in range(len(key), len(key) + len(VALUES))
    )
    shown = [f"ROW({', '.join(f'{side}.{name}' for name in names)})::text" for side in ("l", "r")]
    if len(names) == 1:
        shown = [f"{side}.c0::text" for side in ("l", "r")]
    query = f"""
        SET TimeZone = 'UTC';
        SELECT CASE WHEN r.c0 IS NULL THEN 'missing' WHEN l.c0 IS NULL THEN 'extra' ELSE 'changed' END AS kind,
               CASE WHEN l.c0 IS NULL THEN {shown[1]} ELSE {shown[0]} END AS key,
               array_to_string(ARRAY[{cases}], ', ') AS columns
          FROM public.t l FULL JOIN join_of.r r ON {on}
    """
    found = connections.rows(two.one, query)
    return Counter(
        (row["kind"], row["key"], row["columns"] if row["kind"] == "changed" else "")
        for row in found
        if row["kind"] != "changed" or row["columns"]
    )


@pytest.mark.parametrize("key", KEYS, ids=", ".join)
@hypothesis.settings(max_examples=10, deadline=None, database=None, derandomize=True)
@hypothesis.given(data=st.data())
def test_rows_of_any_key_are_those_of_a_full_outer_join(keyed: Two, key: tuple[str, ...], data: st.DataObject) -> None:
    """Of one column or several, whatever their types; and the tables are equal exactly when it finds nothing."""
    fill(keyed, key, *data.draw(tables(key)))
    found = keyed.compared(include=["public.t"])
    expected = joined(keyed, key)
    assert Counter(listed(found)) == expected
    assert (found.outcome is Outcome.PASSED) == (not expected)
    assert found.is_whole


@hypothesis.settings(max_examples=20, deadline=None, database=None, derandomize=True)
@hypothesis.given(drawn=tables(()))
def test_rows_without_a_key_are_those_of_except_all(keyed: Two, drawn: tuple[list[Row], list[Row]]) -> None:
    """A row is missing or extra as often as its number differs: a full outer join of multisets."""
    fill(keyed, (), *drawn)
    found = keyed.compared(include=["public.t"])
    one, other = "SELECT * FROM public.t", "SELECT * FROM join_of.r"
    expected = {
        kind: connections.scalar(keyed.one, f"SELECT count(*) FROM ({here} EXCEPT ALL {there}) AS over")
        for kind, here, there in (("missing", one, other), ("extra", other, one))
    }
    counted = Counter(kind for kind, _, _ in listed(found))
    assert {kind: counted[kind] for kind in expected} == expected
    assert (found.outcome is Outcome.PASSED) == (not any(expected.values()))


@pytest.mark.parametrize(("workers", "changes"), [(1, 40), (3, 1), (3, 9_000)])
def test_rows_in_many_pieces_are_those_of_a_full_outer_join(
    server18: Server, monkeypatch: pytest.MonkeyPatch, workers: int, changes: int
) -> None:
    """Many spans, finer groups and several chunks, read by one connection or by three."""
    monkeypatch.setattr(buckets, "SPAN_PAGES", 8)
    monkeypatch.setattr(differences, "_ROWS_AT_ONCE", 500)
    monkeypatch.setattr(crew, "_WORTH_ANOTHER_PAGES", 8)
    with two_on(server18, server18) as two:
        two.both(
            """CREATE TABLE t (id bigint PRIMARY KEY, v text, w int);
               INSERT INTO t SELECT i, 'v' || i, i % 7 FROM generate_series(1, 20000) AS i"""
        )
        change(two, changes)
        found = two.compared(limit=50_000, workers=workers)
        expected = {("changed", str(2 * i), "v") for i in range(1, changes + 1) if 2 * i % 4999}
        expected |= {("missing", str(4999 * i), "") for i in range(1, 5)}
        expected |= {("extra", str(30000 + i), "") for i in range(1, 6)}
        assert set(listed(found)) == expected
        assert (len(listed(found)), found.is_whole) == (len(expected), True)
        few = two.compared(limit=7, workers=workers)
        assert set(listed(few)) <= expected
        assert (len(listed(few)), few.is_whole) == (7, False)


def change(two: Two, changes: int) -> None:
    """Changes, deletes and adds rows on the right, and gives all others another place."""
    for statement in (
        f"UPDATE t SET v = v || ' ' WHERE id IN (SELECT i * 2 FROM generate_series(1, {changes}) AS i)",
        "DELETE FROM t WHERE id % 4999 = 0",
        "INSERT INTO t SELECT 30000 + i FROM generate_series(1, 5) AS i",
        "VACUUM FULL t",
    ):
        connections.execute(two.other, statement)


@pytest.fixture
def two(server18: Server) -> Iterator[Two]:
    """Yields two databases."""
    with two_on(server18, server18) as found:
        yield found


def test_many_rows_that_are_alike_are_counted(two: Two) -> None:
    """Where three more of one row are, three are extra; they are in one group, whatever its size."""
    two.both("CREATE TABLE t AS SELECT i % 2 AS a, NULL::text AS b FROM generate_series(1, 5000) AS i")
    connections.execute(two.other, "INSERT INTO t VALUES (1), (1), (1)")
    connections.execute(two.one, "INSERT INTO t VALUES (0)")
    found = two.compared()
    assert listed(found) == [("missing", "", ""), ("extra", "", ""), ("extra", "", ""), ("extra", "", "")]
    assert found.tables["reason"].tolist() == ["1 missing, 3 extra"]


def test_a_pair_of_alike_rows_is_not_another_pair(two: Two) -> None:
    """What cancels out under exclusive or does not in a sum."""
    two.both("CREATE TABLE t (a int)")
    connections.execute(two.one, "INSERT INTO t VALUES (1), (1)")
    connections.execute(two.other, "INSERT INTO t VALUES (2), (2)")
    assert Counter(kind for kind, _, _ in listed(two.compared())) == {"missing": 2, "extra": 2}


def test_values_that_change_places_are_seen(two: Two) -> None:
    """Between rows and between columns of one row, with a key and without one."""
    two.both("CREATE TABLE k (id int PRIMARY KEY, a text, b text); CREATE TABLE h (a text, b text)")
    connections.execute(two.one, "INSERT INTO k VALUES (1, 'x', 'y'), (2, 'z', NULL); INSERT INTO h SELECT a, b FROM k")
    connections.execute(two.other, "INSERT INTO k VALUES (1, 'y', 'x'), (2, NULL, 'z')")
    connections.execute(two.other, "INSERT INTO h VALUES ('x', NULL), ('z', 'y')")
    found = two.compared()
    assert [(row["table"], row["reason"]) for row in found.tables.to_dict("records")] == [
        ("h", "2 missing, 2 extra"),
        ("k", "2 changed"),
    ]


def test_a_table_of_sixteen_hundred_columns_is_compared(two: Two) -> None:
    """The most a table has."""
    named = ", ".join(f"c{n} int" for n in range(1599))
    two.both(f"CREATE TABLE t (id int PRIMARY KEY, {named}); INSERT INTO t (id) VALUES (1), (2)")
    connections.execute(two.other, "UPDATE t SET c7 = 0, c1598 = 1 WHERE id = 2")
    found = two.compared(may_show=MayShow(keys=True, values=True))
    assert listed(found) == [("changed", "2", "c7, c1598")]
    assert found.rows[["left", "right"]].to_numpy().tolist() == [[None, "0"], [None, "1"]]


def test_values_are_shown_where_they_may_be(two: Two) -> None:
    """A changed value on both sides, NULL as None; a row of one side whole."""
    two.both("CREATE TABLE t (id int PRIMARY KEY, \"50% v\" text); INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, 'c')")
    for statement in ("UPDATE t SET \"50% v\" = 'a ' WHERE id = 1", "UPDATE t SET \"50% v\" = '' WHERE id = 2"):
        connections.execute(two.other, statement)
    connections.execute(two.other, "DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 'd')")
    found = two.compared(may_show=MayShow(keys=True, values=True)).rows
    assert found.drop(columns=["schema", "table"]).to_dict("records") == [
        {"row": 1, "kind": "missing", "key": "3", "column": "", "left": "(3,c)", "right": None},
        {"row": 2, "kind": "extra", "key": "4", "column": "", "left": None, "right": "(4,d)"},
        {"row": 3, "kind": "changed", "key": "1", "column": "50% v", "left": "a", "right": "a "},
        {"row": 4, "kind": "changed", "key": "2", "column": "50% v", "left": None, "right": ""},
    ]


def test_values_of_a_table_without_a_key_are_whole_rows(two: Two) -> None:
    """There is nothing else to tell them by."""
    two.both("CREATE TABLE t (a int, b text)")
    connections.execute(two.one, "INSERT INTO t VALUES (1, 'x')")
    found = two.compared(may_show=MayShow(values=True)).rows
    assert found[["kind", "key", "column", "left", "right"]].to_numpy().tolist() == [["missing", "", "", "(1,x)", None]]


def test_tables_with_nothing_in_common_are_not_equal(two: Two) -> None:
    """As many rows and no column to compare: nobody knows."""
    connections.execute(two.one, "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    connections.execute(two.other, "CREATE TABLE t (b int); INSERT INTO t VALUES (1)")
    found = two.compared()
    assert (found.tables["verdict"].tolist(), found.outcome) == (["unverified"], Outcome.UNVERIFIED)


def test_what_takes_too_long_is_unverified(two: Two) -> None:
    """Not equal, and not different either."""
    two.both("CREATE TABLE a (i int); CREATE TABLE slow (id int PRIMARY KEY, v text)")
    two.both("INSERT INTO slow SELECT i, repeat('x', 3000) || i FROM generate_series(1, 5000) AS i")
    found = two.compared(timeout_s=0.001)
    told = dict(zip(found.tables["table"], found.tables["reason"], strict=True))
    assert told["slow"] == "a pass over it took longer than 0.001 s"
    assert found.outcome is Outcome.UNVERIFIED


def test_progress_is_told_in_pages(two: Two) -> None:
    """For each side, and for a table whose rows are looked for."""
    two.both("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)")
    connections.execute(two.other, "DELETE FROM t WHERE id = 1")
    told: dict[str, tuple[int, int]] = {}

    def tell(what: str, done: int, total: int) -> None:
        told[what] = (done, total)

    two.compared(on_pages=tell)
    assert told.keys() == {"left", "right", "public.t"}
    assert all(done == total > 0 for done, total in told.values())
