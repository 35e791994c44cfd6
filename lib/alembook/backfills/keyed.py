"""A backfill's table as the server has it, and the SQL that names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from alembook import errors
from alembook.backfills.declaration import Backfill
from alembook.postgres import connection as connections
from alembook.postgres import statements

#: pg_class.relkind of what can be walked by key: ordinary and partitioned tables.
_WALKABLE = ("r", "p")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedTable:
    """A table, and the key it is walked by.

    Attributes:
        key: column -> SQL text of its type, in the order of the key.
        pending: the condition of rows still to be done, as declared.
    """

    schema: str
    table: str
    key: dict[str, str]
    pending: str

    def statement(self, name: str, **further: sql.Composable) -> sql.Composed:
        """Returns a statement of this package with table, columns and pending filled in."""
        parts = {"table": self._table(), "columns": self._columns(), "pending": sql.SQL(self.pending), **further}
        return sql.SQL(statements.load(__package__, name)).format(**parts)

    def following(self, position: Sequence[str] | None) -> sql.Composable:
        """Returns the condition of keys after a position, which is the text form of each key column.

        Columns are compared as a row, so a key of several columns is walked through one index.
        """
        if position is None:
            return sql.SQL("true")
        values = [
            sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(kind))
            for text, kind in zip(position, self.key.values(), strict=True)
        ]
        return sql.SQL("({}) > ({})").format(self._columns(), sql.SQL(", ").join(values))

    def last(self) -> sql.Composed:
        """Returns the query for the batch's last key as text."""
        names = [sql.Identifier(name) for name in self.key]
        texts = [sql.SQL("{}::text").format(name) for name in names]
        descending = [sql.SQL("{} DESC").format(name) for name in names]
        return self.statement(
            "batch_last.sql", texts=sql.SQL(", ").join(texts), descending=sql.SQL(", ").join(descending)
        )

    def _table(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.table)

    def _columns(self) -> sql.Composed:
        return sql.SQL(", ").join([sql.Identifier(name) for name in self.key])


def read(connection: connections.Connection, backfill: Backfill) -> KeyedTable:
    """Returns the table a backfill walks.

    Raises:
        errors.BackfillFailed: no such table, or a key that cannot be walked by; nothing was changed.
    """
    schema, _, table = backfill.table.rpartition(".")
    wanted = {"schema": schema or None, "table": table, "key": list(backfill.key)}
    found = connections.rows(connection, statements.load(__package__, "key.sql"), wanted)
    fault = _fault(backfill, found[0]) if found else f"there is no table {backfill.table}"
    if fault:
        raise errors.BackfillFailed(
            f"The backfill {backfill.name} cannot run: {fault}.",
            why="it walks an ordinary table by a key that is NOT NULL and under one unique index.",
            next="Correct `table` or `key` in its file, or run the revision it comes `after` first.",
            state="unchanged: no batch was begun.",
        )
    key = {name: found[0]["columns"][name] for name in backfill.key}
    return KeyedTable(schema=found[0]["schema"], table=found[0]["table"], key=key, pending=backfill.pending)


def _fault(backfill: Backfill, found: dict[str, Any]) -> str:
    missing = [name for name in backfill.key if name not in found["columns"]]
    if found["kind"] not in _WALKABLE:
        return f"{backfill.table} is not a table"
    if missing:
        return f"{backfill.table} has no column {missing[0]}"
    if found["nullable"]:
        return f"the key column {found['nullable'][0]} of {backfill.table} may be NULL"
    if not found["is_unique"]:
        return f"no unique index of {backfill.table} covers only {', '.join(backfill.key)}"
    return ""
