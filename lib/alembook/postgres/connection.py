"""Where a database is, and how Alembook connects to it and asks it things.

All connections are psycopg2, in autocommit mode; a transaction is opened with ``BEGIN`` where one is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extensions

from alembook import errors
from alembook.postgres.faults import connect_failed, query_failed
from alembook.postgres.waiting import interrupt, interruptible

__all__ = [
    "Connection",
    "Database",
    "closing",
    "connect",
    "execute",
    "interruptible",
    "query_failed",
    "rows",
    "scalar",
    "tuples",
]

Connection = psycopg2.extensions.connection

#: libpq parameter -> environment variable, for client programs (PostgreSQL manual, 34.15).
_VARIABLES = {
    "channel_binding": "PGCHANNELBINDING",
    "client_encoding": "PGCLIENTENCODING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "gssdelegation": "PGGSSDELEGATION",
    "gssencmode": "PGGSSENCMODE",
    "gsslib": "PGGSSLIB",
    "hostaddr": "PGHOSTADDR",
    "krbsrvname": "PGKRBSRVNAME",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "port": "PGPORT",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "service": "PGSERVICE",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "sslcert": "PGSSLCERT",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslsni": "PGSSLSNI",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_URL = re.compile(r"(?P<engine>[A-Za-z]\w*)(\+(?P<driver>\w+))?://")
_CONNECT_TIMEOUT_S = "10"
#: A role's or a database's limits for its sessions would end ours between two steps, or a query over a large table
#: (PostgreSQL manual, 19.11.1 Statement Behavior): parameter -> the version that has it.
_UNLIMITED = {
    "statement_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
    "idle_session_timeout": 140_000,
    "transaction_timeout": 170_000,
}
_KEEPALIVE_S = "30"
_SET = """
    SELECT set_config(name, value, false)
      FROM unnest(%(names)s::text[], %(values)s::text[]) AS wanted (name, value)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where a database is. Password and parameters, which may hold one, are left out of ``repr``.

    Attributes:
        host: name, address or the folder of a unix socket, several with commas between; "" leaves it to libpq.
        port: 0 leaves it to libpq; several of them are a parameter.
        user: role; "" leaves it to libpq.
        password: "" when none is needed or a passfile has it.
        dbname: name of the database; "" leaves it to libpq.
        parameters: further libpq parameters (sslmode, service, ...).
        driver: the SQLAlchemy driver the reference named itself ("asyncpg"); "" when it named none.
    """

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    dbname: str = ""
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    driver: str = ""

    @classmethod
    def parse(cls, text: str) -> Database:
        """Returns the database a URL or a libpq connection string names.

        Args:
            text: ``postgresql://``, ``postgres://``, either with a SQLAlchemy driver (``postgresql+asyncpg://``), or
                libpq's ``key=value`` form.

        Raises:
            errors.ConfigurationError: when libpq cannot read it; the text itself is never repeated.
        """
        text = text.strip()
        found = _URL.match(text)
        if found and found["engine"] not in {"postgresql", "postgres"}:
            raise errors.ConfigurationError(
                f"The database reference names {found['engine']}, not PostgreSQL.",
                why="Alembook migrates PostgreSQL 14 or newer and no other engine.",
                next="Point the target at a postgresql:// URL.",
            )
        parts = _parts(_as_libpq(text[found.end() :]) if found else text)
        port = 0 if "," in parts.get("port", "") else int(parts.pop("port", "") or 0)
        known = {name: parts.pop(name, "") for name in ("host", "user", "password", "dbname")}
        driver = (found and found["driver"]) or ""
        return cls(**known, port=port, parameters=MappingProxyType(parts), driver=driver)

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
            driver: e.g. "asyncpg"; "libpq" for no driver at all, as libpq writes it; the reference's own driver, else
                psycopg2, when not given.
        """
        credentials = quote(self.user, safe="")
        if self.password:
            credentials += ":" + quote(self.password, safe="")
        driver, place, query = driver or self.driver or "psycopg2", self._place(), dict(self.parameters)
        if self.host.startswith("/") or "," in self.host:
            query = {"host": self.host, **({"port": str(self.port)} if self.port else {}), **query}
            place = ""
        if driver == "asyncpg" and "sslmode" in query:
            query["ssl"] = query.pop("sslmode")
        scheme = "postgresql" if driver == "libpq" else f"postgresql+{driver}"
        text = f"{scheme}://{credentials}{'@' if credentials else ''}{place}"
        encoded = urlencode(query, quote_via=quote)
        return f"{text}/{quote(self.dbname, safe='')}" + (f"?{encoded}" if encoded else "")

    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host + (f":{self.port}" if self.port else "")

    def label(self) -> str:
        """Returns what a person is shown: role, place and name, never the password."""
        place = self._place() or self.parameters.get("service", "") or "default host"
        return f"{self.user or 'default role'}@{place}/{self.dbname or 'default database'}"

    def is_local(self) -> bool:
        """Says whether the server is reached over a unix socket or loopback, where SSL has no part."""
        return self.host.startswith("/") or self.host in {"localhost", "127.0.0.1", "::1"}

    def with_dbname(self, dbname: str) -> Database:
        """Returns another database of the same server."""
        return replace(self, dbname=dbname)

    def environment(self, settings: Mapping[str, str] | None = None) -> dict[str, str]:
        """Returns the PG* variables that take a client program to this database: no secret in its arguments.

        Args:
            settings: run-time parameters of its sessions (name -> value), without spaces.
        """
        named = {"PGHOST": self.host, "PGPORT": str(self.port or ""), "PGUSER": self.user, "PGPASSWORD": self.password}
        rest = {_VARIABLES[name]: value for name, value in self.parameters.items() if name in _VARIABLES}
        options = [rest.get("PGOPTIONS", ""), *(f"-c {name}={value}" for name, value in (settings or {}).items())]
        rest["PGOPTIONS"] = " ".join(options).strip()
        wanted = {"PGCONNECT_TIMEOUT": _CONNECT_TIMEOUT_S, **named, "PGDATABASE": self.dbname, **rest}
        return {name: value for name, value in wanted.items() if value}


def _parts(conninfo: str) -> dict[str, str]:
    """Returns libpq's reading of a URL or connection string; ports are numbers."""
    try:
        parts: dict[str, str] = psycopg2.extensions.parse_dsn(conninfo)
        is_read = all(not port or port.isdecimal() for port in parts.get("port", "").split(","))
    except psycopg2.ProgrammingError:  # its text repeats ours, so it is no cause of the error below
        is_read = False
    if not is_read:
        raise errors.ConfigurationError(
            "The database reference is not a PostgreSQL URL or connection string.",
            why="libpq could not read it; its text is not shown because it may hold a password.",
            next="Write postgresql://user@host:5432/name, with special characters of the password %-encoded.",
        )
    return parts


def _as_libpq(rest: str) -> str:
    """Returns a URL, given without its scheme, as libpq spells it: asyncpg's and pg8000's "ssl" is "sslmode"."""
    return "postgresql://" + re.sub(r"([?&])ssl=(?=disable|allow|prefer|require|verify-)", r"\1sslmode=", rest)


def connect(
    database: Database,
    *,
    application_name: str,
    read_only: bool = False,
    may_write: bool = False,
    settings: Mapping[str, str] | None = None,
) -> Connection:
    """Returns a new connection in autocommit mode, which no time limit of its role or database ends.

    Its texts are in UTF-8 whatever the database's encoding is: psycopg2 does not quote every name right in another one.

    Args:
        database: where; a client_encoding among its parameters is for other programs.
        application_name: what ``pg_stat_activity`` shows; starts with ``alembook``.
        read_only: every transaction of the session is read-only.
        may_write: none is, whatever the role's or the database's default: for what makes, renames and drops databases.
            Without either the default holds.
        settings: run-time parameters set right after connecting (name -> value).

    Raises:
        errors.AccessRefused: the server answered: wrong password, unknown role or database, no right to connect.
        errors.Unreachable: no server answered, or it takes no connections now.
        errors.ConfigurationError: libpq cannot use one of the parameters.
        errors.PoolerRefused: a pooler answered; nothing was set.
        errors.QueryFailed: the server knows no such setting.
    """
    try:
        connection = psycopg2.connect(database.conninfo(), application_name=application_name, client_encoding="UTF8")
    except psycopg2.OperationalError as error:
        raise connect_failed(database.label(), database.password, error) from error
    connection.autocommit = True
    wanted = {name: "0" for name, since in _UNLIMITED.items() if connection.server_version >= since}
    wanted |= {"tcp_keepalives_idle": _KEEPALIVE_S}
    wanted |= {"default_transaction_read_only": "on" if read_only else "off"} if read_only or may_write else {}
    wanted |= settings or {}
    try:
        _refuse_pooler(connection, database)
        execute(connection, _SET, {"names": list(wanted), "values": list(wanted.values())})
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_pooler(connection: Connection, database: Database) -> None:
    """Compares libpq's backend pid with the server's, before anything is set or locked."""
    if connection.info.backend_pid != scalar(connection, "SELECT pg_backend_pid()"):
        raise errors.PoolerRefused(
            f"A connection pooler stands between Alembook and {database.label()}.",
            why="in transaction mode it hands settings and locks of one client to another.",
            next="Set `direct` of this target in alembook.toml to the server itself.",
            state="unchanged: nothing was set or locked.",
        )


@contextmanager
def closing(connection: Connection) -> Iterator[Connection]:
    """Gives a connection and closes it at the end (psycopg2's own context manager only ends a transaction)."""
    try:
        yield connection
    finally:
        connection.close()


def rows(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Returns the rows of a query, column name -> value.

    Raises:
        errors.QueryFailed: the server refused it, or the connection was lost; SQLSTATE and message are kept, DETAIL is
            dropped.
    """
    with _cursor(connection) as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tuples(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """Returns the rows of a query as tuples: for many rows, or columns without names. Raises as ``rows``."""
    with _cursor(connection) as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def scalar(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> Any:
    """Returns the first value of the first row, or None when there is no row. Raises as ``rows``."""
    with _cursor(connection) as cursor:
        cursor.execute(sql, parameters)
        row: Sequence[Any] | None = cursor.fetchone()
    return None if row is None else row[0]


def execute(connection: Connection, sql: Any, parameters: Mapping[str, Any] | None = None) -> int:
    """Executes a statement and returns its row count (-1 where the server gives none). Raises as ``rows``."""
    with _cursor(connection) as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


@contextmanager
def _cursor(connection: Connection) -> Iterator[Any]:
    try:
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        interrupt()
        raise query_failed(error) from error
    if kept := interrupt():
        raise kept
