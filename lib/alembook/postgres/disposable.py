"""Databases that Alembook made for itself and may make again: they carry a comment that says so."""

from __future__ import annotations

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database

_MARK = "made by alembook, may be dropped by alembook"
_UNFINISHED = "_unfinished_by_alembook"
_ROOM = 63 - len(_UNFINISHED)  # of a name, in bytes
_STATEMENTS = (
    "DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)",
    "CREATE DATABASE {unfinished}",
    "COMMENT ON DATABASE {unfinished} IS {mark}",
    "DROP DATABASE IF EXISTS {name} WITH (FORCE)",
    "ALTER DATABASE {unfinished} RENAME TO {name}",
)
_COMMENT = """
    SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %(name)s
"""
#: Whether the database of the connection holds anything: initdb's own objects have oids below 16384.
_IS_EMPTY = """
    SELECT NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)
       AND NOT EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384)
       AND NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
"""


def make(server: Database, name: str) -> Database:
    """Returns a new, empty database; one of the same name that Alembook made before, or an empty one, is dropped first.

    Under its name the database is there marked or not at all: it is made under another one, which tells what it is.

    Args:
        server: any database of the server, with a role that may create databases.
        name: of the database.

    Raises:
        errors.ConfigurationError: a database of that name holds something and was not made by Alembook.
        errors.QueryFailed: the role may not create or drop it.
    """
    unfinished = name.encode()[:_ROOM].decode(errors="ignore") + _UNFINISHED
    names = {"name": sql.Identifier(name), "unfinished": sql.Identifier(unfinished), "mark": sql.Literal(_MARK)}
    with connections.closing(
        connections.connect(server, application_name="alembook disposable", may_write=True)
    ) as connection:
        comment = connections.scalar(connection, _COMMENT, {"name": name})
        if comment not in {None, _MARK} and not _is_empty(server.with_dbname(name)):
            raise errors.ConfigurationError(
                f"The database {name} exists and was not made by this command.",
                why="it does not carry the comment that marks databases which may be made anew.",
                next='Give the target another name, for instance database = "embedded:demo".',
            )
        for statement in _STATEMENTS:
            connections.execute(connection, sql.SQL(statement).format(**names))
    return server.with_dbname(name)


def _is_empty(database: Database) -> bool:
    with connections.closing(connections.connect(database, application_name="alembook disposable")) as connection:
        return bool(connections.scalar(connection, _IS_EMPTY))
