"""Reading SQL: statements, their lines, and what each does to which table."""

from __future__ import annotations

import pytest

from alembook.project.findings import statement
from alembook.project.findings.operation import Operation


def one(text: str) -> Operation:
    """Returns the only operation of a text."""
    [found] = statement.operations(text, 1)
    return found


def test_quotes_comments_and_dollars_are_not_cut() -> None:
    """A semicolon in a string, a name, a comment or a body ends nothing; lines count from 1."""
    text = "-- a; b\nSELECT ';';\n\nDO $x$ BEGIN; END $x$;\nUPDATE \"a;b\" /* ; */ SET c = 1"
    found = list(statement.split(text))
    assert [(first, last) for first, last, _ in found] == [(2, 2), (4, 4), (5, 5)]
    assert found[1][2] == "DO $x$ BEGIN; END $x$"


@pytest.mark.parametrize(
    ("text", "kind", "table", "column"),
    [
        ("ALTER TABLE a.t DROP COLUMN c", "drop_column", "a.t", "c"),
        ("alter table t drop c", "drop_column", "t", "c"),
        ("ALTER TABLE t DROP CONSTRAINT c", "drop_constraint", "t", ""),
        ('ALTER TABLE "T" ALTER c TYPE numeric(10, 2) USING c::numeric', "alter_column", "T", "c"),
        ("ALTER TABLE IF EXISTS ONLY t ALTER COLUMN c SET NOT NULL", "alter_column", "t", "c"),
        ("ALTER TABLE t ADD c int", "add_column", "t", "c"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "create_check_constraint", "t", ""),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "alter_table", "t", ""),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "create_index", "t", ""),
        ("TRUNCATE t CASCADE", "truncate", "t", ""),
        ("DELETE FROM ONLY t", "delete", "t", ""),
        ("WITH a AS (SELECT 1) UPDATE t SET b = 1", "update", "t", ""),
        ("VACUUM t", "sql", "", ""),
    ],
)
def test_what_a_statement_does(text: str, kind: str, table: str, column: str) -> None:
    """Kind, table and column, folded as the server folds names."""
    found = one(text)
    assert (found.kind, found.table, found.column) == (kind, table, column)


def test_several_actions_of_one_alter_table() -> None:
    """Each is an operation; commas in types and defaults cut nothing."""
    text = "ALTER TABLE t ADD a numeric(10, 2) DEFAULT coalesce(1, 2), ALTER b TYPE varchar(5), DROP COLUMN c"
    found = list(statement.operations(text, 1))
    assert [operation.kind for operation in found] == ["add_column", "alter_column", "drop_column"]
    assert found[0].default == "coalesce(1, 2)"
    assert found[1].type == "varchar(5)"
