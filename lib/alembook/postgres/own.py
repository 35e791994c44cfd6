"""What belongs to a database and not to anything in it: owner, rights, settings, comment. No dump restores it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import statements

#: Settings whose value is a list of names, each quoted by itself (PostgreSQL, guc.c: GUC_LIST_QUOTE).
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
    }
)
_ENTRY = re.compile(r'"((?:[^"]|"")*)"|([^",\s]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a database has of its own, as the server's shared catalogues have it.

    Attributes:
        oid: of the database.
        owner: role.
        tablespace: its default one.
        connection_limit: -1 is none.
        is_template: anybody with CREATEDB may copy it.
        allows_connections: whether anybody may connect.
        comment: "" without one.
        rights: (grantee, "" = PUBLIC; privilege; whether it may be granted on).
        settings: (role, "" = every; "name=value"), in the order of the catalogue.
        labels: security labels, "provider label".
    """

    oid: int
    owner: str
    tablespace: str
    connection_limit: int
    is_template: bool
    allows_connections: bool
    comment: str
    rights: frozenset[tuple[str, str, bool]]
    settings: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]

    def differences(self, other: Own) -> list[str]:
        """Returns what another database has otherwise, in words; identity and whether it is open do not count."""
        found = [
            f"{name.replace('_', ' ')}: {getattr(self, name)} instead of {getattr(other, name)}"
            for name in ("owner", "tablespace", "connection_limit", "is_template")
            if getattr(self, name) != getattr(other, name)
        ]
        found += [f"the right {_right(each)}" for each in sorted(self.rights ^ other.rights)]
        found += [f"the setting {_setting(each)}" for each in sorted(set(self.settings) ^ set(other.settings))]
        found += [f"the security label {each}" for each in sorted(set(self.labels) ^ set(other.labels))]
        return found + (["the comment"] if self.comment != other.comment else [])


def _right(right: tuple[str, str, bool]) -> str:
    grantee, privilege, is_grantable = right
    return f"{privilege} of {grantee or 'PUBLIC'}{' WITH GRANT OPTION' if is_grantable else ''}"


def _setting(setting: tuple[str, str]) -> str:
    return f"{setting[1]}{f' of {setting[0]}' if setting[0] else ''}"


def read(connection: connections.Connection, name: str) -> Own | None:
    """Returns what a database of the connection's server has of its own; None when there is no such database."""
    found = connections.rows(connection, statements.load(__package__, "database.sql"), {"name": name})
    if not found:
        return None
    row: Mapping[str, Any] = found[0]
    rights = frozenset((each["grantee"], each["privilege"], each["is_grantable"]) for each in row["rights"])
    settings = tuple((each["role"], each["setting"]) for each in row["settings"])
    return Own(**{**row, "rights": rights, "settings": settings, "labels": tuple(row["labels"])})


def carry_over(connection: connections.Connection, wanted: Own, name: str) -> None:
    """Gives a database what another one has of its own: settings of the database and of roles in it, rights, comment.

    All of it or nothing, in one transaction. Owner and tablespace are given when a database is made; security labels
    are not carried over.

    Args:
        connection: to another database of the server, outside a transaction.
        wanted: what the other one has.
        name: of the database that gets it.

    Raises:
        errors.QueryFailed: the role may not set one of them; nothing is changed.
    """
    now = read(connection, name)
    connections.execute(connection, "BEGIN")
    try:
        for statement in _statements(wanted, now, sql.Identifier(name)) if now else ():
            connections.execute(connection, statement)
    except BaseException:
        if not connection.closed:
            connections.execute(connection, "ROLLBACK")
        raise
    connections.execute(connection, "COMMIT")


def _statements(wanted: Own, now: Own, name: sql.Identifier) -> Iterator[sql.Composable]:
    yield sql.SQL("ALTER DATABASE {} RESET ALL").format(name)
    for role, setting in wanted.settings:
        given, _, value = setting.partition("=")
        whose = sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(role), name) if role else None
        yield sql.SQL("ALTER {} SET {} TO {}").format(
            whose or sql.SQL("DATABASE {}").format(name), _parameter(given), _value(given, value)
        )
    for grantee, privilege, _ in sorted(now.rights - wanted.rights):
        yield sql.SQL("REVOKE {} ON DATABASE {} FROM {}").format(sql.SQL(privilege), name, _grantee(grantee))
    for grantee, privilege, is_grantable in sorted(wanted.rights - now.rights):
        option = sql.SQL(" WITH GRANT OPTION" if is_grantable else "")
        grant = sql.SQL("GRANT {} ON DATABASE {} TO {}{}")
        yield grant.format(sql.SQL(privilege), name, _grantee(grantee), option)
    yield sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(wanted.comment or None))
    if wanted.connection_limit != now.connection_limit:
        limit = sql.Literal(wanted.connection_limit)
        yield sql.SQL("ALTER DATABASE {} WITH CONNECTION LIMIT {}").format(name, limit)
    if wanted.is_template != now.is_template:
        yield sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE {}").format(name, sql.Literal(wanted.is_template))


def _parameter(name: str) -> sql.Composable:
    return sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))


def _value(name: str, value: str) -> sql.Composable:
    if name not in _LISTS:
        return sql.Literal(value)
    entries = [quoted.replace('""', '"') if quoted else bare for quoted, bare in _ENTRY.findall(value)]
    return sql.SQL(", ").join(map(sql.Literal, entries or [""]))


def _grantee(role: str) -> sql.Composable:
    return sql.Identifier(role) if role else sql.SQL("PUBLIC")
