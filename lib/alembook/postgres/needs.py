"""What a database uses that another server must have, before a dump of it can be restored there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import identity, statements

_ICU = "i"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a database uses.

    Attributes:
        version_num: of its server, 180004.
        server: which server that is, and since when it runs; see ``server_of``.
        encoding: "UTF8".
        provider: of its collation: c (libc), i (ICU) or b (builtin).
        collate: LC_COLLATE.
        ctype: LC_CTYPE.
        locale: of ICU or builtin; "" for libc.
        icu_rules: "" without.
        extensions: name -> version.
        collations: ready-made ones that its columns use, name -> provider.
        makes_icu: it has collations of its own made with ICU.
        tablespaces: those it lies in besides the server's own.
        roles: of the server.
        settings: of the database, "name=value".
    """

    version_num: int
    server: tuple[str, str]
    encoding: str
    provider: str
    collate: str
    ctype: str
    locale: str
    icu_rules: str
    extensions: Mapping[str, str]
    collations: Mapping[str, str]
    makes_icu: bool
    tablespaces: tuple[str, ...]
    roles: tuple[str, ...]
    settings: tuple[str, ...]

    @property
    def major(self) -> int:
        """Returns 18 for 18.4."""
        return self.version_num // 10_000

    @property
    def uses_icu(self) -> bool:
        """Says whether the server must be built with ICU."""
        return self.provider == _ICU or self.makes_icu or _ICU in self.collations.values()

    def creation(self, name: str, *, major: int) -> sql.Composed:
        """Returns the statement that makes an empty database like this one, whatever the server's default is.

        Args:
            name: of the database.
            major: version of the server; 14 does not know providers.
        """
        options = {"TEMPLATE": "template0", "ENCODING": self.encoding}
        options |= {"LC_COLLATE": self.collate, "LC_CTYPE": self.ctype}
        if self.provider == _ICU:
            options |= {"LOCALE_PROVIDER": "icu", "ICU_LOCALE": self.locale}
            options |= {"ICU_RULES": self.icu_rules} if self.icu_rules else {}
        elif self.provider == "b":
            options |= {"LOCALE_PROVIDER": "builtin", "BUILTIN_LOCALE": self.locale}
        elif major > 14:
            options |= {"LOCALE_PROVIDER": "libc"}
        written = [sql.SQL("{} {}").format(sql.SQL(key), sql.Literal(value)) for key, value in options.items()]
        return sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(" ").join(written))


def read(connection: connections.Connection) -> Needs:
    """Returns what the database of a connection uses.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    row = connections.rows(connection, statements.load(__package__, "needs.sql"), {})[0]
    del row["started_at"]
    texts = {name: row[name] or "" for name in ("locale", "icu_rules")}
    lists = {name: tuple(row[name]) for name in ("tablespaces", "roles", "settings")}
    return Needs(**{**row, **texts, **lists}, server=server_of(connection))


def server_of(connection: connections.Connection) -> tuple[str, str]:
    """Returns which server a connection reached: system identifier ("" where it is not told), start of the postmaster.

    A physical copy has the same identifier, and another start.
    """
    started_at = connections.scalar(connection, "SELECT pg_postmaster_start_time()::text")
    return identity.read(connection).system_identifier, str(started_at)


def is_same_server(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Says whether two connections reached one server; where an identifier is not told, the start alone decides."""
    identifiers = {one[0], other[0]} - {""}
    return one[1] == other[1] and len(identifiers) < 2


def lacking(needs: Needs, offer: Mapping[str, Any]) -> list[str]:
    """Returns what a server does not have of what is needed, in words.

    Args:
        needs: of the database.
        offer: the row of ``scratch_server.sql``.
    """
    offered = offer["version_num"] // 10_000
    found = [f"PostgreSQL {needs.major} or newer (it is {offer['version']})"] if offered < needs.major else []
    found += [f"the extension {name}" for name in offer["lacks_extensions"]]
    if needs.uses_icu and not offer["has_icu"]:
        found.append("collations of ICU")
    icu = {name for name, provider in needs.collations.items() if provider == _ICU}
    return found + [f"the collation {name}" for name in offer["lacks_collations"] if name not in icu]


def different(needs: Needs, offer: Mapping[str, Any]) -> list[str]:
    """Returns what is other there and does no harm to a proof, in words."""
    offered = offer["version_num"] // 10_000
    found = [f"PostgreSQL {offer['version']} instead of {needs.major}"] if offered != needs.major else []
    if needs.tablespaces:
        found.append(f"everything lies in one tablespace, not in {_listed(needs.tablespaces)}")
    return found


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)
