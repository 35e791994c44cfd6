"""What the server's catalogues say of the user's tables, without touching a row."""

from __future__ import annotations

import pandas as pd

from alembook.postgres import connection as connections
from alembook.postgres import statements

_COLUMNS = ["schema", "table", "estimated_rows", "size_bytes", "kind"]


def tables(connection: connections.Connection) -> pd.DataFrame:
    """Returns the user's tables.

    Returns:
        One row per ordinary table or leaf partition; schema (str), table (str), estimated_rows (int64, -1 = never
        analysed), size_bytes (int64, with indexes and TOAST), kind ("table" | "partition"); sorted by size, largest
        first.
    """
    found = connections.rows(connection, statements.load(__package__, "catalog.sql"))
    return pd.DataFrame(found, columns=_COLUMNS).astype({"estimated_rows": "int64", "size_bytes": "int64"})


def invalid_indexes(connection: connections.Connection) -> list[str]:
    """Returns the names of invalid indexes, "schema.index on schema.table", by name."""
    found = connections.rows(connection, statements.load(__package__, "invalid_indexes.sql"))
    return [f"{row['name']} on {row['table']}" for row in found]


def has_schema(connection: connections.Connection, name: str) -> bool:
    """Says whether a schema of exactly this name is there."""
    query = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(name)s)"
    return bool(connections.scalar(connection, query, {"name": name}))
