"""The lowest and the highest key of each table."""

from __future__ import annotations

import pandas as pd
import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import ends, measurement

#: Definition of the key, rows -> columns of the key, lowest, highest, whether they may be somebody's data.
KEYS = {
    "integer": ("id int PRIMARY KEY", "VALUES (7), (-3), (20)", ("id", "-3", "20", False)),
    "an integer that is a domain": ("id positive PRIMARY KEY", "VALUES (7), (9)", ("id", "7", "9", False)),
    "numeric": ("id numeric PRIMARY KEY", "VALUES (1.5), (10.25)", ("id", "1.5", "10.25", False)),
    "a point in time": (
        "at timestamptz PRIMARY KEY",
        "VALUES ('2026-01-01 00:00+01'::timestamptz), ('2026-02-01 00:00+00')",
        ("at", "2025-12-31 23:00:00+00", "2026-02-01 00:00:00+00", False),
    ),
    "several columns": (
        "a int, b date, PRIMARY KEY (b, a)",
        "VALUES (9, date '2026-01-01'), (1, '2026-01-02'), (2, '2026-01-02')",
        ("b, a", "(2026-01-01,9)", "(2026-01-02,2)", False),
    ),
    "text": ("name text PRIMARY KEY", "VALUES ('ada'), ('zoe')", ("name", "ada", "zoe", True)),
    "uuid": (
        "id uuid PRIMARY KEY",
        "VALUES ('00000000-0000-0000-0000-000000000001'::uuid), ('f0000000-0000-0000-0000-000000000000')",
        ("id", "00000000-0000-0000-0000-000000000001", "f0000000-0000-0000-0000-000000000000", True),
    ),
    "a unique index, downwards": (
        "id int NOT NULL, u int NOT NULL",
        "VALUES (1, 5), (2, 6)",
        ("u", "5", "6", False),
    ),
    "no row": ("id int PRIMARY KEY", "SELECT 1 WHERE false", ("id", "", "", False)),
    "no key": ("id int", "VALUES (1)", None),
    "an order of its own": ('name text COLLATE "C", UNIQUE (name)', "VALUES ('a')", None),
}


def measured(connection: Connection) -> pd.DataFrame:
    """Returns the ends of every table, in a snapshot of its own."""
    with measurement.snapshot(connection):
        return measurement.measure(connection).ends


@pytest.mark.parametrize("is_large", [False, True])
def test_the_ends_of_a_key(connection18: Connection, is_large: bool) -> None:
    """Whatever its type, of tables that are read by the way and of those that are looked up."""
    connections.execute(connection18, "CREATE DOMAIN positive AS int CHECK (value > 0)")
    for name, (columns, rows, _) in KEYS.items():
        connections.execute(connection18, f'CREATE TABLE "{name}" ({columns}); INSERT INTO "{name}" {rows}')
    connections.execute(connection18, 'CREATE UNIQUE INDEX ON "a unique index, downwards" (u DESC)')
    if is_large:
        connections.execute(
            connection18, "UPDATE pg_class SET relpages = 1000 WHERE relnamespace = 'public'::regnamespace"
        )
    wanted = ["key", "lowest", "highest", "is_data"]
    found = {row["table"]: tuple(row[each] for each in wanted) for row in measured(connection18).to_dict("records")}
    assert found == {name: expected for name, (_, _, expected) in KEYS.items() if expected}


def test_they_are_those_of_both_servers(connection: Connection) -> None:
    """Of many tables too, which are asked for together."""
    for number in range(40):
        connections.execute(connection, f"CREATE TABLE t{number} (id uuid PRIMARY KEY DEFAULT gen_random_uuid())")
        connections.execute(connection, f"INSERT INTO t{number} SELECT FROM generate_series(1, {number})")
    found = measured(connection).set_index("table")
    for number in (1, 17, 39):
        lowest = connections.scalar(connection, f"SELECT id::text FROM t{number} ORDER BY id LIMIT 1")
        assert found.loc[f"t{number}", "lowest"] == lowest


def row(lowest: str, highest: str, *, is_data: bool = False) -> pd.DataFrame:
    """Returns the ends of one table."""
    values = ("public", "t", "id", lowest, highest, is_data, False)
    return pd.DataFrame([values], columns=list(ends.DTYPES)).astype(ends.DTYPES)


def test_a_range_that_moved_is_told() -> None:
    """With both ranges; one that did not move says nothing."""
    then, now = row("1", "200"), row("1", "150")
    assert ends.moved(then, now, str.upper, may_show=False) == {
        "public.t": "its key id ran from 1 to 200, and runs from 1 to 150"
    }
    assert ends.moved(then, then, str.upper, may_show=False) == {}
    assert ends.moved(ends.none(), now, str.upper, may_show=False) == {}


def test_what_may_be_somebodys_is_hidden() -> None:
    """Kept as what says nothing of it; told only where keys may show, and not where they were hidden before."""
    then, now = row("ada", "zoe", is_data=True), row("ada", "yan", is_data=True)
    kept = ends.hidden(then, lambda text: f"<{hash(text)}>")
    assert "ada" not in str(kept)
    hidden = "its highest key is another one"
    assert ends.moved(kept, now, lambda text: f"<{hash(text)}>", may_show=True) == {"public.t": hidden}
    assert ends.moved(then, now, str, may_show=False) == {"public.t": hidden}
    assert ends.moved(then, now, str, may_show=True)["public.t"].endswith("and runs from ada to yan")
    plain = row("1", "2")
    pd.testing.assert_frame_equal(ends.hidden(plain, str.upper), plain)
