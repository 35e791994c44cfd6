"""What the target's catalogue knows of the tables that revisions name. Reads only, never a row's value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is there.

    Attributes:
        name: "schema.table", quoted where SQL needs it.
        oid: in ``pg_class``.
        rows: as the server estimates them; -1 = never analysed.
        size_bytes: with indexes and TOAST.
        is_partitioned: it is a partitioned parent.
        columns: name -> (type, whether NULL is refused).
    """

    name: str
    oid: int
    rows: int
    size_bytes: int
    is_partitioned: bool
    columns: Mapping[str, tuple[str, bool]] = field(default_factory=dict)

    @property
    def is_large(self) -> bool:
        """Says whether reading or rewriting it takes long enough to be felt: 10,000 rows or 10 MB."""
        return self.rows >= 10_000 or self.size_bytes >= 10 * 1024 * 1024


class Catalogue:
    """Answers about the target's tables.

    Args:
        connection: read-only, with the project's search_path and a statement_timeout.
        names: tables, "table" or "schema.table", as revisions write them.
    """

    def __init__(self, connection: connections.Connection, names: Iterable[str]) -> None:
        self._connection = connection
        self._tables = self._read({name: self._quoted(name) for name in names if name})

    def _quoted(self, name: str) -> str:
        return sql.Identifier(*name.split(".", 1)).as_string(self._connection)

    def _read(self, names: Mapping[str, str]) -> dict[str, Table]:
        load = statements.load
        found = connections.rows(self._connection, load(__package__, "tables.sql"), {"names": list(names.values())})
        oids = [row["oid"] for row in found]
        columns: dict[int, dict[str, tuple[str, bool]]] = {oid: {} for oid in oids}
        for row in connections.rows(self._connection, load(__package__, "columns.sql"), {"oids": oids}):
            columns[row["oid"]][row["column"]] = (row["type"], row["not_null"])
        tables = {
            row["name"]: Table(
                name=row["table"],
                oid=row["oid"],
                rows=row["rows"],
                size_bytes=row["size_bytes"],
                is_partitioned=row["is_partitioned"],
                columns=columns[row["oid"]],
            )
            for row in found
        }
        return {name: tables[quoted] for name, quoted in names.items() if quoted in tables}

    def table(self, name: str) -> Table | None:
        """Returns a table; None when it is not there (yet)."""
        return self._tables.get(name)

    def dependents(self, name: str, column: str | None) -> list[str]:
        """Returns what depends on a table or a column, one line each; [] when the table is not there."""
        table = self.table(name)
        if table is None:
            return []
        values = {"oid": table.oid, "column": column, "word": name.rpartition(".")[2]}
        found = connections.rows(self._connection, statements.load(__package__, "dependents.sql"), values)
        return [row["what"] for row in found]

    def has_rows(self, name: str) -> bool:
        """Says whether a table holds a row. False too when the role may not read it."""
        table = self.table(name)
        if table is None:
            return False
        try:
            return bool(connections.scalar(self._connection, f"SELECT EXISTS (SELECT FROM {table.name})"))  # noqa: S608
        except errors.QueryFailed:
            return False

    def count(self, name: str, condition: str) -> tuple[str, str]:
        """Returns a query that counts rows, and its answer: "3 rows", or why it could not be asked.

        Args:
            name: of a table that is there.
            condition: SQL over its columns.
        """
        table = self._tables[name]
        query = f"SELECT count(*) FROM {table.name} WHERE {condition}"  # noqa: S608 - names quoted by the catalogue
        try:
            number = int(connections.scalar(self._connection, query))
        except errors.QueryFailed as error:
            return query, f"not counted: {error.what}"
        return query, f"{number:,} row{'' if number == 1 else 's'}"

    def quoted_column(self, column: str) -> str:
        """Returns a column's name as SQL needs it."""
        return sql.Identifier(column).as_string(self._connection)
