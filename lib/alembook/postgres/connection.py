"""Where a database is, and how Alembook connects to it and asks it things.

All connections are psycopg2, in autocommit mode; a transaction is opened with ``BEGIN`` where one is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extensions
import psycopg2.extras

from alembook import errors

Connection = psycopg2.extensions.connection

#: libpq parameter -> environment variable, for client programs (PostgreSQL manual, 34.15).
_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "passfile": "PGPASSFILE",
}
_CONNECT_TIMEOUT_S = "10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where a database is. The password is left out of ``repr``.

    Attributes:
        host: name, address or the folder of a unix socket; "" leaves it to libpq.
        port: 0 leaves it to libpq.
        user: role; "" leaves it to libpq.
        password: "" when none is needed or a passfile has it.
        dbname: name of the database; "" leaves it to libpq.
        parameters: further libpq parameters (sslmode, service, ...).
        driver: the SQLAlchemy driver the reference named itself ("asyncpg"), or psycopg2.
    """

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    dbname: str = ""
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    driver: str = "psycopg2"

    @classmethod
    def parse(cls, text: str) -> Database:
        """Returns the database a URL or a libpq connection string names.

        Args:
            text: ``postgresql://``, ``postgres://``, either with a SQLAlchemy driver (``postgresql+asyncpg://``), or
                libpq's ``key=value`` form.

        Raises:
            errors.ConfigurationError: when libpq cannot read it; the text itself is never repeated.
        """
        scheme, separator, rest = text.strip().partition("://")
        driver = scheme.partition("+")[2]
        conninfo = f"postgresql://{rest}" if separator else scheme
        try:
            parts = psycopg2.extensions.parse_dsn(conninfo)
            port = int(parts.pop("port", 0) or 0)
        except (psycopg2.ProgrammingError, ValueError) as error:
            raise errors.ConfigurationError(
                "The database reference is not a PostgreSQL URL or connection string.",
                why="libpq could not read it; its text is not shown because it may hold a password.",
                next="Write postgresql://user@host:5432/name, with special characters of the password %-encoded.",
            ) from error
        if separator and scheme.partition("+")[0] not in {"postgresql", "postgres"}:
            raise errors.ConfigurationError(
                f"The database reference names {scheme.partition('+')[0]}, not PostgreSQL.",
                why="Alembook migrates PostgreSQL 14 or newer and no other engine.",
                next="Point the target at a postgresql:// URL.",
            )
        known = {name: parts.pop(name, "") for name in ("host", "user", "password", "dbname")}
        return cls(**known, port=port, parameters=MappingProxyType(parts), driver=driver or "psycopg2")

    def conninfo(self) -> str:
        """Returns the libpq connection string, password included."""
        return str(psycopg2.extensions.make_dsn(**self._named()))

    def _named(self) -> dict[str, Any]:
        parts = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        named = {"connect_timeout": _CONNECT_TIMEOUT_S, **parts, "dbname": self.dbname, **self.parameters}
        return {name: value for name, value in named.items() if value}

    def url(self, driver: str | None = None) -> str:
        """Returns the SQLAlchemy URL, password included.

        Args:
            driver: e.g. "asyncpg"; the reference's own driver, else psycopg2, when not given.
        """
        credentials = quote(self.user, safe="")
        if self.password:
            credentials += ":" + quote(self.password, safe="")
        query = dict(self.parameters)
        is_socket = self.host.startswith("/")
        if is_socket:
            query = {"host": self.host, **({"port": str(self.port)} if self.port else {}), **query}
        place = "" if is_socket else self.host + (f":{self.port}" if self.port else "")
        text = f"postgresql+{driver or self.driver}://{credentials}{'@' if credentials or place else ''}{place}"
        return f"{text}/{quote(self.dbname, safe='')}" + (f"?{urlencode(query)}" if query else "")

    def label(self) -> str:
        """Returns what a person is shown: role, place and name, never the password."""
        place = self.host or self.parameters.get("service", "") or "default host"
        return f"{self.user or 'default role'}@{place}{f':{self.port}' if self.port else ''}/{self.dbname}"

    def is_local(self) -> bool:
        """Says whether the server is reached over a unix socket or loopback, where SSL has no part."""
        return self.host.startswith("/") or self.host in {"localhost", "127.0.0.1", "::1"}

    def with_dbname(self, dbname: str) -> Database:
        """Returns another database of the same server."""
        return replace(self, dbname=dbname)

    def environment(self) -> dict[str, str]:
        """Returns the PG* variables that take a client program to this database: no secret in its arguments."""
        named = {"PGHOST": self.host, "PGPORT": str(self.port or ""), "PGUSER": self.user, "PGPASSWORD": self.password}
        rest = {_VARIABLES[name]: value for name, value in self.parameters.items() if name in _VARIABLES}
        wanted = {"PGCONNECT_TIMEOUT": _CONNECT_TIMEOUT_S, **named, "PGDATABASE": self.dbname, **rest}
        return {name: value for name, value in wanted.items() if value}


def connect(
    database: Database,
    *,
    application_name: str,
    read_only: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Connection:
    """Returns a new connection in autocommit mode.

    Args:
        database: where.
        application_name: what ``pg_stat_activity`` shows; starts with ``alembook``.
        read_only: every transaction of the session is read-only.
        settings: run-time parameters set right after connecting (name -> value).

    Raises:
        errors.AccessRefused: the server answered: wrong password, unknown role or database, no right to connect.
        errors.Unreachable: no server answered, or it is starting up or shutting down.
    """
    try:
        connection = psycopg2.connect(database.conninfo(), application_name=application_name)
    except psycopg2.OperationalError as error:
        raise _refused(database, error) from error
    connection.autocommit = True
    wanted = {"default_transaction_read_only": "on"} if read_only else {}
    for name, value in {**wanted, **(settings or {})}.items():
        execute(connection, "SELECT set_config(%(name)s, %(value)s, false)", {"name": name, "value": value})
    return connection


@contextmanager
def closing(connection: Connection) -> Iterator[Connection]:
    """Gives a connection and closes it at the end (psycopg2's own context manager only ends a transaction)."""
    try:
        yield connection
    finally:
        connection.close()


#: What libpq's text holds when the server was there and said no (psycopg2 has no SQLSTATE for a failed connect).
_REFUSALS = {
    "password authentication failed": "the password or the role is wrong",
    "no password supplied": "the server wants a password and the reference has none",
    "does not exist": "the server has no such role or database",
    "no pg_hba.conf entry": "the server's pg_hba.conf lets nobody in from here with this role",
    "permission denied for database": "the role may not connect to this database",
    "is not permitted to log in": "the role may not log in",
    "peer authentication failed": "the server wants the operating system user to be the role",
    "not currently accepting connections": "the database does not accept connections (ALLOW_CONNECTIONS false)",
}


def _refused(database: Database, error: psycopg2.OperationalError) -> errors.AlembookError:
    text = _without_secret(str(error), database)
    cause = next((meaning for part, meaning in _REFUSALS.items() if part in text), "")
    if cause:
        return errors.AccessRefused(
            f"The server refused the connection to {database.label()}.",
            why=f"{cause}.",
            next="Correct the reference of the target in alembook.toml, or what it points to.",
            evidence={"libpq said": text},
        )
    return errors.Unreachable(
        f"No server answered for {database.label()}.",
        why="the server is down, still starting, or the address is wrong.",
        next="Start the server or correct the reference of the target; nothing was done yet.",
        state="unchanged: no connection was made.",
        evidence={"libpq said": text},
    )


def _without_secret(text: str, database: Database) -> str:
    return text.replace(database.password, "***").strip() if database.password else text.strip()


def rows(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Returns the rows of a query, column name -> value.

    Raises:
        errors.QueryFailed: the server refused it; SQLSTATE and message are kept, DETAIL is dropped.
    """
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        _send(cursor, sql, parameters)
        return [dict(row) for row in cursor.fetchall()]


def scalar(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> Any:
    """Returns the first value of the first row, or None when there is no row. Raises as ``rows``."""
    with connection.cursor() as cursor:
        _send(cursor, sql, parameters)
        row: Sequence[Any] | None = cursor.fetchone()
    return None if row is None else row[0]


def execute(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> int:
    """Executes a statement and returns its row count (-1 where the server gives none). Raises as ``rows``."""
    with connection.cursor() as cursor:
        _send(cursor, sql, parameters)
        return cursor.rowcount


def _send(cursor: psycopg2.extensions.cursor, sql: Any, parameters: Mapping[str, Any] | None) -> None:
    try:
        cursor.execute(sql, parameters)
    except psycopg2.Error as error:
        raise query_failed(error) from error


def query_failed(error: psycopg2.Error) -> errors.QueryFailed:
    """Returns our error for the server's: SQLSTATE, primary message and names; never DETAIL, which shows rows."""
    diagnostics = error.diag
    message = diagnostics.message_primary or type(error).__name__
    names = {
        title: value
        for title, value in {
            "constraint": diagnostics.constraint_name,
            "table": diagnostics.table_name,
            "column": diagnostics.column_name,
        }.items()
        if value
    }
    return errors.QueryFailed(
        f"The server refused a query: {message}.",
        why=f"SQLSTATE {error.pgcode or 'none (the connection was lost)'}.",
        evidence=names,
    )
