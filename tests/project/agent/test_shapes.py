"""When two texts are one statement, and when a statement is none of those rehearsed."""

from __future__ import annotations

import pytest

from alembook.project.agent.failure import Failure
from alembook.project.agent.shapes import Shapes, form, is_data, plain

_UUIDS = ("a2f5c0de-0000-4000-8000-000000000001", "b2f5c0de-0000-4000-8000-00000000000f")
SAME = [
    ("UPDATE t SET a = %(a)s", "UPDATE  t\n SET a = %(b)s"),
    ("INSERT INTO t VALUES (%(a)s, %(b)s)", "INSERT INTO t VALUES (%(a__0)s, %(b__0)s), (%(a__1)s, %(b__1)s)"),
    ("INSERT INTO t VALUES ($1::VARCHAR, 0)", "INSERT INTO t VALUES ($1::VARCHAR, 0), ($2::VARCHAR, 1)"),
    ("UPDATE t SET a = '2026-01-01 10:00:00+00'", "UPDATE t SET a = '2026-02-01T11:00:00.5Z'"),
    (f"DELETE FROM t WHERE a = '{_UUIDS[0]}'", f"DELETE FROM t WHERE a = '{_UUIDS[1]}'"),
]
OTHER = [
    ("ALTER TABLE t ALTER a TYPE varchar(40)", "ALTER TABLE t ALTER a TYPE varchar(80)"),
    ("UPDATE t SET kind = 'llm'", "UPDATE t SET kind = 'LLM'"),
    ("UPDATE t SET a = 1", "UPDATE t SET b = 1"),
]


def rehearsed(*statements: str) -> Shapes:
    """Returns shapes that expect these statements of revision "r"."""
    first = Shapes()
    first.begin("r", "alembic_version")
    for statement in statements:
        first.hear(statement)
    second = Shapes({"r": first.told()})
    second.begin("r", "alembic_version")
    return second


@pytest.mark.parametrize(("one", "other"), SAME)
def test_texts_that_are_one(one: str, other: str) -> None:
    """Bound values, rows of a bulk statement, space, UUIDs and points in time make no difference."""
    assert (form(one), plain(one)) == (form(other), plain(other))
    rehearsed(one).hear(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_texts_that_differ(one: str, other: str) -> None:
    """Another literal or another name is refused before the statement is executed, and so is all that follows."""
    shapes = rehearsed(one)
    with pytest.raises(Failure) as caught:
        shapes.hear(other)
    assert (caught.value.kind, caught.value.fields["statement"]) == ("unrehearsed", other)
    with pytest.raises(Failure):
        shapes.hear(one)
    with pytest.raises(Failure):
        shapes.finish()


@pytest.mark.parametrize("table", ["alembic_version", "ops.alembic_version", '"ops"."alembic_version"'])
def test_the_order_of_heads_makes_no_difference(table: str) -> None:
    """Taking a merge back leaves two heads; which of them is updated and which inserted differs by process."""
    update = f"UPDATE {table} SET version_num='%s' WHERE {table}.version_num = 'merge'"
    insert = f"INSERT INTO {table} (version_num) VALUES ('%s') RETURNING {table}.version_num"
    shapes = rehearsed(update % "one", insert % "two")
    shapes.hear(update % "two")
    shapes.hear(insert % "one")
    shapes.finish()
    with pytest.raises(Failure):
        shapes.hear(f"DELETE FROM {table} WHERE {table}.version_num = 'one'")


def test_tables_whose_names_only_begin_alike_are_others() -> None:
    """A table of the project's own, beside the version table, is compared with its literals."""
    with pytest.raises(Failure):
        rehearsed("INSERT INTO alembic_version_log VALUES ('a')").hear("INSERT INTO alembic_version_log VALUES ('b')")


def test_literals_that_varied_are_rows() -> None:
    """A loop that writes its keys into the text is known by its form: other rows, other keys."""
    shapes = rehearsed("UPDATE t SET a = 'x' WHERE id = 1", "UPDATE t SET a = 'y' WHERE id = 2")
    shapes.hear("UPDATE t SET a = 'z' WHERE id = 77")
    shapes.finish()


def test_structure_left_out_is_refused_before_the_commit() -> None:
    """A missing statement about structure is a failure; a missing one about data is told: its rows may be gone."""
    shapes = rehearsed("ALTER TABLE t ADD a int", "UPDATE t SET a = 1")
    shapes.hear("ALTER TABLE t ADD a int")
    shapes.finish()
    assert shapes.unsent() == ["UPDATE t SET a = 1"]
    shapes.begin("r", "alembic_version")
    with pytest.raises(Failure) as caught:
        shapes.finish()
    assert (caught.value.kind, caught.value.fields["statement"]) == ("unsent", "ALTER TABLE t ADD a int")


def test_a_revision_that_was_not_rehearsed_is_not_compared() -> None:
    """Whatever it sends is heard and told."""
    shapes = rehearsed("SELECT 1")
    shapes.begin("other", "alembic_version")
    shapes.hear("DROP TABLE t")
    shapes.finish()
    assert not shapes.is_compared
    assert [each["sql"] for each in shapes.told()] == ["DROP TABLE t"]


def test_what_is_data() -> None:
    """Comments, brackets and case do not hide the first word; savepoints are nobody's business."""
    assert all(is_data(text) for text in ("-- why\n select 1", "/* a */ (SELECT 1)"))
    assert not any(is_data(text) for text in ("DO $$ $$", "create table t ()", ""))
    shapes = rehearsed("SELECT 1")
    shapes.hear("SAVEPOINT sa_savepoint_1")
