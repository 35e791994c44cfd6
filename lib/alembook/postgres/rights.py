"""What of a database a role could not give to a copy of it: found before the way back needs it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from alembook.postgres import connection as connections
from alembook.postgres import statements

#: From this version on a role may be granted the right to set one parameter (PostgreSQL manual, GRANT).
_GRANTS_PARAMETERS = 150_000
_MAY_SET = "SELECT has_parameter_privilege(%(name)s, 'SET')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What a role could not give to a copy of a database.

    Attributes:
        owners: role it cannot take -> what belongs to it, in words.
        extensions: that only a superuser makes.
        settings: of the database, or of roles in it, that it may not set.
    """

    owners: dict[str, str]
    extensions: tuple[str, ...]
    settings: tuple[str, ...]


def lacking(connection: connections.Connection) -> Lacking:
    """Returns what the role of a connection could not give to a copy of its database.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    found = connections.rows(connection, statements.load(__package__, "rights.sql"), {})
    settings = [row["name"] for row in found if row["kind"] == "setting"]
    if connection.server_version >= _GRANTS_PARAMETERS:
        settings = [name for name in settings if not connections.scalar(connection, _MAY_SET, {"name": name})]
    return Lacking(
        owners={row["name"]: row["detail"] for row in found if row["kind"] == "owner"},
        extensions=tuple(row["name"] for row in found if row["kind"] == "extension"),
        settings=tuple(settings),
    )
