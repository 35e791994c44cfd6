"""Which server and database a connection reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from alembook.postgres import connection as connections
from alembook.postgres import statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which server and database a connection reached, as the server itself says.

    A physical clone has the same ``system_identifier`` and ``database_oid``: identity alone does not tell staging from
    production; the session's nonce does (see ``session``).

    Attributes:
        version: "18.4".
        version_num: 180004.
        system_identifier: of the cluster; "" where the role may not read it.
        database: name.
        database_oid: oid in ``pg_database``.
        user: role.
        address: "" over a unix socket.
        port: 0 over a unix socket.
        in_recovery: True on a standby.
        server_time: the server's clock.
        encoding: of the database.
        collation: of the database.
    """

    version: str
    version_num: int
    system_identifier: str
    database: str
    database_oid: int
    user: str
    address: str
    port: int
    in_recovery: bool
    server_time: datetime
    encoding: str
    collation: str

    def fixed(self) -> dict[str, Any]:
        """Returns what must not change between plan and upgrade: everything but the clock and the role."""
        return {k: v for k, v in asdict(self).items() if k not in {"server_time", "user", "in_recovery"}}


def read(connection: connections.Connection) -> Identity:
    """Returns the identity behind a connection.

    Raises:
        errors.QueryFailed: when the server refuses to say.
    """
    row = connections.rows(connection, statements.load(__package__, "identity.sql"))[0]
    row["address"] = row["address"] or ""
    row["port"] = row["port"] or 0
    return Identity(**row, system_identifier=_system_identifier(connection))


def _system_identifier(connection: connections.Connection) -> str:
    """Returns the cluster's identifier; "" for a role without EXECUTE on ``pg_control_system``."""
    allowed = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
    if not connections.scalar(connection, allowed):
        return ""
    return str(connections.scalar(connection, "SELECT system_identifier FROM pg_control_system()"))
