"""What a backfill's table is on the server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alembook import errors
from alembook.backfills import Backfill, keyed
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection


def test_the_key_comes_with_its_types_in_its_order(connection18: Connection, declare: Callable[..., Backfill]) -> None:
    """Schema, upper case, spaces and types with modifiers are what the server says."""
    connections.execute(
        connection18,
        'CREATE SCHEMA "My"; CREATE TABLE "My"."Items" ("B b" varchar(9), a numeric(8,2), PRIMARY KEY (a, "B b"))',
    )
    table = keyed.read(connection18, declare(table="My.Items", key=("B b", "a")))
    assert (table.schema, table.table) == ("My", "Items")
    assert list(table.key.items()) == [("B b", "character varying(9)"), ("a", "numeric(8,2)")]
    assert table.following(["x'", "1.5"]).as_string(connection18) == (
        """("B b", "a") > ('x'''::character varying(9), '1.5'::numeric(8,2))"""
    )


@pytest.mark.parametrize(
    ("made", "key", "fault"),
    [
        ("SELECT 1", ("id",), "there is no table items"),
        ("CREATE VIEW items AS SELECT 1 AS id", ("id",), "items is not a table"),
        ("CREATE TABLE items (id int PRIMARY KEY)", ("uid",), "items has no column uid"),
        ("CREATE TABLE items (id int UNIQUE)", ("id",), "the key column id of items may be NULL"),
        ("CREATE TABLE items (id int NOT NULL)", ("id",), "no unique index of items covers only id"),
        ("CREATE TABLE items (id int, b int, PRIMARY KEY (id, b))", ("id",), "no unique index of items covers only id"),
        (
            "CREATE TABLE items (id int NOT NULL); CREATE UNIQUE INDEX ON items (id) WHERE id > 3",
            ("id",),
            "no unique index of items covers only id",
        ),
    ],
)
def test_a_table_that_cannot_be_walked_is_refused(
    connection18: Connection, declare: Callable[..., Backfill], made: str, key: tuple[str, ...], fault: str
) -> None:
    """The refusal names what is wrong with table or key, and nothing was changed."""
    connections.execute(connection18, made)
    with pytest.raises(errors.BackfillFailed) as caught:
        keyed.read(connection18, declare(key=key))
    assert str(caught.value) == (
        f"The backfill doubling cannot run: {fault}.\n"
        "  left: unchanged: no batch was begun.\n"
        "  why:  it walks an ordinary table by a key that is NOT NULL and under one unique index.\n"
        "  next: Correct `table` or `key` in its file, or run the revision it comes `after` first."
    )


def test_further_columns_of_an_index_do_not_hinder(connection18: Connection, declare: Callable[..., Backfill]) -> None:
    """INCLUDE columns are not part of what is unique, and a key may be wider than its unique index."""
    connections.execute(
        connection18,
        "CREATE TABLE items (id int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX ON items (id) INCLUDE (b)",
    )
    assert list(keyed.read(connection18, declare()).key) == ["id"]
    assert list(keyed.read(connection18, declare(key=("b", "id"))).key) == ["b", "id"]
