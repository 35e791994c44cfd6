"""What is written between two looks, by the server's counts and by the rows themselves."""

from __future__ import annotations

import contextlib

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import writes
from alembook.postgres.connection import Connection, Database

TABLE = sql.Identifier("public", "t")


def connected(database: Database) -> contextlib.AbstractContextManager[Connection]:
    """Gives a connection of its own."""
    return contextlib.closing(connections.connect(database, application_name="test"))


def execute(database: Database, *statements: str) -> None:
    """Executes statements in a session of their own, which tells the server what it wrote before it ends."""
    with connected(database) as connection:
        for statement in (*statements, "SELECT pg_stat_force_next_flush()"):
            connections.execute(connection, statement)


def now(connection: Connection) -> str:
    """Returns the snapshot as it is."""
    return str(connections.scalar(connection, "SELECT pg_current_snapshot()::text"))


def test_rows_written_since_a_snapshot(database: Database) -> None:
    """Inserted, updated, in savepoints, by a transaction that was open then; not what is older, deleted or frozen."""
    with connected(database) as connection, connected(database) as other:
        execute(
            database, "CREATE TABLE t (id int, v int)", "INSERT INTO t SELECT n, 0 FROM generate_series(1, 50) AS n"
        )
        execute(database, "INSERT INTO t VALUES (60, 0)", "VACUUM FREEZE t")
        connections.execute(other, "BEGIN")
        connections.execute(other, "INSERT INTO t VALUES (61, 0)")
        then = now(connection)
        assert writes.since(connection, TABLE, then) == 0
        execute(database, "DELETE FROM t WHERE id = 1")
        assert writes.since(connection, TABLE, then) == 0
        connections.execute(other, "COMMIT")
        assert writes.since(connection, TABLE, then) == 1
        execute(database, "UPDATE t SET v = 1 WHERE id IN (2, 3)")
        assert writes.since(connection, TABLE, then) == 3
        with_savepoint = "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (62, 0); RELEASE SAVEPOINT a; COMMIT"
        execute(database, with_savepoint, "BEGIN; INSERT INTO t VALUES (63, 0); ROLLBACK")
        assert writes.since(connection, TABLE, then) == 4
        assert writes.since(connection, TABLE, now(connection)) == 0


def test_a_snapshot_near_the_end_of_ids(database: Database) -> None:
    """Ids of 32 bits begin again: a row is taken for the id next to the snapshot's own, on either side."""
    with connected(database) as connection:
        execute(database, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
        current = int(now(connection).split(":")[1])
        behind = current + 2**32 - 2**31 + 1000
        assert writes.since(connection, TABLE, f"{behind}:{behind}:") == 1
        assert writes.since(connection, TABLE, f"{current + 2**32}:{current + 2**32}:") == 0


def test_two_looks(database: Database) -> None:
    """Rows of any transaction, a table that was made, dropped, emptied; large objects; nothing where nothing was."""
    execute(database, "CREATE TABLE t (id int)", "CREATE TABLE u (id int)", "CREATE TABLE v (id int)")
    with connected(database) as connection:
        then = writes.look(connection)
        assert writes.between(then, writes.look(connection)) == {}
        execute(
            database,
            "INSERT INTO t VALUES (1), (2)",
            "DELETE FROM t WHERE id = 2",
            "BEGIN; INSERT INTO t VALUES (3); ROLLBACK",
            "DROP TABLE u",
            "TRUNCATE v",
            "CREATE TABLE w (id int)",
            "SELECT lo_from_bytea(4711, 'x')",
        )
        found = writes.between(then, writes.look(connection))
        assert writes.unknown(then, writes.look(connection)) == ""
    assert found == {
        "public.t": (4, ""),
        "public.u": (0, "it was dropped"),
        "public.v": (0, "it was emptied or written anew"),
        "public.w": (0, "it was made"),
        "large objects": (2, ""),
    }
