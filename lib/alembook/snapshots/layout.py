"""What tables are made of: their columns, and the key their rows are told apart by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import quote_ident

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots.expressions import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One table as it is read.

    Attributes:
        pages: size of the heap in pages of 8 kB, as the catalogue estimates it until ``sized`` asks the file.
        columns: in the order of the table.
        key: the columns rows are told apart by, in the order of the index; empty when there is none.
    """

    schema: str
    table: str
    pages: int
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """Returns "schema.table"."""
        return f"{self.schema}.{self.table}"

    @property
    def identifier(self) -> sql.Identifier:
        """Returns the table as SQL names it."""
        return sql.Identifier(self.schema, self.table)

    def column(self, name: str) -> Column:
        """Returns a column by its name."""
        return next(column for column in self.columns if column.name == name)

    def keyed(self) -> tuple[Column, ...]:
        """Returns the columns of the key."""
        return tuple(self.column(name) for name in self.key)

    def values(self) -> tuple[Column, ...]:
        """Returns the columns outside the key."""
        return tuple(column for column in self.columns if column.name not in self.key)

    def identity(self) -> sql.Composable:
        """Returns the expression of a row's 64-bit identity: the hash of its key, or of the whole row without one.

        The hash of the key's first column seeds that of the second, and so on.
        """
        if not self.key:
            return self._record()
        seed: sql.Composable = sql.SQL("0")
        for column in self.keyed():
            seed = sql.SQL("coalesce({}, 0)").format(column.hash(sql.Identifier(column.name), seed))
        return seed

    def _record(self) -> sql.Composable:
        """Returns the hash of a whole row, hashed once more.

        hash_record_extended combines its columns linearly (31 * h1 + h2): its sum over a table would not change when
        values change places between rows.
        """
        if not self.columns:
            return sql.SQL("0::pg_catalog.int8")
        values = sql.SQL(", ").join(column.value(sql.Identifier(column.name)) for column in self.columns)
        record = "pg_catalog.hash_record_extended(ROW({}), 0)"
        return sql.SQL(f'pg_catalog.hashtextextended({record}::pg_catalog.text COLLATE "C", 0)').format(values)

    def textual(self) -> Layout:
        """Returns the table with every column compared by its text where that says more than its value."""
        return replace(self, columns=tuple(column.textual() for column in self.columns))

    def like(self, earlier: Mapping[str, str], key: Collection[str]) -> Layout:
        """Returns the table reduced to what an earlier measurement can be compared with.

        Args:
            earlier: column -> meaning, in the order they were measured.
            key: the key they were measured by; it is kept where its columns still are, else there is none.
        """
        now = {column.name: column for column in self.columns}
        kept = tuple(now[name] for name, meaning in earlier.items() if name in now and now[name].meaning == meaning)
        names = {column.name for column in kept}
        return replace(self, columns=kept, key=tuple(key) if names.issuperset(key) else ())


def read(connection: connections.Connection, tables: Collection[Mapping[str, Any]]) -> list[Layout]:
    """Returns the layout of each table.

    Args:
        connection: any.
        tables: rows of ``tables.sql``.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    oids = [row["oid"] for row in tables]
    found = connections.tuples(connection, statements.load(__package__, "layout.sql"), {"tables": oids}) if oids else []
    columns: dict[int, list[tuple[Any, ...]]] = {oid: [] for oid in oids}
    for table, *row in found:
        columns[table].append(tuple(row))
    return [
        Layout(
            schema=row["schema"],
            table=row["table"],
            pages=row["pages"],
            columns=tuple(_column(*each[:-1]) for each in columns[row["oid"]]),
            key=_key(columns[row["oid"]]),
        )
        for row in tables
    ]


def heap_pages(connection: connections.Connection, layouts: Collection[Layout]) -> dict[str, int]:
    """Returns "schema.table" -> pages of the heap by its file; tables that are gone are left out.

    The catalogue's estimate is 0 for a table that was just filled, and that of long ago for one that grew.

    Raises:
        errors.QueryFailed: a table cannot be looked at.
    """
    quoted = {_quoted(layout, connection): layout.name for layout in layouts}
    query = statements.load(__package__, "sizes.sql")
    found = connections.rows(connection, query, {"tables": list(quoted)}) if quoted else []
    return {quoted[row["name"]]: row["pages"] for row in found}


def _quoted(layout: Layout, connection: connections.Connection) -> str:
    """Returns a table as SQL names it, as ``identifier`` does: quicker, for a thousand of them."""
    return f"{quote_ident(layout.schema, connection)}.{quote_ident(layout.table, connection)}"


def sized(connection: connections.Connection, layouts: Collection[Layout]) -> list[Layout]:
    """Returns the tables with their pages by their files; with the catalogue's where one of them is locked.

    Args:
        connection: in a transaction.
        layouts: the tables.

    Raises:
        errors.QueryFailed: the connection was lost.
    """
    connections.execute(connection, "SAVEPOINT sized")
    try:
        found = heap_pages(connection, layouts)
    except errors.QueryFailed:  # whoever reads that table names it
        if connection.closed:
            raise
        connections.execute(connection, "ROLLBACK TO SAVEPOINT sized")
        found = {}
    connections.execute(connection, "RELEASE SAVEPOINT sized")
    return [replace(each, pages=found.get(each.name, each.pages)) for each in layouts]


@lru_cache(maxsize=10_000)
def _column(
    name: str,
    shown: str,
    base: str,
    is_builtin: bool,
    kind: str,
    element: str | None,
    element_known: bool | None,
    has_own_hash: bool,
) -> Column:
    """Returns the column of a row of ``layout.sql``; many tables have columns that are alike."""
    return Column.from_catalog(
        name=name,
        shown=shown,
        base=base,
        is_builtin=is_builtin,
        kind=kind,
        element=element,
        element_known=bool(element_known),
        has_own_hash=has_own_hash,
    )


def _key(rows: Collection[tuple[Any, ...]]) -> tuple[str, ...]:
    """Returns the names (first) of the columns with a position in the key (last), by position."""
    keyed = [(row[-1], row[0]) for row in rows if row[-1] is not None]
    return tuple(name for _, name in sorted(keyed))
