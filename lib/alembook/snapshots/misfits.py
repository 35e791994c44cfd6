"""Rows that do not fit what is to come: a constraint, an index, another type. Counted, and named by their keys.

The conditions are somebody's SQL: they are asked as ``question`` asks, in a read-only transaction and in limited time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import details, layout, question
from alembook.snapshots.layout import Layout

#: Rows are counted up to here.
COUNTED_ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Rows of a table that are wrong by themselves.

    Attributes:
        table: as SQL writes it.
        condition: SQL, true of such a row.
    """

    table: str
    condition: str

    def query(self, place: Layout) -> sql.Composable:
        """Returns the query of their keys."""
        return _query("misfits.sql", place, condition=sql.SQL(self.condition))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Rows of a table of which another has the same values.

    Attributes:
        table: as SQL writes it.
        values: expressions.
        condition: SQL, which rows count; "" for all.
        are_nulls_alike: NULL is the same as NULL; else a row with one counts as none.
    """

    table: str
    values: tuple[str, ...]
    condition: str = ""
    are_nulls_alike: bool = False

    def query(self, place: Layout) -> sql.Composable:
        """Returns the query of their keys."""
        told = [] if self.are_nulls_alike else [f"({value}) IS NOT NULL" for value in self.values]
        counts = [f"({self.condition})"] if self.condition else []
        condition = sql.SQL(" AND ".join([*counts, *told]) or "TRUE")
        return _query("misfits_alike.sql", place, condition=condition, values=sql.SQL(", ".join(self.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Rows of a table that point at no row of another.

    Attributes:
        table: as SQL writes it.
        columns: of it, as SQL writes them.
        parent: the other table, as SQL writes it.
        referenced: its columns, in the same order; () for its primary key.
    """

    table: str
    columns: tuple[str, ...]
    parent: str
    referenced: tuple[str, ...] = ()

    def within(self, connection: connections.Connection) -> Wrong:
        """Returns the question with the parent's key looked up."""
        found = None if self.referenced else _place(connection, self.parent)
        key = [sql.Identifier(name).as_string(connection) for name in found.key] if found else self.referenced
        pairs = " AND ".join(
            f"alembook_parent.{other} = {self.table}.{own}" for own, other in zip(self.columns, key, strict=False)
        )
        told = " AND ".join(f"{self.table}.{own} IS NOT NULL" for own in self.columns)
        missing = f"NOT EXISTS (SELECT FROM {self.parent} AS alembook_parent WHERE {pairs})"
        return Wrong(table=self.table, condition=f"{told} AND {missing}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Rows of a table of which a value cannot be assigned to another type.

    Attributes:
        table: as SQL writes it.
        column: of which the type changes.
        value: what becomes of it, an expression over a row.
        type: the other type.
    """

    table: str
    column: str
    value: str
    type: str


Suspicion = Wrong | Alike | Orphans | Unfit


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfits:
    """What was found.

    Attributes:
        table: "schema.table"; as SQL writes it where there is none of this name.
        column: of which the type does not fit; "" otherwise.
        rows: how many; None when it could not be counted.
        keys: of the first of them, as text.
        is_keyed: the table has a key its rows are told apart by.
        query: what finds them; "" where it takes more than a query.
        why: the reason they could not be counted.
    """

    table: str = ""
    column: str = ""
    rows: int | None = None
    keys: tuple[str, ...] = ()
    is_keyed: bool = True
    query: str = ""
    why: str = ""


def find(connection: connections.Connection, suspicion: Suspicion, *, timeout_s: float, keys: int) -> Misfits:
    """Returns the rows a suspicion is about. Reads only.

    Args:
        connection: inside a read-only transaction.
        suspicion: which rows, of which table.
        timeout_s: limit for each statement, seconds; 0 is no limit.
        keys: of so many rows the key is told; the values of a key may be somebody's.

    Raises:
        errors.QueryFailed: the connection was lost.
    """
    try:
        place = _place(connection, suspicion.table)
        if place is None:
            return Misfits(table=suspicion.table, why=f"there is no table {suspicion.table} outside the revision")
        if isinstance(suspicion, Unfit):
            return _unfit(connection, suspicion, place, timeout_s, keys)
        asked = suspicion.within(connection) if isinstance(suspicion, Orphans) else suspicion
        return _asked(connection, asked.query(place).as_string(connection), place, timeout_s, keys)
    except errors.QueryFailed as error:
        return Misfits(table=suspicion.table, why=question.reason(error))


def definition(connection: connections.Connection, table: str, constraint: str) -> str:
    """Returns how a constraint is defined, "CHECK (...)"; "" where there is none of this name.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    named = {"table": table, "name": constraint}
    found = connections.rows(connection, statements.load(__package__, "misfits_constraint.sql"), named)
    return str(found[0]["definition"]) if found else ""


def _place(connection: connections.Connection, table: str) -> Layout | None:
    found = connections.rows(connection, statements.load(__package__, "misfits_table.sql"), {"table": table})
    return next(iter(layout.read(connection, found)), None)


def _query(name: str, place: Layout, **parts: sql.Composable) -> sql.Composable:
    order = sql.SQL(", ").join([sql.Identifier(column) for column in place.key] or [sql.SQL("NULL")])
    text = sql.SQL(statements.load(__package__, name))
    return text.format(key=details.key_text(place), table=place.identifier, order=order, **parts)


def _asked(connection: connections.Connection, query: str, place: Layout, timeout_s: float, keys: int) -> Misfits:
    with question.ask(connection, query, timeout_s=timeout_s) as answers:
        named: Sequence[tuple[str, ...]] = answers.fetch(keys) if keys and place.key else []
        rows = len(named) + answers.count(COUNTED_ROWS + 1 - len(named))
    is_keyed = bool(place.key)
    return Misfits(table=place.name, rows=rows, keys=tuple(row[0] for row in named), is_keyed=is_keyed, query=query)


def _unfit(connection: connections.Connection, suspicion: Unfit, place: Layout, timeout_s: float, keys: int) -> Misfits:
    block = sql.SQL(statements.load(__package__, "misfits_cast.sql")).format(
        type=sql.SQL(suspicion.type),
        value=sql.SQL(suspicion.value),
        table=place.identifier,
        key=details.key_text(place),
        limit=sql.Literal(keys if place.key else 0),
    )
    found = json.loads(question.told(connection, block, timeout_s=timeout_s))
    is_keyed, named = bool(place.key), tuple(found["keys"])
    return Misfits(table=place.name, column=suspicion.column, rows=int(found["rows"]), keys=named, is_keyed=is_keyed)
