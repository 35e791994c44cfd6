"""Reading version rows, and what they mean."""

from __future__ import annotations

import pytest

from alembook.postgres.connection import Connection, execute
from alembook.project import state
from alembook.project.state import Kind
from tests.project.test_graph import TREE


def test_no_table_is_none(connection18: Connection) -> None:
    """A database without a version table has no rows, not even none."""
    assert state.read(connection18) is None


def test_rows_are_read_from_any_name(connection18: Connection) -> None:
    """Names that need quotes, in another schema, are read as they are."""
    execute(connection18, 'CREATE SCHEMA "My App"; CREATE TABLE "My App"."Version%s" (version_num varchar(32))')
    assert state.read(connection18, "Version%s", "My App") == ()
    execute(connection18, "INSERT INTO \"My App\".\"Version%s\" VALUES ('b'), ('a')")
    assert state.read(connection18, "Version%s", "My App") == ("a", "b")
    assert state.read(connection18, "Version%s") is None


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        (None, Kind.EMPTY, "There is no version table: no revision is applied."),
        ((), Kind.EMPTY, "The version table is empty: no revision is applied."),
        (("left0003",), Kind.BEHIND, "The database is at left0003: 5 of 8 revisions are not applied."),
        (
            ("top00006", "web00008"),
            Kind.AT_HEAD,
            "The database is at top00006, web00008: all 8 revisions are applied.",
        ),
        (("gone",), Kind.UNKNOWN, "The database is at gone, which the project does not have."),
        (
            ("base0001", "left0003"),
            Kind.OVERLAPPING,
            "The version table has 2 rows, and base0001 is below another one of them.",
        ),
    ],
)
def test_classify(rows: tuple[str, ...] | None, kind: Kind, message: str) -> None:
    """Each way rows can stand to the revisions has its name and its sentence."""
    found = state.classify(TREE, rows)
    assert (found.kind, found.message) == (kind, message)
    assert found.may_upgrade is (kind not in {Kind.UNKNOWN, Kind.OVERLAPPING})
    assert bool(found.next) is not found.may_upgrade


TABLES = ("public.a", "public.b", "public.c", "public.d", "public.e", "public.f")


@pytest.mark.parametrize(
    ("rows", "tables", "message"),
    [
        (None, TABLES[:1], "There is no version table, and there are 1 tables: public.a."),
        (
            (),
            TABLES,
            "The version table is empty, and there are 6 tables: public.a, public.b, public.c, public.d, public.e "
            "and 1 more.",
        ),
    ],
)
def test_tables_without_rows_are_no_empty_database(
    rows: tuple[str, ...] | None, tables: tuple[str, ...], message: str
) -> None:
    """Tables nobody stamped: the upgrade may begin, and it is said that they are there."""
    found = state.classify(TREE, rows, tables=tables)
    assert (found.kind, found.may_upgrade, found.is_stamped) == (Kind.UNSTAMPED, True, False)
    assert found.message == message
    assert found.next == "Find out whose tables they are: the upgrade begins with the first revision."


def test_a_schema_that_differs_is_a_kind_of_its_own() -> None:
    """What differs is in the message, the first of it by name."""
    found = state.classify(TREE, ("left0003",)).differing(["table public.a: gone", "column public.b.c: gone"])
    assert found.kind is Kind.DIFFERS
    assert found.message == (
        "The database is at left0003: 5 of 8 revisions are not applied. Its schema is not the recorded one: "
        "table public.a: gone; column public.b.c: gone."
    )
    assert found.next == "Find out who changed it before anything is applied on top."
