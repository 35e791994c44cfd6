"""Columns of which another database has no counterpart, and how many values they hold: no comparison sees these."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import measurement

#: An expression that is a value: a literal with casts. Any other one may give another value each time.
_CONSTANT = re.compile(r"\(*('([^']|'')*'|-?\d+(\.\d+)?|true|false)\)*(::[\w .\"\[\](),]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The columns of one table that could not be compared.

    Attributes:
        values: column that only this database has -> values that are neither NULL nor its constant default.
        retyped: columns that both have, with other types.
    """

    values: Mapping[str, int] = field(default_factory=dict)
    retyped: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Returns what would be lost with them, in words; nothing of columns that hold nothing."""
        told = [
            f"{'1 value' if count == 1 else f'{count:,} values'} of {column}, which the backup does not have"
            for column, count in self.values.items()
            if count
        ]
        return [*told, *(f"{column} has another type in the backup: not compared" for column in self.retyped)]


def read(here: connections.Connection, there: connections.Connection) -> dict[str, Added]:
    """Returns the columns of tables of one database that another one lacks, or has with another meaning.

    Columns that are computed from others are left out. Each table with such a column is read once.

    Args:
        here: to the database whose columns they are, in a transaction.
        there: to the other one, in a transaction.

    Returns:
        "schema.table" -> its columns, of those tables that both have and that can be read.

    Raises:
        errors.QueryFailed: a table cannot be read.
    """
    layouts, others = (measurement.outline(connection)[0] for connection in (here, there))
    names = {layouts[name].identifier.as_string(here): name for name in sorted(layouts.keys() & others.keys())}
    query = statements.load(__package__, "additions.sql")
    known: dict[str, dict[str, dict[str, Any]]] = {}
    for row in connections.rows(here, query, {"tables": list(names)}) if names else []:
        known.setdefault(names[row["table"]], {})[row["column_name"]] = row
    found = {}
    for name in names.values():
        meanings = {column.name: column.meaning for column in others[name].columns}
        own = [each for each in layouts[name].columns if not known[name][each.name]["is_generated"]]
        alone = [each.name for each in own if each.name not in meanings]
        retyped = tuple(each.name for each in own if meanings.get(each.name, each.meaning) != each.meaning)
        if alone or retyped:
            values = _count(here, layouts[name].identifier, [known[name][column] for column in alone])
            found[name] = Added(values=dict(zip(alone, values, strict=True)), retyped=retyped)
    return found


def _count(
    connection: connections.Connection, table: sql.Identifier, columns: Collection[Mapping[str, Any]]
) -> list[int]:
    if not columns:
        return []
    counted = sql.SQL(", ").join(_counted(row) for row in columns)
    (row,) = connections.tuples(connection, sql.SQL("SELECT {} FROM ONLY {}").format(counted, table))
    return [int(value) for value in row]


def _counted(row: Mapping[str, Any]) -> sql.Composable:
    column, given = sql.Identifier(row["column_name"]), row["default_text"]
    if not (given and _CONSTANT.fullmatch(given)):
        return sql.SQL("count({})").format(column)
    usual = sql.SQL("CAST(CAST({} AS {}) AS text)").format(sql.SQL(given), sql.SQL(row["type"]))
    return sql.SQL("count({}) FILTER (WHERE CAST({} AS text) <> {})").format(column, column, usual)
