"""Rows whose foreign key points at no row.

PostgreSQL keeps foreign keys itself, with triggers: those that were disabled, by hand or by a session that replays
(``session_replication_role``), and constraints that are NOT VALID let orphans in, and nothing says so afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import question
from alembook.snapshots.comparison import rows_text
from alembook.verdict import Check, Grade, Outcome

#: Orphans are counted up to here.
COUNTED_ROWS = 100_000
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """One foreign key.

    Attributes:
        child, parent: (schema, table).
        tables: "schema.table" of every table that holds rows of either.
        is_parted: the child is partitioned.
        columns: pairs of (column of the child, column of the parent, operator).
        is_full: MATCH FULL: a row with some of its columns NULL is an orphan.
        is_temporal: with PERIOD: the last column is a time that rows of the parent have to cover together.
    """

    child: tuple[str, str]
    parent: tuple[str, str]
    tables: frozenset[str]
    is_parted: bool
    columns: tuple[tuple[str, str, str], ...]
    is_full: bool
    is_temporal: bool

    @property
    def name(self) -> str:
        """Returns "schema.child (columns) -> schema.parent (columns)"; it survives another name of the constraint."""
        here, there = (", ".join(pair[n] for pair in self.columns) for n in (0, 1))
        return f"{'.'.join(self.child)} ({here}) -> {'.'.join(self.parent)} ({there})"

    def query(self, connection: connections.Connection) -> str:
        """Returns the query of its orphans."""
        columns = [sql.Identifier("child", own) for own, _, _ in self.columns]
        told = [sql.SQL("{} IS NOT NULL").format(column) for column in columns]
        pairs = [
            sql.SQL(f"{{}} {operator} {{}}").format(sql.Identifier("parent", other), sql.Identifier("child", own))
            for own, other, operator in self.columns
        ]
        file = "orphans_over_periods.sql" if self.is_temporal else "orphans.sql"
        text = sql.SQL(statements.load(__package__, file)).format(
            columns=sql.SQL(", ").join(sql.SQL("{}::pg_catalog.text").format(column) for column in columns),
            child=sql.SQL("{}" if self.is_parted else "ONLY {}").format(sql.Identifier(*self.child)),
            parent=sql.Identifier(*self.parent),
            told=sql.SQL("({})").format(sql.SQL(" OR " if self.is_full else " AND ").join(told)),
            period=sql.Identifier(self.columns[-1][0]),
            covering=sql.Identifier(self.columns[-1][1]),
            pairs=sql.SQL(" AND ").join(pairs[:-1] if self.is_temporal else pairs),
        )
        return text.as_string(connection)


def read(connection: connections.Connection, tables: Collection[str]) -> list[ForeignKey]:
    """Returns the foreign keys of which a side is among the tables ("schema.table").

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    found = connections.rows(connection, statements.load(__package__, "foreign_keys.sql"))
    keys = [
        ForeignKey(
            child=(row["child_schema"], row["child_table"]),
            parent=(row["parent_schema"], row["parent_table"]),
            tables=frozenset([*row["child_tables"], *row["parent_tables"]]),
            is_parted=row["is_parted"],
            columns=tuple(zip(row["columns"], row["referenced"], row["operators"], strict=True)),
            is_full=row["is_full"],
            is_temporal=row["is_temporal"],
        )
        for row in found
    ]
    return [key for key in dict.fromkeys(keys) if not key.tables.isdisjoint(tables)]


def count(
    connection: connections.Connection, tables: Collection[str], *, timeout_s: float, with_values: bool = False
) -> dict[str, dict[str, Any]]:
    """Returns what each foreign key of the tables comes to, by its name.

    Args:
        connection: inside the transaction ``measurement.snapshot`` opened.
        tables: "schema.table".
        timeout_s: limit for each foreign key, seconds.
        with_values: keep some of the values that point nowhere; they may be somebody's.

    Returns:
        "rows" (up to ``COUNTED_ROWS``), "query" and "values"; or "failed", why it could not be counted.

    Raises:
        errors.QueryFailed: the connection was lost.
    """
    return {key.name: _count(connection, key, timeout_s, with_values) for key in read(connection, tables)}


def _count(connection: connections.Connection, key: ForeignKey, timeout_s: float, with_values: bool) -> dict[str, Any]:
    query = key.query(connection)
    try:
        with question.ask(connection, query, timeout_s=timeout_s) as answers:
            values = [row[0] for row in answers.fetch(_SHOWN)] if with_values else []
            rows = len(values) + answers.count(COUNTED_ROWS + 1 - len(values))
    except errors.QueryFailed as error:
        return {"failed": question.reason(error), "query": query}
    return {"rows": rows, "query": query, "values": values}


def checks(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> list[Check]:
    """Returns one check per foreign key: no row points nowhere that did not before.

    Args:
        before: as ``count`` returned it before the change.
        after: the same, now.
    """
    return [_check(name, before.get(name, {}), found) for name, found in after.items()]


def _check(name: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Check:
    child, _, parent = name.partition(" -> ")
    title = f"every {child} is in {parent}"
    subject, query = child.partition(" (")[0], str(now.get("query", ""))
    if "failed" in now:
        return Check(
            name=title,
            subject=subject,
            outcome=Outcome.UNVERIFIED,
            why=str(now["failed"]),
            next="If its time ran out, raise limits.check_timeout_s in alembook.toml; then verify again.",
            query=query,
        )
    rows, was = int(now["rows"]), int(then.get("rows", 0))
    if rows and "failed" in then:
        return Check(
            name=title,
            subject=subject,
            outcome=Outcome.UNVERIFIED,
            expected="no row more than before",
            found=_found(rows),
            why=f"nobody knows how many there were before the change: {then['failed']}",
            next="Count them with the query in the restored backup: what is there as well is not the run's.",
            query=query,
        )
    is_old = 0 < rows <= was
    shown = f"; they point at {', '.join(map(str, now['values']))}" if now.get("values") else ""
    return Check(
        name=title,
        subject=subject,
        grade=Grade.SHOULD if is_old else Grade.MUST,
        outcome=Outcome.FAILED if rows else Outcome.PASSED,
        expected=f"no row more than the {rows_text(was)} before" if was else "no row",
        found=_found(rows),
        why=("it was so before the change" if is_old else f"rows that point at nothing{shown}") if rows else "",
        next="Find the rows with the query, and give them their parents back or remove them." if rows else "",
        query=query,
    )


def _found(rows: int) -> str:
    if rows > COUNTED_ROWS:
        return f"more than {COUNTED_ROWS:,} rows"
    return rows_text(rows) if rows else "no row"
