"""Databases that Alembook made for itself and may make again: they carry a comment that says so."""

from __future__ import annotations

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database

_MARK = "made by alembook, may be dropped by alembook"
_COMMENT = """
    SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %(name)s
"""


def make(server: Database, name: str) -> Database:
    """Returns a new, empty database; one of the same name that Alembook made before is dropped first.

    Args:
        server: any database of the server, with a role that may create databases.
        name: of the database.

    Raises:
        errors.ConfigurationError: a database of that name exists and was not made by Alembook.
        errors.QueryFailed: the role may not create or drop it.
    """
    identifier = sql.Identifier(name)
    with connections.closing(connections.connect(server, application_name="alembook disposable")) as connection:
        comment = connections.scalar(connection, _COMMENT, {"name": name})
        if comment is not None and comment != _MARK:
            raise errors.ConfigurationError(
                f"The database {name} exists and was not made by this command.",
                why="it does not carry the comment that marks databases which may be made anew.",
                next="Give the target another name, for instance database = \"embedded:demo\".",
            )
        connections.execute(connection, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        connections.execute(connection, sql.SQL("CREATE DATABASE {}").format(identifier))
        connections.execute(
            connection, sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, sql.Literal(_MARK))
        )
    return server.with_dbname(name)
