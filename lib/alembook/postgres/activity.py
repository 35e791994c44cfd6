"""What a run still does on the server, and ending it there: killing a client does not end its statement."""

from __future__ import annotations

import time

from alembook.postgres import connection as connections
from alembook.postgres import statements

_EVERY_S = 0.1


def session_name(run_id: str) -> str:
    """Returns the application name of the session that holds a run's locks."""
    return f"alembook {run_id} session"


def of_run(connection: connections.Connection, run_id: str) -> list[int]:
    """Returns the pids of a run's backends, the one that holds its locks left out."""
    names = {"pattern": f"alembook {run_id} %", "session": session_name(run_id)}
    return [row["pid"] for row in connections.rows(connection, statements.load(__package__, "activity.sql"), names)]


def dumps(connection: connections.Connection) -> list[str]:
    """Returns the sessions that dump this database now, ours too, in words; reads only.

    A revision would wait for them, and everybody else behind it.
    """
    found = connections.rows(connection, statements.load(__package__, "activity_dumps.sql"), {})
    return [
        f"pid {row['pid']} ({row['application'] or 'no application name'}, {row['user']}), {row['tables']:,} tables"
        + ("" if row["seconds"] is None else f", for {row['seconds']:.0f} s")
        for row in found
    ]


def end(connection: connections.Connection, run_id: str, *, grace_s: float = 5.0) -> list[int]:
    """Ends what a run still does: cancels, waits, then terminates. Returns the pids that were there at first.

    Args:
        connection: of a role that may signal them (the same role, or ``pg_signal_backend``).
        run_id: the run.
        grace_s: how long a cancelled statement may take to end.

    Raises:
        errors.QueryFailed: the role may not end them.
    """
    found = of_run(connection, run_id)
    for pid in found:
        connections.execute(connection, "SELECT pg_cancel_backend(%(pid)s)", {"pid": pid})
    deadline = time.monotonic() + grace_s
    while of_run(connection, run_id) and time.monotonic() < deadline:
        time.sleep(_EVERY_S)
    for pid in of_run(connection, run_id):
        connections.execute(connection, "SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
    return found
