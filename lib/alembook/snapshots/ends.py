"""The lowest and the highest key of each table: where rows are missing, a range that shrank says where.

Found at the ends of the key's index in the snapshot of the counts, so a large table costs no more than a small one. For
small ones that alone takes as long as reading them: integer keys of those are looked at while they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import crew, scan
from alembook.snapshots.layout import Layout

#: Makes of a text one that says nothing of it, and the same one for the same text.
Hide = Callable[[str], str]
#: Columns of a table of ends, and how each is read back from CSV.
DTYPES = {
    "schema": "str",
    "table": "str",
    "key": "str",
    "lowest": "str",
    "highest": "str",
    "is_data": "bool",
    "is_hidden": "bool",
}
#: Meanings of columns whose values are numbers and points in time; what others hold may be somebody's.
_PLAIN = {"integer", "numeric", "date", "timestamp", "timestamptz"}
_AT_ONCE = 32
_NOTHING: list[dict[str, Any]] = []
_CHARACTERS = 200
#: A key as a text of at most so many characters. SQL_ASCII holds anything and cuts it anywhere: that is escaped.
_TEXT = """CASE WHEN pg_catalog.getdatabaseencoding() <> 'SQL_ASCII' THEN {cut}
    ELSE pg_catalog.encode(pg_catalog.convert_to({cut}, 'SQL_ASCII'), 'escape') END"""
_CUT = 'pg_catalog."left"({}::pg_catalog.text, {})'


def none() -> pd.DataFrame:
    """Returns the table of ends of no table."""
    return pd.DataFrame(columns=list(DTYPES)).astype(DTYPES)


def asked(layouts: Collection[Layout]) -> dict[str, str]:
    """Returns "schema.table" -> the key's column, of tables whose ends are asked for while they are read."""
    single = (each for each in layouts if len(each.key) == 1 and each.pages <= scan.SMALL_PAGES)
    return {each.name: each.key[0] for each in single if each.column(each.key[0]).meaning == "integer"}


def read(
    connection: connections.Connection,
    tables: Collection[Mapping[str, Any]],
    layouts: Sequence[Layout],
    counted: Mapping[str, scan.Found],
    *,
    timeout_s: float,
) -> pd.DataFrame:
    """Returns the ends of the keys of tables; one of which no index tells them quickly is left out.

    Args:
        connection: inside the transaction ``measurement.snapshot`` opened.
        tables: rows of ``tables.sql``.
        layouts: of the same tables, with the key to look at.
        counted: what they came to, with the ends that were ``asked`` for.
        timeout_s: limit for 32 tables, seconds; 0 is none. Beyond it these are left out.

    Returns:
        One row per table, by schema and table: schema, table, key (its columns, comma between), lowest, highest (str:
        the key's text, of several columns as a row; "" for an empty table), is_data (bool: it holds more than numbers
        and points in time), is_hidden (bool: False).

    Raises:
        errors.QueryFailed: the connection was lost, or a table could not be read.
    """
    oids = {row["oid"]: f"{row['schema']}.{row['table']}" for row in tables}
    query = statements.load(__package__, "ended_keys.sql")
    found = connections.rows(connection, query, {"tables": list(oids)}) if oids else []
    known = {(oids[row["table_oid"]], tuple(row["columns"])) for row in found}
    small = asked(layouts)
    looked_up = [each for each in layouts if each.key and each.name not in small and (each.name, each.key) in known]
    answers = {name: _of_pass(counted[name], column) for name, column in small.items() if not counted[name].unread}

    def look(connection: connections.Connection, part: Sequence[Layout]) -> None:
        rows, _ = crew.within(connection, lambda: _looked_up(connection, part), lambda: _NOTHING, timeout_s=timeout_s)
        answers.update({part[row["number"]].name: row for row in rows})

    parts = [looked_up[first : first + _AT_ONCE] for first in range(0, len(looked_up), _AT_ONCE)]
    crew.share(connection, parts, look, timeout_s=timeout_s)
    lines = [_line(each, answers[each.name]) for each in layouts if each.name in answers]
    return pd.DataFrame(sorted(lines), columns=list(DTYPES)).astype(DTYPES)


def _of_pass(found: scan.Found, column: str) -> dict[str, Any]:
    ends = found.ends.get(column, (None, None))
    return {name: end if end is None else str(end) for name, end in zip(("lowest", "highest"), ends, strict=True)}


def _looked_up(connection: connections.Connection, part: Sequence[Layout]) -> list[dict[str, Any]]:
    template = statements.load(__package__, "ends.sql").partition("\nSELECT")
    text = sql.SQL(f"SELECT{template[2]}")
    queries = [text.format(number=sql.Literal(number), **_named(each)) for number, each in enumerate(part)]
    return connections.rows(connection, sql.SQL("\nUNION ALL\n").join(queries))


def _named(layout: Layout) -> dict[str, sql.Composable]:
    columns = [sql.Identifier(name) for name in layout.key]
    whole = columns[0] if len(columns) == 1 else sql.SQL("ROW({})").format(sql.SQL(", ").join(columns))
    cut = sql.SQL(_TEXT).format(cut=sql.SQL(_CUT).format(whole, sql.Literal(_CHARACTERS)))
    down = [sql.SQL("{} DESC").format(column) for column in columns]
    return {"key": cut, "table": layout.identifier, "up": sql.SQL(", ").join(columns), "down": sql.SQL(", ").join(down)}


def _line(layout: Layout, row: Mapping[str, Any]) -> tuple[Any, ...]:
    is_data = any(column.meaning not in _PLAIN for column in layout.keyed())
    ends = (row["lowest"] or "", row["highest"] or "")
    return layout.schema, layout.table, ", ".join(layout.key), *ends, is_data, False


def hidden(ends: pd.DataFrame, hide: Hide) -> pd.DataFrame:
    """Returns a table of ends in which what may be somebody's data is hidden.

    Args:
        ends: as ``read`` returns it.
        hide: what hides it.
    """
    is_data = ends["is_data"]
    masked = {name: ends[name].where(~is_data, ends[name].map(hide)).astype("str") for name in ("lowest", "highest")}
    return ends.assign(**masked, is_hidden=is_data)


def moved(then: pd.DataFrame, now: pd.DataFrame, hide: Hide, *, may_show: bool) -> dict[str, str]:
    """Returns "schema.table" -> how the ends of its key moved, in words; tables in which they did not are left out.

    Args:
        then: the ends before, hidden or not.
        now: the ends now, not hidden.
        hide: as it was for ``then``.
        may_show: whether values that may be somebody's data are told.
    """
    before = {_name(row): row for row in then.to_dict("records")}
    pairs = ((before.get(_name(row)), row) for row in now.to_dict("records"))
    return {_name(row): said for was, row in pairs if was and (said := _said(was, row, hide, may_show))}


def _said(was: Mapping[Any, Any], row: Mapping[Any, Any], hide: Hide, may_show: bool) -> str:
    if was["key"] != row["key"]:
        return ""
    ends = {name: hide(row[name]) if was["is_hidden"] else row[name] for name in ("lowest", "highest")}
    differing = [name for name, value in ends.items() if was[name] and value and was[name] != value]
    if not differing:
        return ""
    if row["is_data"] and (was["is_hidden"] or not may_show):
        return " and ".join(f"its {name} key is another one" for name in differing)
    then, later = (f"from {each['lowest']} to {each['highest']}" for each in (was, row))
    return f"its key {row['key']} ran {then}, and runs {later}"


def _name(row: Mapping[Any, Any]) -> str:
    return f"{row['schema']}.{row['table']}"
