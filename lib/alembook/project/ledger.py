"""The ledger of applied revisions that a target may keep in a schema of its own."""

from __future__ import annotations

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements

_APPLIED = "SELECT revision FROM {table} WHERE run_id = %(run_id)s"
_COMPLETE = """SELECT EXISTS (SELECT FROM pg_attribute
 WHERE attrelid = to_regclass(%(name)s) AND attname = 'changes' AND NOT attisdropped)"""
_NO_RIGHT = "SQLSTATE 42501"


def prepare(connection: connections.Connection, schema: str) -> None:
    """Makes schema, table and column where they are missing; does nothing where they are there.

    Args:
        connection: to the target, writing.
        schema: name of the schema.

    Raises:
        errors.AccessRefused: the role may not create it.
    """
    table = sql.Identifier(schema, "applied")
    if connections.scalar(connection, _COMPLETE, {"name": table.as_string(connection)}):
        return
    statement = sql.SQL(statements.load(__package__, "ledger.sql")).format(schema=sql.Identifier(schema))
    try:
        connections.execute(connection, statement)
    except errors.QueryFailed as error:
        if not error.why.startswith(_NO_RIGHT):
            raise
        raise errors.AccessRefused(
            f"The schema {schema} for the record of applied revisions cannot be made.",
            why=f"the role lacks the right: {error.what}",
            next=(
                f"Have the owner run: CREATE SCHEMA {schema} AUTHORIZATION <role>. Or set ledger = false for this "
                "target: nothing is kept in the database then."
            ),
        ) from error


def applied(connection: connections.Connection, schema: str | None, run_id: str) -> set[str]:
    """Returns the revisions a run committed, by the ledger; none where there is no ledger.

    Args:
        connection: to the target.
        schema: name of the schema; None = the target keeps nothing.
        run_id: the run.
    """
    if not schema:
        return set()
    table = sql.Identifier(schema, "applied")
    if connections.scalar(connection, "SELECT to_regclass(%(name)s)", {"name": table.as_string(connection)}) is None:
        return set()
    rows = connections.rows(connection, sql.SQL(_APPLIED).format(table=table), {"run_id": run_id})
    return {row["revision"] for row in rows}
