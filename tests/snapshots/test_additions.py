"""Columns that one database has and the other lacks: how many values of them would be lost."""

from __future__ import annotations

import contextlib

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.snapshots import additions
from alembook.snapshots.additions import Added

THERE = """
    CREATE TABLE people (id int PRIMARY KEY, name text, total int);
    CREATE TABLE "odd %s name" (id int PRIMARY KEY);
    CREATE TABLE "gone" (id int)
"""
HERE = """
    CREATE TABLE people (
        id int PRIMARY KEY, name text, total text,
        nickname text, region varchar(9) DEFAULT 'no''rth %s' NOT NULL,
        price numeric(9,2) DEFAULT 0, debt int DEFAULT '-1',
        kind json DEFAULT '{}', at timestamptz DEFAULT now(), shown text GENERATED ALWAYS AS (upper(name)) STORED
    );
    INSERT INTO people (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c');
    UPDATE people SET nickname = '', price = 0.5, kind = '{"a": 1}' WHERE id = 1;
    UPDATE people SET region = 'south', nickname = 'x', debt = NULL WHERE id = 2;
    CREATE TABLE "odd %s name" (id int PRIMARY KEY, "a column" int);
    INSERT INTO "odd %s name" VALUES (1, 2);
    CREATE TABLE made (id int, note text)
"""


def test_values_nobody_else_has_are_counted(server: Server, database: Database, connection: Connection) -> None:
    """Neither NULL nor a constant default; a default that differs each time counts; what is computed does not."""
    other = server.create_database(f"{database.dbname}_there")
    connections.execute(connection, HERE)
    try:
        with contextlib.closing(connections.connect(other, application_name="test")) as there:
            connections.execute(there, THERE)
            found = additions.read(connection, there)
    finally:
        connections.execute(connection, f'DROP DATABASE "{other.dbname}"')
    assert found == {
        "public.people": Added(
            values={"nickname": 2, "region": 1, "price": 1, "debt": 0, "kind": 1, "at": 3}, retyped=("total",)
        ),
        "public.odd %s name": Added(values={"a column": 1}),
    }
    assert found["public.people"].sentences() == [
        "2 values of nickname, which the backup does not have",
        "1 value of region, which the backup does not have",
        "1 value of price, which the backup does not have",
        "1 value of kind, which the backup does not have",
        "3 values of at, which the backup does not have",
        "total has another type in the backup: not compared",
    ]
