"""The one session that holds a run's two locks: mutex M (one run at a time) and nonce N (the right database).

Both are session-level advisory locks on an autocommit connection of their own. M is derived from the version table and
lives in the target's own database; N is drawn at random for each session. A connection of the project is in the right
database exactly when one backend holds M and N *with this database's oid*: a clone of the server has neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements

_PATIENCE_S = 2.0
_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The two keys, signed 64 bit each, as ``pg_advisory_lock(bigint)`` takes them."""

    mutex: int
    nonce: int


def mutex_of(version_table: str) -> int:
    """Returns M for a version table ("public.alembic_version"); the database itself is part of any advisory lock."""
    digest = hashlib.sha256(f"alembook/{version_table}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class Held:
    """Both locks, held until ``close``.

    Use it as a context manager. The connection is idle outside a transaction, so it holds nothing back.
    """

    def __init__(self, database: connections.Database, *, version_table: str, application_name: str) -> None:
        self.database = database
        self.session = Session(
            mutex=mutex_of(version_table), nonce=int.from_bytes(secrets.token_bytes(8), "big", signed=True)
        )
        self._connection = connections.connect(database, application_name=application_name)
        try:
            self._acquire()
        except BaseException:
            self._connection.close()
            raise

    def _acquire(self) -> None:
        take = "SELECT pg_try_advisory_lock(%(key)s)"
        deadline = time.monotonic() + _PATIENCE_S
        while not connections.scalar(self._connection, take, {"key": self.session.mutex}):
            # A session that has just ended gives its locks back when its backend is gone, a moment later.
            if time.monotonic() > deadline:
                raise self._busy()
            time.sleep(_EVERY_S)
        connections.scalar(self._connection, take, {"key": self.session.nonce})
        self.check()

    def _busy(self) -> errors.TargetBusy:
        found = connections.rows(
            self._connection, statements.load(__package__, "session_holder.sql"), {"key": self.session.mutex}
        )
        return errors.TargetBusy(
            f"Another run holds {self.database.dbname or self.database.label()}.",
            why=_holder(**found[0]) if found else "it ended while this was being looked at.",
            next="Wait until it ends, or stop it where it runs; then start again.",
        )

    @property
    def pid(self) -> int:
        """Returns the backend that holds both locks."""
        return int(self._connection.info.backend_pid)

    def check(self) -> None:
        """Does nothing while both locks are held.

        Raises:
            errors.SessionLost: the connection or a lock is gone.
        """
        sql = statements.load(__package__, "session_check.sql")
        keys = {"mutex": self.session.mutex, "nonce": self.session.nonce}
        try:
            held = connections.scalar(self._connection, sql, keys)
        except errors.QueryFailed as error:
            raise self._lost() from error
        if not held:
            raise self._lost()

    def _lost(self) -> errors.SessionLost:
        return errors.SessionLost(
            "The session that holds the run's locks is gone.",
            why="its connection ended (server restart, failover, network, or somebody ended the backend).",
            next="Run `alembook run --run RUN` to see what is applied and go on.",
        )

    def close(self) -> None:
        """Releases both locks and ends the session. Safe to call twice."""
        if not self._connection.closed:
            with contextlib.suppress(errors.QueryFailed):  # the server is gone: so are the locks
                connections.execute(self._connection, "SELECT pg_advisory_unlock_all()")
            self._connection.close()

    def __enter__(self) -> Held:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Releases both locks."""
        self.close()


def _holder(pid: int, application_name: str | None, backend_start: datetime | None) -> str:
    """Returns who holds the lock; a role without rights is not told since when."""
    since = f" since {backend_start.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if backend_start else ""
    return f"backend {pid} ({application_name or 'without a name'}) holds the run's lock{since}."


def hold(
    database: connections.Database,
    *,
    version_table: str = "alembic_version",
    application_name: str = "alembook session",
) -> Held:
    """Takes both locks and returns their holder.

    Args:
        database: the target; with a pooler in front, the ``direct`` one.
        version_table: name of the version table, part of the mutex.
        application_name: what ``pg_stat_activity`` shows.

    Raises:
        errors.TargetBusy: another session holds the mutex (exit 6).
        errors.PoolerRefused: a transaction pooler answers.
        errors.Unreachable, errors.AccessRefused: as ``connection.connect``.
    """
    return Held(database, version_table=version_table, application_name=application_name)


def holds(connection: connections.Connection, session: Session) -> bool:
    """Says whether one backend holds both locks in the database this connection reached."""
    keys = {"mutex": session.mutex, "nonce": session.nonce}
    return bool(connections.scalar(connection, statements.load(__package__, "session_held.sql"), keys))
