"""Two databases side by side: equal exactly when a full outer join finds nothing, and the keys it finds."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.snapshots import pair
from alembook.snapshots.details import MayShow
from alembook.verdict import Outcome

#: Column and type -> values, equal ones written differently among them, and such as are only nearly equal.
COLUMNS = {
    "a text": ["", " ", "a", "a ", "A", "ä"],
    "b numeric": ["0", "1.0", "1.00", "1.001", "-1", "NaN", "Infinity", "-Infinity"],
    "c float8": ["0", "-0", "0.1", "0.30000000000000004", "0.3", "NaN"],
    "d timestamptz": ["2026-01-01 12:00+00", "2026-01-01 13:00+01", "2026-01-01 12:00:00.000001+00", "infinity"],
    "e interval": ["1 day", "24 hours", "1 mon", "30 days", "0"],
    "f char(4)": ["a", "a  ", "", "b"],
    "g mood": ["sad", "glad"],
    "h int[]": ["{}", "{1,NULL}", "{NULL,1}", "{1}", "{{1}}", "[0:0]={1}"],
    "i jsonb": ['{"x": 1}', '{"x": -1}', "{}", "null"],
    "j bytea": [r"\x", r"\x00", r"\x0000"],
    "k date": ["2026-01-01", "infinity"],
    "l bool": ["true", "false"],
    "m uuid": ["00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"],
    "n int4range": ["empty", "[1,2]", "[1,3)"],
    "o bigint": ["0", "1", "-1", "4294967296", "-4294967297"],
    "p timestamp": ["2026-01-01 12:00", "2026-01-01 12:00:00.000001", "-infinity"],
}
NAMES = [column.partition(" ")[0] for column in COLUMNS]
KEYS = ["1", "1.0", "2", "2.00", "3", "10", "-1", "0.5", "0.50"]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Two:
    """Two databases, and connections that write to them."""

    left: Database
    right: Database
    one: Connection
    other: Connection

    def compared(self, **options: Any) -> pair.Compared:
        """Returns what comparing them comes to."""
        options = {"may_show": MayShow(keys=True), **options}
        return pair.compare(lambda: opened(self.left), lambda: opened(self.right), **options)

    def both(self, statements: str) -> None:
        """Executes statements in both."""
        connections.execute(self.one, statements)
        connections.execute(self.other, statements)


def opened(database: Database) -> Connection:
    """Returns a connection that only reads."""
    return connections.connect(database, application_name="alembook test", read_only=True)


@contextlib.contextmanager
def two_on(left: Server, right: Server) -> Iterator[Two]:
    """Yields two new databases."""
    names = [f"pair_{next(_numbers)}_{id(left)}_{side}" for side in ("l", "r")]
    places = left.create_database(names[0]), right.create_database(names[1])
    with contextlib.ExitStack() as stack:
        one, other = (
            stack.enter_context(contextlib.closing(connections.connect(each, application_name="alembook test")))
            for each in places
        )
        yield Two(*places, one, other)


@pytest.fixture(scope="module")
def random_two(server18: Server) -> Iterator[Two]:
    """Yields two databases with one table each, and in the left one both, for the join."""
    columns = ", ".join(COLUMNS)
    with two_on(server18, server18) as found:
        connections.execute(found.other, "CREATE TYPE other AS ENUM ('x')")  # so that the oids differ
        found.both("CREATE TYPE mood AS ENUM ('sad', 'glad')")
        found.both(f"CREATE TABLE t (id numeric PRIMARY KEY, {columns})")
        connections.execute(
            found.one, f"CREATE SCHEMA join_of; CREATE TABLE join_of.r (id numeric PRIMARY KEY, {columns})"
        )
        yield found


Rows = dict[str, tuple[str | None, ...]]
rows: st.SearchStrategy[Rows] = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(*(st.sampled_from([*values, None]) for values in COLUMNS.values())),
    max_size=6,
).map(lambda drawn: {str(key): drawn[key] for key in {Decimal(key): key for key in drawn}.values()})


@st.composite
def sides(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Draws a table, and another that is mostly the same."""
    left = draw(rows)
    right = {draw(st.sampled_from([k for k in KEYS if Decimal(k) == Decimal(key)])): left[key] for key in left}
    for key in draw(st.lists(st.sampled_from(list(right)), max_size=2)) if right else []:
        number = draw(st.integers(0, len(NAMES) - 1))
        changed = list(right[key])
        changed[number] = draw(st.sampled_from([*list(COLUMNS.values())[number], None]))
        right[key] = tuple(changed)
    loses: bool = draw(st.booleans())
    if right and loses:
        del right[draw(st.sampled_from(list(right)))]
    more: Rows = draw(rows)
    for key, values in more.items():
        if draw(st.booleans()) and Decimal(key) not in {Decimal(known) for known in right}:
            right[key] = values
    return left, right


def fill(connection: Connection, table: str, content: Rows) -> None:
    """Replaces what a table holds."""
    connections.execute(connection, f"TRUNCATE {table}")
    types = [column.partition(" ")[2] for column in COLUMNS]
    marks = ", ".join(f"%(v{n})s::{kind}" for n, kind in enumerate(types))
    for key, values in content.items():
        given = {"id": key, **{f"v{n}": value for n, value in enumerate(values)}}
        connections.execute(connection, f"INSERT INTO {table} VALUES (%(id)s::numeric, {marks})", given)


def joined(connection: Connection) -> set[tuple[str, Decimal, str]]:
    """Returns (kind, key, columns) of what a full outer join finds different."""
    cases = ", ".join(f"CASE WHEN l.{name} IS DISTINCT FROM r.{name} THEN '{name}' END" for name in NAMES)
    query = f"""
        SELECT CASE WHEN r.id IS NULL THEN 'missing' WHEN l.id IS NULL THEN 'extra' ELSE 'changed' END AS kind,
               coalesce(l.id, r.id) AS id, array_remove(ARRAY[{cases}], NULL) AS columns
          FROM public.t l FULL JOIN join_of.r r ON l.id = r.id
    """
    found = connections.rows(connection, query)
    return {
        (row["kind"], row["id"], ", ".join(row["columns"]) if row["kind"] == "changed" else "")
        for row in found
        if row["kind"] != "changed" or row["columns"]
    }


@hypothesis.settings(max_examples=40, deadline=None, database=None, derandomize=True)
@hypothesis.given(drawn=sides())
def test_two_tables_are_equal_exactly_when_a_full_outer_join_finds_nothing(
    random_two: Two, drawn: tuple[Rows, Rows]
) -> None:
    """Over all common types, compared with IS NOT DISTINCT FROM; and the keys and columns are those of the join."""
    fill(random_two.one, "t", drawn[0])
    fill(random_two.one, "join_of.r", drawn[1])
    fill(random_two.other, "t", drawn[1])
    found = random_two.compared(include=["public.t"])
    rows = {(kind, Decimal(key), columns) for kind, key, columns in listed(found)}
    assert rows == joined(random_two.one)
    assert (found.outcome is Outcome.PASSED) == (not rows)
    assert found.is_whole


@pytest.fixture
def two(server18: Server) -> Iterator[Two]:
    """Yields two databases on one server, with a table of 20,000 rows in each."""
    with two_on(server18, server18) as found:
        found.both(
            """CREATE TABLE t (id bigint, part text, v text, w numeric, PRIMARY KEY (id, part));
               INSERT INTO t SELECT i, 'p' || i % 3, 'v' || i, i / 3.0 FROM generate_series(1, 20000) AS i;
               CREATE TABLE heap AS SELECT i % 100 AS a FROM generate_series(1, 1000) AS i"""
        )
        yield found


def listed(found: pair.Compared) -> list[tuple[str, str, str]]:
    """Returns (kind, key, columns that changed) of each row."""
    told: dict[tuple[str, int], tuple[str, str, list[str]]] = {}
    for row in found.rows.to_dict("records"):
        known = told.setdefault((row["table"], row["row"]), (row["kind"], row["key"], []))
        known[2].append(row["column"])
    return [(kind, key, ", ".join(columns)) for kind, key, columns in told.values()]


def test_exact_keys_are_found_in_a_large_table(two: Two) -> None:
    """Of each kind, with the columns that changed."""
    connections.execute(
        two.other,
        """DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (20001, 'x', 'new', 1);
           UPDATE t SET v = v || ' ' WHERE id = 12345; UPDATE t SET v = NULL, w = 0 WHERE id = 12;""",
    )
    found = two.compared()
    assert found.tables["verdict"].tolist() == ["different", "equal"]
    assert listed(found) == [
        ("missing", "(7,p1)", ""),
        ("extra", "(20001,x)", ""),
        ("changed", "(12,p0)", "v, w"),
        ("changed", "(12345,p0)", "v"),
    ]
    assert (found.outcome, found.is_whole) == (Outcome.FAILED, True)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("(id int PRIMARY KEY, net numeric, gross numeric)", "net = net * 10000, gross = gross * 10000"),
        ("(id int, net numeric, gross numeric)", "net = net * 10000, gross = gross * 10000"),
        ("(id numeric PRIMARY KEY, net numeric, gross numeric)", "id = id * 10000"),
        ("(id int PRIMARY KEY, net float8, gross text)", "id = id + 100"),
    ],
    ids=["two numerics", "without a key", "a numeric key", "zero beside nothing"],
)
def test_what_is_alike_in_two_columns_does_not_cancel_out(two: Two, table: str, change: str) -> None:
    """The hashes of a row's columns are combined; a change that alters two alike must be seen, and another key."""
    two.both(f"CREATE TABLE s {table}; INSERT INTO s VALUES (1, 0, NULL), (2, 3, '4')")
    connections.execute(two.other, f"UPDATE s SET {change}")
    verdicts = dict(two.compared().tables[["table", "verdict"]].to_numpy().tolist())
    assert verdicts["s"] == "different"


def test_nothing_to_compare_is_not_equal(two: Two) -> None:
    """No table on either side: a mistyped pattern must not pass for equality."""
    found = two.compared(include=["pubilc.*"])
    assert (found.tables.empty, found.outcome) == (True, Outcome.UNVERIFIED)


def test_a_limit_is_said(two: Two) -> None:
    """More rows differ than were asked for."""
    connections.execute(two.other, "UPDATE t SET w = -w")
    found = two.compared(limit=10)
    assert (len(found.rows), found.is_whole) == (10, False)
    assert set(found.rows["column"]) == {"w"}
    assert found.tables["reason"].tolist() == ["at least 10 changed", ""]


def test_a_table_without_a_key_is_a_multiset(two: Two) -> None:
    """A row is missing or extra as often as its number differs."""
    connections.execute(two.other, "INSERT INTO heap VALUES (5); UPDATE heap SET a = 7 WHERE ctid = '(0,1)'")
    found = two.compared()
    assert [kind for kind, _, _ in listed(found)] == ["missing", "extra", "extra"]


def test_keys_stay_where_they_are_unless_asked_for(two: Two) -> None:
    """Without that, only kinds and columns come back."""
    connections.execute(two.other, "DELETE FROM t WHERE id = 7")
    found = pair.compare(lambda: opened(two.left), lambda: opened(two.right))
    assert listed(found) == [("missing", "", "")]


def test_tables_and_columns_of_one_side_are_said(two: Two) -> None:
    """A table of one side is a difference; a column of one side, or of another meaning, is left out and named."""
    connections.execute(
        two.other,
        "ALTER TABLE t ADD z int, ALTER w TYPE text; CREATE TABLE mine (i int); ALTER TABLE t ALTER v TYPE varchar(90)",
    )
    found = two.compared().tables.to_dict("records")
    assert [(row["table"], row["verdict"], row["reason"]) for row in found] == [
        ("mine", "different", "only on the right"),
        ("heap", "equal", ""),
        (
            "t",
            "equal",
            "not compared: w (on one side, or of two meanings), z (on one side, or of two meanings)",
        ),
    ]


def test_servers_of_two_versions_agree(server16: Server, server18: Server) -> None:
    """The hashes are the same on 16 and 18."""
    with two_on(server16, server18) as found:
        found.both("CREATE TABLE t AS SELECT i AS id, 'v' || i AS v, i / 7.0 AS w FROM generate_series(1, 500) AS i")
        found.both("ALTER TABLE t ADD PRIMARY KEY (id)")
        connections.execute(found.other, "UPDATE t SET v = '' WHERE id = 3")
        assert listed(found.compared()) == [("changed", "3", "v")]


def test_two_encodings_are_refused(server18: Server, two: Two) -> None:
    """One text has other bytes in each."""
    name = f"latin_{next(_numbers)}_{id(two)}"
    with contextlib.closing(connections.connect(server18.ensure(), application_name="alembook test")) as connection:
        connections.execute(
            connection,
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc "
            "LC_COLLATE 'C' LC_CTYPE 'C'",
        )
    with pytest.raises(errors.UsageError, match="have the encodings UTF8 and LATIN1"):
        pair.compare(lambda: opened(two.left), lambda: opened(server18.ensure().with_dbname(name)))


def test_columns_that_are_not_asked_for_are_left_out_and_named(two: Two) -> None:
    """The key is compared whatever is asked; a table of which nothing is said is compared whole."""
    connections.execute(two.other, "UPDATE t SET w = -w; DELETE FROM t WHERE id = 7; UPDATE heap SET a = 7 WHERE a = 8")
    found = two.compared(columns={"public.t": ["v"]})
    rows = found.rows[found.rows["table"] == "t"]
    assert rows[["kind", "key", "column"]].to_dict("records") == [{"kind": "missing", "key": "(7,p1)", "column": ""}]
    told = dict(zip(found.tables["table"], found.tables["reason"], strict=True))
    assert told == {"t": "1 missing; not compared: w (not asked for)", "heap": "10 missing, 10 extra"}
