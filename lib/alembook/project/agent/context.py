"""What a migration context and its connection say, once env.py has made them."""

from __future__ import annotations

from typing import Any, Dict, Optional, Set

from .door import Door, literal, raw, rows
from .environment import driver, versions

#: Returns: lock_timeout as the server shows it, the schema unqualified names are created in.
LIMITS = "SELECT current_setting('lock_timeout'), current_schema()"
#: Parameters: a quoted name. Returns: the schema a table is found in by this search_path, or no row.
FOUND_IN = """SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass({name})"""
#: Returns: a name of the current transaction, another one in the next. Assigns no transaction id.
TRANSACTION = """SELECT virtualtransaction FROM pg_locks
 WHERE locktype = 'virtualxid' AND pid = pg_backend_pid() AND granted"""


def facts(context: Any, door: Door) -> Dict[str, Any]:
    """Returns where the project connected and how it works there, asked on its own connection.

    Keys: reached, lock_timeout, version_table, version_table_schema (where it is, or would be created), mode, versions.
    """
    dbapi = raw(context.connection)
    lock_timeout, created_in = rows(dbapi, LIMITS)[0]
    return {
        "reached": door.reached(dbapi),
        "lock_timeout": lock_timeout,
        "version_table": context.version_table,
        "version_table_schema": context.version_table_schema or _found_in(context, dbapi) or created_in,
        "mode": mode(context),
        "versions": dict(versions(), driver=driver(context.connection.dialect)),
    }


def _found_in(context: Any, dbapi: Any) -> Optional[str]:
    quoted = context.connection.dialect.identifier_preparer.quote(context.version_table)
    found = rows(dbapi, FOUND_IN.format(name=literal(quoted)))
    return str(found[0][0]) if found else None


def mode(context: Any) -> str:
    """Returns who ends transactions: "revision" (Alembic, one each), "external" (env.py) or "autocommit" (nobody)."""
    names: Set[str] = {rows(raw(context.connection), TRANSACTION)[0][0] for _ in range(2)}
    if len(names) > 1:
        return "autocommit"
    return "external" if context._in_external_transaction else "revision"
