"""Counting what is there, at one instant."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import layout, measurement
from alembook.snapshots.measurement import Measurement


def measured(connection: Connection, **options: object) -> Measurement:
    """Returns what is counted in a snapshot of its own."""
    with measurement.snapshot(connection):
        return measurement.measure(connection, **options)  # type: ignore[arg-type]


def counts(found: Measurement) -> dict[str, int]:
    """Returns schema.table -> rows."""
    return {f"{row['schema']}.{row['table']}": row["rows"] for row in found.tables.to_dict("records")}


def test_every_row_is_counted(connection: Connection) -> None:
    """Ordinary tables of all schemas, upper case and quotes in names, sorted; sizes in bytes."""
    connections.execute(
        connection,
        """CREATE TABLE b AS SELECT i FROM generate_series(1, 1234) AS i;
           CREATE UNLOGGED TABLE a (i int);
           CREATE SCHEMA "Other one";
           CREATE TABLE "Other one"."It's %s" AS SELECT 1 AS i""",
    )
    found = measured(connection)
    assert list(counts(found).items()) == [("Other one.It's %s", 1), ("public.a", 0), ("public.b", 1234)]
    assert {name: str(kind) for name, kind in found.tables.dtypes.items()} == {
        "schema": str(pd.Series(["x"]).astype("str").dtype),
        "table": str(pd.Series(["x"]).astype("str").dtype),
        "rows": "int64",
        "size_bytes": "int64",
    }
    assert found.tables["size_bytes"].tolist()[2] > 8192
    assert found.left_out == {}
    assert abs(found.taken_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert found.snapshot.count(":") == 2


def test_what_holds_no_rows_of_its_own_is_no_table(connection18: Connection) -> None:
    """Views, materialized views, temporary tables, sequences and system schemas are left out without a word."""
    connections.execute(
        connection18,
        """CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE TEMPORARY TABLE t (i int);
           CREATE SEQUENCE s; CREATE TABLE only (i int)""".replace(" only ", " one "),
    )
    assert counts(measured(connection18)) == {"public.one": 0}


def test_a_partitioned_table_is_its_leaves(connection18: Connection) -> None:
    """At every depth, and the parent is not counted again."""
    connections.execute(
        connection18,
        """CREATE TABLE p (i int, j int) PARTITION BY RANGE (i);
           CREATE TABLE p_low PARTITION OF p FOR VALUES FROM (0) TO (10);
           CREATE TABLE p_high PARTITION OF p FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (j);
           CREATE TABLE p_high_1 PARTITION OF p_high DEFAULT;
           INSERT INTO p SELECT i, i FROM generate_series(0, 99) AS i""",
    )
    assert counts(measured(connection18)) == {"public.p_high_1": 90, "public.p_low": 10}


def test_rows_of_children_are_the_childrens(connection18: Connection) -> None:
    """A table others inherit from is counted by itself."""
    connections.execute(
        connection18,
        """CREATE TABLE parent (i int); CREATE TABLE child () INHERITS (parent);
           INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2), (3)""",
    )
    assert counts(measured(connection18)) == {"public.child": 2, "public.parent": 1}


def test_what_cannot_be_counted_is_said(connection18: Connection) -> None:
    """Foreign tables, tables the role may not read, and those whose rows a policy hides from it."""
    connections.execute(
        connection18,
        """CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing;
           CREATE FOREIGN TABLE abroad (i int) SERVER far;
           CREATE TABLE closed (i int); CREATE TABLE veiled (i int); CREATE TABLE plain (i int);
           ALTER TABLE veiled ENABLE ROW LEVEL SECURITY;
           CREATE ROLE reader; GRANT SELECT ON veiled, plain, abroad TO reader; SET ROLE reader""",
    )
    try:
        found = measured(connection18)
    finally:
        connections.execute(
            connection18, "RESET ROLE; REVOKE ALL ON veiled, plain, abroad FROM reader; DROP ROLE reader"
        )
    assert counts(found) == {"public.plain": 0}
    assert found.left_out == {
        "public.abroad": "a foreign table: its rows are another server's",
        "public.closed": "the role may not read it",
        "public.veiled": "row security hides rows of it from the role",
    }


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"include": ["app.*"]}, ["app.jobs", "app.users"]),
        ({"include": ["users"]}, ["app.users", "audit.users"]),
        ({"include": ["*"], "exclude": ["audit.*", "jobs"]}, ["app.users"]),
        ({"include": ["*.us?rs"], "exclude": ["app.users"]}, ["audit.users"]),
        ({"include": []}, []),
        ({"include": ["App.*"]}, []),
        ({"leave_out_schemas": ["audit"]}, ["app.jobs", "app.users"]),
    ],
)
def test_patterns_choose_tables(connection18: Connection, options: dict[str, list[str]], names: list[str]) -> None:
    """By schema.table or by table; what is excluded is not named as left out."""
    connections.execute(
        connection18,
        """CREATE SCHEMA app; CREATE SCHEMA audit;
           CREATE TABLE app.users (i int); CREATE TABLE app.jobs (i int); CREATE TABLE audit.users (i int)""",
    )
    found = measured(connection18, **options)
    assert (sorted(counts(found)), found.left_out) == (names, {})


def test_all_counts_belong_to_one_instant(connection: Connection, database: Database) -> None:
    """Rows that others commit after the snapshot do not count, and a session that imports it counts the same."""
    connections.execute(connection, "CREATE TABLE a AS SELECT 1 AS i; CREATE TABLE b AS SELECT 1 AS i")
    with (
        contextlib.closing(connections.connect(database, application_name="alembook test")) as other,
        measurement.snapshot(connection) as exported,
    ):
        connections.execute(other, "INSERT INTO a VALUES (2); INSERT INTO b VALUES (2); CREATE TABLE c (i int)")
        assert counts(measurement.measure(connection)) == {"public.a": 1, "public.b": 1}
        connections.execute(other, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connections.execute(other, "SET TRANSACTION SNAPSHOT %(exported)s", {"exported": exported})
        assert connections.scalar(other, "SELECT count(*) FROM a") == 1
    assert counts(measured(connection)) == {"public.a": 2, "public.b": 2, "public.c": 0}


def test_a_snapshot_only_reads_and_leaves_nothing_open(connection18: Connection) -> None:
    """Writing in it is refused, and after an error the connection is outside of a transaction again."""
    with pytest.raises(errors.QueryFailed, match="read-only transaction"), measurement.snapshot(connection18):
        connections.execute(connection18, "CREATE TABLE a (i int)")
    assert connections.scalar(connection18, "SHOW transaction_read_only") == "off"
    assert connections.scalar(connection18, "SHOW row_security") == "on"


def test_progress_is_told_table_by_table(connection18: Connection) -> None:
    """Tables done, and tables in all."""
    connections.execute(connection18, "CREATE TABLE a (i int); CREATE TABLE b (i int); CREATE TABLE c (i int)")
    told: list[tuple[int, int]] = []
    measured(connection18, on_table=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_table_that_cannot_be_counted_in_time_is_named(connection18: Connection, database18: Database) -> None:
    """Somebody holds it exclusively; a half count is never returned."""
    connections.execute(connection18, "CREATE TABLE a (i int); CREATE TABLE b (i int); SET lock_timeout = '50ms'")
    with contextlib.closing(connections.connect(database18, application_name="alembook test")) as other:
        connections.execute(other, "BEGIN; LOCK TABLE b")
        with pytest.raises(errors.QueryFailed) as caught:
            measured(connection18)
    assert str(caught.value) == (
        "public.b could not be counted.\n"
        "  left: unchanged: counting only reads.\n"
        "  why:  The server refused a query: canceling statement due to lock timeout. SQLSTATE 55P03.\n"
        "  next: Remove the cause, or leave the table out with `verify.exclude` in alembook.toml; then run again."
    )


def test_an_empty_database_is_an_empty_table(connection18: Connection) -> None:
    """With its columns and dtypes."""
    found = measured(connection18).tables
    assert (list(found.columns), len(found), str(found["rows"].dtype)) == (list(measurement.DTYPES), 0, "int64")


def test_a_table_of_sixteen_hundred_columns_is_measured(connection18: Connection) -> None:
    """The most a table has, in one pass."""
    named = ", ".join(f"c{n} int" for n in range(1600))
    connections.execute(connection18, f"CREATE TABLE t ({named}); INSERT INTO t (c0, c1599) VALUES (1, 2), (1, NULL)")
    found = measured(connection18).columns
    nulls = dict(zip(found["column"], found["nulls"], strict=True))
    assert (nulls["c0"], nulls["c1"], nulls["c1599"], len(found)) == (0, 2, 1, 1601)


def test_many_small_tables_are_told_apart(connection18: Connection) -> None:
    """They are asked for together, whatever their columns and keys."""
    for number in range(40):
        key = ", PRIMARY KEY (c0)" if number % 3 else ""
        columns = ", ".join(f"c{n} {('int', 'text', 'numeric')[n % 3]}" for n in range(1 + number % 5))
        connections.execute(connection18, f"CREATE TABLE t{number} ({columns}{key})")
        connections.execute(connection18, f"INSERT INTO t{number} SELECT generate_series(1, {number})")
    found = measured(connection18)
    assert counts(found) == {f"public.t{number}": number for number in range(40)}
    alone = measured(connection18, include=["t17"]).columns
    together = found.columns[found.columns["table"] == "t17"]
    assert together.to_dict("records") == alone.to_dict("records")


def test_counts_go_to_csv_and_back(tmp_path: Path) -> None:
    """Names that look like something else stay names."""
    tables = measurement.frame([("public", "null", 1, 2), ("NA", "007", 3, 4), ("public", "true", 5, 6)])
    tables.to_csv(tmp_path / "before.csv", index=False)
    pd.testing.assert_frame_equal(measurement.read_csv(tmp_path / "before.csv"), tables)


@pytest.mark.parametrize("text", ["", "schema,table\na,b\n", "schema,table,rows,size_bytes\na,b,many,1\n"])
def test_a_file_that_is_no_such_table_is_refused(tmp_path: Path, text: str) -> None:
    """As one that is missing."""
    (tmp_path / "before.csv").write_text(text)
    for name in ("before.csv", "absent.csv"):
        with pytest.raises(errors.ArchiveFailed) as caught:
            measurement.read_csv(tmp_path / name)
        assert caught.value.what == f"{name} cannot be read as a table of counted tables."


def test_a_table_that_was_just_filled_is_as_large_as_its_file(connection18: Connection) -> None:
    """The catalogue says 0 pages until it is vacuumed or analysed: it would be read as one piece, by one connection."""
    connections.execute(
        connection18,
        "CREATE TABLE filled (i int, pad text) WITH (autovacuum_enabled = off);"
        "INSERT INTO filled SELECT i, repeat('x', 900) FROM generate_series(1, 800) AS i",
    )
    with measurement.snapshot(connection18):
        found, _ = measurement.outline(connection18)
        (sized,) = layout.sized(connection18, found.values())
    assert (found["public.filled"].pages, sized.pages) == (0, 100)
