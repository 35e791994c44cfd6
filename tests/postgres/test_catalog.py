"""Tables and indexes as the catalogue knows them."""

from __future__ import annotations

import pytest

from alembook import errors
from alembook.postgres import catalog
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database


def test_tables_by_size(database: Database) -> None:
    """Ordinary tables and leaf partitions of every schema, the largest first, with rows as last estimated."""
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        for statement in (
            "CREATE SCHEMA audit",
            "CREATE TABLE audit.log (a int)",
            'CREATE TABLE "Big $table" (a int PRIMARY KEY, b text)',
            """INSERT INTO "Big $table" SELECT i, repeat('x', 100) FROM generate_series(1, 5000) AS i""",
            'ANALYZE "Big $table"',
            "CREATE TABLE parted (a int) PARTITION BY RANGE (a)",
            "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
            "INSERT INTO parted VALUES (1)",
            "CREATE TEMPORARY TABLE mine (a int)",
            "CREATE VIEW seen AS SELECT 1",
            "CREATE MATERIALIZED VIEW kept AS SELECT 1",
        ):
            connections.execute(connection, statement)
        found = catalog.tables(connection)
        size = connections.scalar(connection, """SELECT pg_total_relation_size('"Big $table"')""")
    assert list(found.columns) == ["schema", "table", "estimated_rows", "size_bytes", "kind"]
    assert found.values.tolist() == [
        ["public", "Big $table", 5000, size, "table"],
        ["public", "parted_1", -1, 8192, "partition"],
        ["audit", "log", -1, 0, "table"],
    ]
    assert [str(found[name].dtype) for name in ("estimated_rows", "size_bytes")] == ["int64", "int64"]


def test_a_database_without_tables(connection18: Connection) -> None:
    """No row, the same columns, the same types."""
    found = catalog.tables(connection18)
    assert (len(found), list(found.columns)) == (0, ["schema", "table", "estimated_rows", "size_bytes", "kind"])
    assert [str(found[name].dtype) for name in ("estimated_rows", "size_bytes")] == ["int64", "int64"]


def test_what_a_failed_concurrent_index_left(connection18: Connection) -> None:
    """The invalid index is named with its table; a valid one is not, nor one of a partitioned parent."""
    for statement in (
        "CREATE TABLE t (a int)",
        "INSERT INTO t VALUES (1), (1)",
        "CREATE INDEX valid ON t (a)",
        "CREATE TABLE parted (a int) PARTITION BY RANGE (a)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "CREATE INDEX parent ON ONLY parted (a)",
    ):
        connections.execute(connection18, statement)
    assert catalog.invalid_indexes(connection18) == []
    with pytest.raises(errors.QueryFailed):
        connections.execute(connection18, "CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)")
    assert catalog.invalid_indexes(connection18) == ["broken on t"]
    connections.execute(connection18, "CREATE SCHEMA audit; CREATE TABLE audit.log AS SELECT * FROM t")
    with pytest.raises(errors.QueryFailed):
        connections.execute(connection18, "CREATE UNIQUE INDEX CONCURRENTLY broken ON audit.log (a)")
    assert catalog.invalid_indexes(connection18) == ["audit.broken on audit.log", "broken on t"]
