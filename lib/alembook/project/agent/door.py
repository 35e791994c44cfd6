"""The door every connection of the project goes through: only the target's database, only with our limits.

The run's session holds two advisory locks in the target, mutex and nonce. ``pg_locks`` shows them to any role, on the
whole server; only with ``database`` equal to the connection's own are they proof of having reached the same database
(a clone of the server has the same names, oids and system identifier, and no such locks).
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from sqlalchemy import event
from sqlalchemy.engine import Engine

from .failure import Caught, Failure
from .wire import REFUSED, Wire

#: Parameters: two bigint literals. Returns: pid, or NULL when nobody holds both locks in this database. Reads only.
HOLDER = """(SELECT pid FROM pg_locks
 WHERE locktype = 'advisory' AND granted AND objsubid = 1
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (classid::bigint << 32 | objid::bigint) IN ({mutex}, {nonce})
 GROUP BY pid HAVING count(*) = 2)"""
#: Returns: who and where this connection is, one row. Reads only.
REACHED = """SELECT current_database(), host(inet_server_addr()), inet_server_port(), current_user,
 current_setting('server_version'), current_setting('search_path')"""
#: Returns: holder's pid, this transaction's id (assigned now), lock_timeout in ms. Assigns a transaction id.
FACTS = """SELECT {holder}, pg_current_xact_id()::text,
 (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000)::bigint"""
_READ_ONLY = "default_transaction_read_only"
#: Not on every platform (PostgreSQL manual 19.3.2): the server looks whether its client is still there, ms.
_WHERE_POSSIBLE = {"client_connection_check_interval": "1000"}


def raw(connection: Any) -> Any:
    """Returns the driver's own connection below SQLAlchemy's, inside the same transaction."""
    return connection.connection


def rows(dbapi: Any, sql: str) -> List[Tuple[Any, ...]]:
    """Returns the rows of a statement without parameters, past SQLAlchemy and its events."""
    cursor = dbapi.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        cursor.close()


def literal(text: str) -> str:
    """Returns a string literal."""
    return "'{}'".format(text.replace("'", "''"))


def backend_pid(dbapi: Any) -> Optional[int]:
    """Returns the pid the driver was told when it connected, which is a pooler's own where one answered.

    Known of psycopg, psycopg2, asyncpg and pg8000; None for another driver.
    """
    inner = getattr(dbapi, "_connection", dbapi)
    key = getattr(inner, "_backend_key_data", None)
    if isinstance(key, bytes) and len(key) >= 4:  # pg8000 keeps pid and secret as they came
        return int.from_bytes(key[:4], "big")
    for holder, name in ((inner, "get_server_pid"), (getattr(inner, "info", None), "backend_pid")):
        found = getattr(holder, name, None)
        if found is not None:
            return int(found() if callable(found) else found)
    return None


class Door:
    """Lets the project reach the target and nothing else.

    Args:
        wire: where a refusal is told.
        session: "mutex" and "nonce", signed 64-bit numbers.
        settings: run-time parameters of every connection, name to value.
    """

    def __init__(self, wire: Wire, session: Mapping[str, int], settings: Mapping[str, str]) -> None:
        self._wire = wire
        self._settings = dict({_READ_ONLY: "off"}, **settings)
        self._holder = HOLDER.format(mutex=int(session["mutex"]), nonce=int(session["nonce"]))
        self._asked: Dict[str, str] = {}
        self._options: Optional[str] = None

    def install(self) -> None:
        """Listens on the class, so that engines made by env.py, by revisions and by the application are covered."""
        event.listen(Engine, "do_connect", self._before)
        event.listen(Engine, "connect", self._after)
        event.listen(Engine, "engine_connect", _hide_parameters)
        self._shut()

    def _shut(self) -> None:
        """Lets what goes past SQLAlchemy (a program the project starts, a driver's own connect) read only, by libpq."""
        self._options = os.environ.get("PGOPTIONS")
        os.environ["PGOPTIONS"] = "{} -c {}=on".format(self._options or "", _READ_ONLY).strip()

    def open(self) -> None:
        """Lets it write, as revisions may: env.py has got to them."""
        if self._options is None:
            os.environ.pop("PGOPTIONS", None)
        else:
            os.environ["PGOPTIONS"] = self._options

    def _before(self, dialect: Any, record: Any, arguments: Sequence[Any], parameters: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Refuses another engine before it creates so much as a file."""
        asked = {name: parameters.get(name) for name in ("host", "port", "user")}
        name = parameters.get("database") or parameters.get("dbname") or (arguments[0] if arguments else None)
        self._asked = {key: str(value) for key, value in dict(asked, database=name).items() if value}
        if dialect.name != "postgresql":
            self._refuse(dict(self._asked, dialect=dialect.name))

    def _after(self, dbapi: Any, record: Any) -> None:  # noqa: ARG002
        """Proves the database, then sets the limits; nothing of the project was sent yet."""
        server, holder = rows(dbapi, "SELECT pg_backend_pid(), " + self._holder)[0]
        client = backend_pid(dbapi)
        is_pooled = client is not None and client != server
        if holder is None or is_pooled:
            found = {name: value for name, value in self.reached(dbapi).items() if value is not None}
            port = self._asked.get("port") or found.get("port")  # a socket has none that the server could tell
            self._refuse(dict(self._asked, **dict(found, port=port)), "wrong_database" if holder is None else "pooler")
        self._set(dbapi, self._settings)
        with Caught() as caught:
            self._set(dbapi, _WHERE_POSSIBLE)
        if caught.error is not None:
            dbapi.rollback()

    def _set(self, dbapi: Any, settings: Mapping[str, str]) -> None:
        calls = ["set_config({}, {}, false)".format(literal(name), literal(value)) for name, value in settings.items()]
        rows(dbapi, "SELECT " + ", ".join(calls))
        dbapi.commit()  # a rollback would take the settings back

    def holder(self, dbapi: Any) -> Optional[int]:
        """Returns the pid of the session that holds both locks in this connection's database, or None."""
        pid = rows(dbapi, "SELECT " + self._holder)[0][0]
        return None if pid is None else int(pid)

    def reached(self, dbapi: Any) -> Dict[str, Any]:
        """Returns where a connection is: database, address, port, user, version, search_path."""
        names = ("database", "address", "port", "user", "version", "search_path")
        return dict(zip(names, rows(dbapi, REACHED)[0]))

    def enter(self, dbapi: Any, *, lock_timeout_ms: int) -> str:
        """Proves the database again inside a revision's transaction, and that our lock limit holds there.

        A limit env.py has set itself stays when it is the tighter one.

        Returns:
            The transaction's id.

        Raises:
            Failure: "session_lost", nobody holds the locks any more.
        """
        holder, transaction, timeout = rows(dbapi, FACTS.format(holder=self._holder))[0]
        if holder is None:
            raise Failure("session_lost", "The session that holds the run's locks is gone.")
        if lock_timeout_ms and not 0 < int(timeout) <= lock_timeout_ms:
            rows(dbapi, "SELECT set_config('lock_timeout', '{}', false)".format(lock_timeout_ms))
        return str(transaction)

    def _refuse(self, reached: Mapping[str, Any], event: str = "wrong_database") -> None:
        """Ends the process here and now: an exception could be caught by the project, which would go on elsewhere."""
        self._wire.send(event, reached=dict(reached))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(REFUSED)


def _hide_parameters(connection: Any, *_: Any) -> None:
    """Keeps values out of SQLAlchemy's error texts and log lines, which the project may print."""
    connection.engine.hide_parameters = True
