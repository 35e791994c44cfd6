"""Measuring: exact row counts of tables at one instant.

Counts are counted, never estimated. They belong to one transaction, so they agree with each other and with a dump that
imported the same snapshot (PostgreSQL manual, 9.28.5 Snapshot Synchronization Functions).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd
from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements

#: Columns of a measured table of tables, and how each is read back from CSV.
DTYPES = {"schema": "str", "table": "str", "rows": "int64", "size_bytes": "int64"}

#: Settings of the transaction: waiting for the next statement does not end it, and no policy hides a row in silence.
_SETTINGS = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was counted at one instant.

    Attributes:
        taken_at: start of the transaction, by the server's clock.
        snapshot: the server's own text for what the transaction sees (xmin:xmax:in progress).
        tables: one row per table, sorted by schema and table: schema (str), table (str), rows (int64, exact),
            size_bytes (int64: heap, TOAST and indexes, at this moment rather than at the snapshot).
        left_out: "schema.table" -> why it was asked for and not counted (a foreign table, no right to read it, row
            security); tables left out by pattern are not named.
    """

    taken_at: datetime
    snapshot: str
    tables: pd.DataFrame
    left_out: Mapping[str, str]


@contextmanager
def snapshot(connection: connections.Connection) -> Iterator[str]:
    """Opens one REPEATABLE READ READ ONLY transaction and yields the id other sessions can import it by.

    The transaction is rolled back at the end; while it is open, the server keeps every row version it sees.

    Raises:
        errors.QueryFailed: the connection was in a transaction already, or was lost.
    """
    connections.execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        connections.execute(connection, _SETTINGS)
        yield str(connections.scalar(connection, "SELECT pg_export_snapshot()"))
    finally:
        if not connection.closed:
            with suppress(errors.QueryFailed):
                connections.execute(connection, "ROLLBACK")


def measure(
    connection: connections.Connection,
    *,
    include: Collection[str] = ("*",),
    exclude: Collection[str] = (),
    leave_out_schemas: Collection[str] = (),
    on_table: Callable[[int, int], None] = lambda _done, _total: None,
) -> Measurement:
    """Counts every row of every table that is asked for.

    A table is counted by itself (``ONLY``): rows of its children are the children's, and a partitioned table is its
    leaves. ACCESS SHARE is held on each until the transaction ends.

    Args:
        connection: inside the transaction ``snapshot`` opened.
        include: patterns of "schema.table" or "table" (``*``, ``?``, ``[...]``; upper and lower case differ).
        exclude: patterns of what to leave out again.
        leave_out_schemas: schemas that are not the project's, such as Alembook's own.
        on_table: called with (tables done, tables in all) after each.

    Raises:
        errors.QueryFailed: a table could not be counted; the error names it.
    """
    found = connections.rows(connection, statements.load(__package__, "tables.sql"))
    asked = [row for row in found if row["schema"] not in leave_out_schemas and _is_asked(row, include, exclude)]
    left_out = {_name(row): reason for row in asked if (reason := _reason_to_leave_out(row))}
    countable = [row for row in asked if _name(row) not in left_out]
    counted = []
    for done, row in enumerate(countable, start=1):
        counted.append((row["schema"], row["table"], *_count(connection, row)))
        on_table(done, len(countable))
    instant = connections.rows(connection, statements.load(__package__, "instant.sql"))[0]
    return Measurement(tables=frame(counted), left_out=left_out, **instant)


def frame(rows: Collection[tuple[str, str, int, int]]) -> pd.DataFrame:
    """Returns rows of (schema, table, rows, size_bytes) as the table ``Measurement.tables`` describes."""
    tables = pd.DataFrame(list(rows), columns=list(DTYPES)).astype(DTYPES)
    return tables.sort_values(["schema", "table"], ignore_index=True)


def read_csv(path: Path) -> pd.DataFrame:
    """Returns the table of tables an archive keeps; a table named "null" stays a name.

    Raises:
        errors.ArchiveFailed: the file is missing or is no such table.
    """
    try:
        return pd.read_csv(path, dtype=DTYPES, keep_default_na=False)[list(DTYPES)]
    except (OSError, ValueError, KeyError) as error:
        raise errors.ArchiveFailed(
            f"{path.name} cannot be read as a table of counted tables.",
            why=str(error),
            next=f"It must have the columns {', '.join(DTYPES)}; verify it against SHA256SUMS of its run.",
            state="unchanged: nothing was written.",
        ) from error


def _is_asked(row: Mapping[str, Any], include: Collection[str], exclude: Collection[str]) -> bool:
    names = (_name(row), row["table"])
    return _matches(names, include) and not _matches(names, exclude)


def _matches(names: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['schema']}.{row['table']}"


def _reason_to_leave_out(row: Mapping[str, Any]) -> str:
    if row["is_foreign"]:
        return "a foreign table: its rows are another server's"
    if not row["may_read"]:
        return "the role may not read it"
    return "row security hides rows of it from the role" if row["hides_rows"] else ""


def _count(connection: connections.Connection, row: Mapping[str, Any]) -> tuple[int, int]:
    table = sql.Identifier(row["schema"], row["table"])
    name = sql.Literal(table.as_string(connection))
    query = sql.SQL(statements.load(__package__, "count.sql")).format(table=table, name=name)
    try:
        counted = connections.rows(connection, query)[0]
        return counted["rows"], counted["size_bytes"]
    except errors.QueryFailed as error:
        raise errors.QueryFailed(
            f"{_name(row)} could not be counted.",
            why=f"{error.what} {error.why}",
            next="Remove the cause, or leave the table out with `verify.exclude` in alembook.toml; then run again.",
            state="unchanged: counting only reads.",
        ) from error
