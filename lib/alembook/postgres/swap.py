"""Putting a restored database in the place of the one it is a copy of, so that it can be undone or gone on with.

1. ``close``: nobody may connect to the live one any more, and its sessions are ended.
2. ``exchange``: one transaction renames both, and opens the one that was put aside under its new name.

Where a swap stands is read from the server: from the names of two oids, which no rename changes.
Source: PostgreSQL manual, ALTER DATABASE; "database.c" (RENAME may stand in a transaction).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.postgres.connection import Database

_APPLICATION = "alembook swap"
_NAMES = "SELECT datname FROM pg_database"
_NAME_BYTES = 63
_PATIENCE_S = 15.0
_EVERY_S = 0.1


class Standing(StrEnum):
    """How far a swap has come."""

    BEFORE = "before"
    CLOSED = "closed"
    SWAPPED = "swapped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Which database is to take whose place.

    Attributes:
        live: name that the application uses.
        live_oid: of the database that has it before.
        restored: name of the copy before.
        restored_oid: of the copy.
        kept: name of the one that is put aside.
        elsewhere: a database of the server from which this is done.
    """

    live: str
    live_oid: int
    restored: str
    restored_oid: int
    kept: str
    elsewhere: str

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Returns the swap that ``to_json`` wrote."""
        return cls(**{name: record[name] for name in cls.__dataclass_fields__})

    def to_json(self) -> dict[str, Any]:
        """Returns what is kept in a run's folder."""
        return asdict(self)


def name_of(live: str, what: str, at: datetime) -> str:
    """Returns a dated name for a database beside another one, "shop_failed_20261122t120301", cut to 63 bytes."""
    ending = f"_{what}_{at:%Y%m%dt%H%M%S}"
    return live.encode()[: _NAME_BYTES - len(ending)].decode(errors="ignore") + ending


def free_name(connection: connections.Connection, live: str, what: str, at: datetime) -> str:
    """Returns ``name_of`` that instant, or of the next second whose name no database of the server has."""
    taken = {row["datname"] for row in connections.rows(connection, _NAMES)}
    while (name := name_of(live, what, at)) in taken:
        at += timedelta(seconds=1)
    return name


@contextmanager
def elsewhere(live: Database, swap: Swap) -> Iterator[connections.Connection]:
    """Gives a connection to another database of the server. Raises as ``connection.connect``."""
    database = live.with_dbname(swap.elsewhere)
    with connections.closing(
        connections.connect(database, application_name=_APPLICATION, may_write=True)
    ) as connection:
        yield connection


def standing(connection: connections.Connection, swap: Swap) -> Standing:
    """Returns how far a swap has come, by the names that both databases have now.

    Where the copy has the live name both were renamed, in one transaction, whatever became of the other one since.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    query = "SELECT oid::bigint AS oid, datname, datallowconn FROM pg_database WHERE oid = ANY(%(oids)s::oid[])"
    oids = {"oids": [swap.live_oid, swap.restored_oid]}
    found = {row["oid"]: row for row in connections.rows(connection, query, oids)}
    names = tuple(found[oid]["datname"] if oid in found else None for oid in (swap.live_oid, swap.restored_oid))
    if names[1] == swap.live:
        return Standing.SWAPPED
    if names[0] != swap.live:
        return Standing.UNKNOWN
    return Standing.BEFORE if found[swap.live_oid]["datallowconn"] else Standing.CLOSED


def close(connection: connections.Connection, swap: Swap, *, spare: int = 0) -> list[str]:
    """Lets nobody connect to the live database any more, and ends its sessions.

    Args:
        connection: to another database.
        swap: says which.
        spare: pid of a session that is left.

    Returns:
        Who was there: "pid 17 (api, app)".

    Raises:
        errors.RollbackFailed: a session cannot be ended; the database is open again.
        errors.QueryFailed: the role may not close it.
    """
    _allow(connection, swap.live, is_open=False)
    try:
        ended = _sessions(connection, swap.live, spare)
        deadline = time.monotonic() + _PATIENCE_S
        while left := _sessions(connection, swap.live, spare):
            _end(connection, left)
            if time.monotonic() > deadline:
                raise _endless(swap, list(_sessions(connection, swap.live, spare).values()))
            time.sleep(_EVERY_S)
    except BaseException:
        _allow(connection, swap.live, is_open=True)
        raise
    return list(ended.values())


def _end(connection: connections.Connection, sessions: Mapping[int, str]) -> None:
    for pid in sessions:
        try:
            connections.execute(connection, "SELECT pg_terminate_backend(%(pid)s)", {"pid": pid})
        except errors.QueryFailed:
            if connection.closed:
                raise


def _endless(swap: Swap, left: list[str]) -> errors.RollbackFailed:
    return errors.RollbackFailed(
        f"{'A session' if len(left) == 1 else f'{len(left)} sessions'} in {swap.live} cannot be ended.",
        why="another one's session needs pg_signal_backend, a superuser's needs a superuser.",
        next="End them where they run, then roll back again.",
        state=sentence(Standing.BEFORE, swap),
        evidence={"sessions": "\n".join(left)},
    )


def open_again(connection: connections.Connection, swap: Swap) -> None:
    """Lets everybody connect to the live database again: nothing was swapped. Raises ``errors.QueryFailed``."""
    _allow(connection, swap.live, is_open=True)


def opened(live: Database, swap: Swap, connection: connections.Connection) -> Standing | None:
    """Opens the live database again where it is closed, if need be on a new connection, for as long as one may come.

    A server that restarts, or that ended our sessions, is there again after some seconds.

    Args:
        live: how its server is reached.
        swap: says which.
        connection: to another database; it may be lost.

    Returns:
        How far the swap had come: BEFORE when the live database is open now; None when the server does not say.
    """
    with suppress(errors.AlembookError):
        return _settled(connection, swap)
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with suppress(errors.AlembookError), elsewhere(live, swap) as again:
            return _settled(again, swap)
        if time.monotonic() > deadline:
            return None
        time.sleep(_EVERY_S)


def _settled(connection: connections.Connection, swap: Swap) -> Standing:
    found = standing(connection, swap)
    if found is not Standing.CLOSED:
        return found
    open_again(connection, swap)
    return Standing.BEFORE


def sentence(found: Standing | None, swap: Swap) -> str:
    """Returns in words what an attempt that did not swap left, by what ``opened`` returned."""
    if found is Standing.BEFORE:
        return f"nothing was swapped; {swap.live} is open again, and {swap.restored} waits beside it."
    if found is Standing.SWAPPED:
        return f"both are renamed: {swap.live} is the copy, {swap.kept} is kept. The same rollback command goes on."
    opens = f"ALTER DATABASE {quoted(swap.live)} ALLOW_CONNECTIONS true"
    return f"{swap.live} is CLOSED: nobody can connect to it. `{opens}`, or the same rollback command, opens it."


def quoted(name: str) -> str:
    """Returns the name of a database as a statement has it."""
    return '"' + name.replace('"', '""') + '"'


def exchange(connection: connections.Connection, swap: Swap) -> None:
    """Renames both databases in one transaction; the one that is put aside can be connected to under its new name.

    Raises:
        errors.QueryFailed: the server refused; nothing is renamed, and the live one stays closed.
    """
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    live, restored, kept = map(sql.Identifier, (swap.live, swap.restored, swap.kept))
    connections.execute(connection, "BEGIN")
    try:
        connections.execute(connection, rename.format(live, kept))
        connections.execute(connection, rename.format(restored, live))
        _allow(connection, swap.kept, is_open=True)
    except BaseException:
        if not connection.closed:
            connections.execute(connection, "ROLLBACK")
        raise
    connections.execute(connection, "COMMIT")


def _allow(connection: connections.Connection, name: str, *, is_open: bool) -> None:
    statement = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    connections.execute(connection, statement.format(sql.Identifier(name), sql.Literal(is_open)))


def _sessions(connection: connections.Connection, name: str, spare: int) -> dict[int, str]:
    """Returns pid -> who, of everybody in a database but the server's own workers, which give way by themselves."""
    values = {"name": name, "spare": spare}
    found = connections.rows(connection, statements.load(__package__, "database_sessions.sql"), values)
    return {row["pid"]: f"pid {row['pid']} ({row['application']}, {row['user']})" for row in found}
