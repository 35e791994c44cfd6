"""What is written to a database between two looks at it, by the server's own statistics.

A session tells the server what it wrote when it ends at the latest (PostgreSQL 15 and newer: before it leaves
``pg_stat_activity``), so once every other session has ended the second look misses nothing. It errs on one side: rows
of a transaction that was rolled back count, and what was written shortly before the first look may be told after it.

Source: PostgreSQL manual, 27.2 The Cumulative Statistics System; "pgstat.c".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements

#: Up to PostgreSQL 14 another process collects what sessions tell, and writes it down twice a second.
_COLLECTED_WITHIN_S = 1.0
_FIRST_WITHOUT_COLLECTOR = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is known of one table.

    Attributes:
        rows: ever written to it.
        file: number of its file: another one after TRUNCATE or a rewrite.
    """

    rows: int
    file: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look.

    Attributes:
        is_counted: the server counts at all.
        counted_since: when it began to; another one when the statistics were reset.
        tables: "schema.table", and "large objects" for all of them.
    """

    is_counted: bool
    counted_since: str
    tables: Mapping[str, Table]


def look(connection: connections.Connection) -> Look:
    """Returns what was ever written to the connection's database. The connection is in no transaction.

    Raises:
        errors.QueryFailed: the statistics cannot be read.
    """
    how = connections.rows(connection, statements.load(__package__, "writes_counted.sql"))[0]
    if how["version_num"] < _FIRST_WITHOUT_COLLECTOR:
        time.sleep(_COLLECTED_WITHIN_S)
    found = connections.rows(connection, statements.load(__package__, "writes.sql"))
    tables = {row["table"]: Table(rows=row["rows"] or 0, file=row["file"]) for row in found}
    return Look(is_counted=how["is_counted"], counted_since=how["counted_since"], tables=tables)


def since(connection: connections.Connection, table: sql.Identifier, snapshot: str) -> int:
    """Returns the rows of a table that were inserted or updated since a snapshot and are there, whoever did it.

    Args:
        connection: to the database.
        table: with its schema; what inherits from it is left out.
        snapshot: as ``pg_current_snapshot()`` told it then, on this server.

    Raises:
        errors.QueryFailed: the table cannot be read.
    """
    query = sql.SQL(statements.load(__package__, "written_since.sql")).format(table=table)
    return int(connections.scalar(connection, query, {"snapshot": snapshot}))


def unknown(then: Look, now: Look) -> str:
    """Returns why two looks say nothing, in words; "" when they do."""
    if not (then.is_counted and now.is_counted):
        return "the server does not count what is written (track_counts is off)"
    return "the server's statistics were reset meanwhile" if then.counted_since != now.counted_since else ""


def between(then: Look, now: Look) -> dict[str, tuple[int, str]]:
    """Returns "schema.table" -> rows written between two looks, and what else became of it, in words."""
    found = {}
    for name in then.tables.keys() | now.tables.keys():
        before, after = then.tables.get(name), now.tables.get(name)
        if before is None or after is None:
            found[name] = (after.rows if after else 0, "it was made" if after else "it was dropped")
        elif before != after:
            fate = "it was emptied or written anew" if before.file != after.file else ""
            found[name] = (max(after.rows - before.rows, 0), fate)
    return found
