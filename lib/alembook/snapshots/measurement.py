"""Measuring: exact row counts, checksums and NULLs of tables at one instant, in one pass over each.

Counts are counted, never estimated. They belong to one snapshot, so they agree with each other and with a dump that
imported it (PostgreSQL manual, 9.28.5 Snapshot Synchronization Functions).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import crew, ends, layout, partitions, reading, scan, sequences

#: Columns of a measured table of tables, and how each is read back from CSV.
DTYPES = {"schema": "str", "table": "str", "rows": "int64", "size_bytes": "int64"}
#: Columns of a measured table of columns.
COLUMN_DTYPES = {
    "schema": "str",
    "table": "str",
    "column": "str",
    "type": "str",
    "meaning": "str",
    "key": "int64",
    "nulls": "int64",
    "checksum": "str",
}
#: Why a foreign table is left out: no dump has its rows, and no restore loses them.
FOREIGN = "a foreign table: its rows are another server's"
#: Settings of the transaction: waiting for the next statement does not end it, and no policy hides a row in silence.
_SETTINGS = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off"


def no_columns() -> pd.DataFrame:
    """Returns the table of columns of no table."""
    return _columns((), {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was counted at one instant.

    Attributes:
        taken_at: start of the transaction, by the server's clock.
        snapshot: the server's own text for what the transaction sees (xmin:xmax:in progress).
        tables: one row per table, sorted by schema and table: schema (str), table (str), rows (int64, exact),
            size_bytes (int64: heap, TOAST and indexes, at this moment rather than at the snapshot).
        columns: one row per column in the order of its table, by schema and table: schema, table, column, type, meaning
            (str; see ``expressions``), key (int64: position in the key, 0 outside), nulls (int64, rows), checksum (str:
            the sum of 64-bit hashes, each seeded with its row's key where there is one; "" for a column of the key).
            Before them one row with the column "": its checksum is that of the keys (meaning "keys"), or of the whole
            rows where the table has no key (meaning "rows"); its nulls are 0.
        sequences: one row per column that takes its values from a sequence, as ``sequences.standing``.
        ends: the lowest and the highest key of each table, as ``ends.read``.
        partitions: which tables are leaves of a partitioned one, as ``partitions.read``.
        wholes: as ``columns``, of each partitioned table as if it were one; left out are those whose leaves were not
            all measured, or not by one key over the same columns.
        apart: "schema.table" -> which columns could not be measured as ``earlier`` was, in words.
        unread: "schema.table" -> why it has a count and no checksums.
        left_out: "schema.table" -> why it was asked for and not counted (a foreign table, no right to read it, row
            security); tables left out by pattern are not named.
    """

    taken_at: datetime
    snapshot: str
    tables: pd.DataFrame
    columns: pd.DataFrame
    sequences: pd.DataFrame
    apart: Mapping[str, str]
    unread: Mapping[str, str]
    left_out: Mapping[str, str]
    ends: pd.DataFrame = field(default_factory=ends.none)
    partitions: pd.DataFrame = field(default_factory=partitions.none)
    wholes: pd.DataFrame = field(default_factory=no_columns)


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
    only: Collection[str] | None = None,
    earlier: pd.DataFrame | None = None,
    is_textual: bool = False,
    connect: crew.Connect | None = None,
    workers: int = 1,
    timeout_s: float = 0,
    on_table: Callable[[int, int], None] = lambda _done, _total: None,
) -> Measurement:
    """Counts every row of every table that is asked for, and sums up what its columns hold.

    A table is counted by itself (``ONLY``): rows of its children are the children's, and a partitioned table is its
    leaves. ACCESS SHARE is held on each until the transaction ends. Tables larger than 64 MB may be read in pieces.

    Args:
        connection: inside the transaction ``snapshot`` opened.
        include: patterns of "schema.table" or "table" (``*``, ``?``, ``[...]``; upper and lower case differ).
        exclude: patterns of what to leave out again.
        leave_out_schemas: schemas that are not the project's, such as Alembook's own.
        only: "schema.table" of the tables in scope; None is all of them. The others are not named as left out.
        earlier: ``columns`` (and ``wholes``) of an earlier measurement this one will be compared with: tables in it are
            summed up over the columns both have with one meaning, by the key they, or a new leaf's whole, had then.
        is_textual: values are equal when their texts are: numeric 1.0 and 1.00, float 0 and -0 differ.
        connect: opens another connection to the same database, for more than one worker.
        workers: connections that read at once.
        timeout_s: limit for one piece, seconds; 0 is none. Beyond it a table is counted only (``unread``).
        on_table: called with (tables done, tables in all) after each.

    Raises:
        errors.QueryFailed: a table could not be counted; the error names it.
    """
    found = connections.rows(connection, statements.load(__package__, "tables.sql"))
    countable, left_out = _countable(found, include, exclude, leave_out_schemas, only)
    layouts, apart = _layouts(connection, countable, earlier, is_textual)
    positions = sequences.read(connection, countable)
    how = {"timeout_s": timeout_s, "on_table": on_table, "connect": connect, "workers": workers}
    counted = reading.read(connection, layouts, ends=_ends(layouts, positions), **how)  # type: ignore[arg-type]
    return Measurement(
        **_frames(layouts, counted, partitions.read(connection, found, leave_out_schemas)),
        sequences=sequences.standing(layouts, counted, positions),
        ends=ends.read(connection, countable, layouts, counted, timeout_s=timeout_s),
        apart=apart,
        unread={name: each.unread for name, each in counted.items() if each.unread},
        left_out=left_out,
        **connections.rows(connection, statements.load(__package__, "instant.sql"))[0],
    )


def _frames(
    layouts: Collection[layout.Layout], counted: Mapping[str, scan.Found], parted: pd.DataFrame
) -> dict[str, Any]:
    """Returns what the tables came to, one by one and, where they are leaves of one, together."""
    wholes = list(partitions.wholes(parted, layouts, counted))
    return {
        "tables": frame([_counted(each, counted[each.name]) for each in layouts]),
        "columns": _columns(layouts, counted),
        "partitions": parted,
        "wholes": _columns([each for each, _ in wholes], {each.name: sums for each, sums in wholes}),
    }


def _ends(layouts: Collection[layout.Layout], positions: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns "schema.table" -> columns whose ends are looked at while the table is read."""
    asked = {name: [row["column"] for row in rows] for name, rows in positions.items()}
    for name, column in ends.asked(layouts).items():
        asked[name] = list(dict.fromkeys([*asked.get(name, ()), column]))
    return asked


def _counted(table: layout.Layout, found: scan.Found) -> tuple[str, str, int, int]:
    return table.schema, table.table, found.rows, found.size_bytes


def _layouts(
    connection: connections.Connection,
    tables: Collection[Mapping[str, Any]],
    earlier: pd.DataFrame | None,
    is_textual: bool,
) -> tuple[list[layout.Layout], dict[str, str]]:
    """Returns the tables as they are to be read, and what of them cannot be read as it was earlier."""
    found = layout.sized(connection, layout.read(connection, tables))
    now = [each.textual() if is_textual else each for each in found]
    if earlier is None:
        return now, {}
    then = {f"{schema}.{table}": rows for (schema, table), rows in earlier.groupby(["schema", "table"], sort=False)}
    roots = {_name(row): row["root"] for row in tables}
    taken, apart = [], {}
    for each in now:
        rows = then.get(each.name, then.get(roots[each.name]))
        taken.append(each if rows is None else reduced(each, rows))
        if rows is not None and (told := _apart(each, rows)):
            apart.update(dict.fromkeys((each.name, roots[each.name] or each.name), told))
    return taken, apart


def reduced(table: layout.Layout, earlier: pd.DataFrame) -> layout.Layout:
    """Returns a table reduced to the columns and the key of an earlier measurement of it, or of what it is part of."""
    named = earlier[earlier["column"] != ""]
    key = named[named["key"] > 0].sort_values("key")["column"]
    return table.like(dict(zip(named["column"], named["meaning"], strict=True)), tuple(key))


def _apart(table: layout.Layout, earlier: pd.DataFrame) -> str:
    named = earlier[earlier["column"] != ""]
    then = {row["column"]: (row["type"], row["meaning"]) for row in named.to_dict("records")}
    now = {column.name: (column.type, column.meaning) for column in table.columns}
    gone = [f"{name} is gone" for name in then if name not in now]
    other = [
        f"{name} was {then[name][0]}, is {now[name][0]}"
        for name in then
        if name in now and then[name][1] != now[name][1]
    ]
    return ", ".join(gone + other + [f"{name} is new" for name in now if name not in then])


def _columns(layouts: Collection[layout.Layout], counted: Mapping[str, scan.Found]) -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for each in sorted(layouts, key=lambda each: (each.schema, each.table)):
        found = counted[each.name]
        if found.unread:
            continue
        place = (each.schema, each.table)
        rows.append((*place, "", "", "keys" if each.key else "rows", 0, 0, str(found.keys)))
        for column in each.columns:
            position = each.key.index(column.name) + 1 if column.name in each.key else 0
            checksum = str(found.sums[column.name]) if column.name in found.sums else ""
            nulls = found.rows - found.present[column.name]
            rows.append((*place, column.name, column.type, column.meaning, position, nulls, checksum))
    return pd.DataFrame(rows, columns=list(COLUMN_DTYPES)).astype(COLUMN_DTYPES)


def outline(
    connection: connections.Connection,
    *,
    include: Collection[str] = ("*",),
    exclude: Collection[str] = (),
    leave_out_schemas: Collection[str] = (),
) -> tuple[dict[str, layout.Layout], dict[str, str]]:
    """Returns the layout of every table that can be measured, and why others cannot; no row is read. As ``measure``."""
    found = connections.rows(connection, statements.load(__package__, "tables.sql"))
    countable, left_out = _countable(found, include, exclude, leave_out_schemas)
    return {each.name: each for each in layout.read(connection, countable)}, left_out


def sizes(connection: connections.Connection, tables: Collection[str]) -> dict[str, int]:
    """Returns the bytes of tables ("schema.table"), TOAST included and indexes not; no row is read."""
    names = oids(connection, tables)
    query = (
        "SELECT oid::bigint AS oid, pg_table_size(oid::oid) AS size_bytes FROM unnest(%(tables)s::bigint[]) AS t (oid)"
    )
    rows = connections.rows(connection, query, {"tables": list(names)})
    return {names[row["oid"]]: int(row["size_bytes"] or 0) for row in rows}


def oids(connection: connections.Connection, tables: Collection[str], *, of_extensions: bool = True) -> dict[int, str]:
    """Returns oid -> "schema.table" of tables, on request without those that an extension made; no row is read."""
    found = connections.rows(connection, statements.load(__package__, "tables.sql"))
    asked = [row for row in found if _name(row) in tables and (of_extensions or not row["is_extensions"])]
    return {row["oid"]: _name(row) for row in asked}


def _countable(
    found: Collection[dict[str, Any]],
    include: Collection[str],
    exclude: Collection[str],
    leave_out_schemas: Collection[str],
    only: Collection[str] | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Returns the tables that are asked for and can be counted, and why the others cannot."""
    asked = [row for row in found if row["schema"] not in leave_out_schemas and _is_asked(row, include, exclude)]
    asked = asked if only is None else [row for row in asked if _name(row) in only]
    left_out = {_name(row): reason for row in asked if (reason := _reason_to_leave_out(row))}
    return [row for row in asked if _name(row) not in left_out], left_out


def frame(rows: Collection[tuple[str, str, int, int]]) -> pd.DataFrame:
    """Returns rows of (schema, table, rows, size_bytes) as the table ``Measurement.tables`` describes."""
    tables = pd.DataFrame(list(rows), columns=list(DTYPES)).astype(DTYPES)
    return tables.sort_values(["schema", "table"], ignore_index=True)


def read_csv(path: Path, dtypes: Mapping[str, str] = DTYPES) -> pd.DataFrame:
    """Returns a measured table an archive keeps; a table named "null" stays a name.

    Args:
        path: the file.
        dtypes: ``DTYPES``, ``COLUMN_DTYPES``, ``sequences.DTYPES`` or ``ends.DTYPES``.

    Raises:
        errors.ArchiveFailed: the file is missing or is no such table.
    """
    try:
        return pd.read_csv(path, dtype=dict(dtypes), keep_default_na=False)[list(dtypes)]
    except (OSError, ValueError, KeyError) as error:
        raise errors.ArchiveFailed(
            f"{path.name} cannot be read as a table of counted tables.",
            why=str(error),
            next=f"It must have the columns {', '.join(dtypes)}; verify it against SHA256SUMS of its run.",
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
        return FOREIGN
    if not row["may_read"]:
        return "the role may not read it"
    return "row security hides rows of it from the role" if row["hides_rows"] else ""
