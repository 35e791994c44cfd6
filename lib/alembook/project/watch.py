"""Watching what the agent does on the server, from a connection of our own: who blocks it, and ending it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements

_LITERAL = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\b\d[\d.]*\b", re.DOTALL)
_CANCEL_S = 1.0
_TERMINATE_S = 4.0
_EVERY_S = 0.05


class Watch:
    """One lazily opened, read-only connection beside the agent's.

    Args:
        database: the target.
        application_name: of the agent's connections.
    """

    def __init__(self, database: connections.Database, application_name: str) -> None:
        self._database = database
        self._name = {"application_name": application_name}
        self._connection: connections.Connection | None = None

    def __enter__(self) -> Watch:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> connections.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connections.connect(self._database, application_name="alembook watch", read_only=True)
        return self._connection

    def blockers(self) -> list[dict[str, Any]]:
        """Returns who blocks the agent now; [] when nobody does.

        Keys: waiting, pid, application, user, state, since, query, is_own (see ``blockers.sql``). Literals in
        ``query`` are replaced by "?"; nothing is raised when the server cannot be asked.
        """
        try:
            found = connections.rows(self._open(), statements.load(__package__, "blockers.sql"), self._name)
        except errors.StepFailed:
            return []
        return [{**row, "query": without_literals(row["query"] or "")} for row in found]

    def locks(self) -> list[tuple[str, str]]:
        """Returns the tables the agent has locked now with the mode, as ``agent_locks.sql``; [] when nobody can say."""
        try:
            found = connections.rows(self._open(), statements.load(__package__, "agent_locks.sql"), self._name)
        except errors.StepFailed:
            return []
        return [(row["table"], row["mode"]) for row in found]

    def end(self) -> list[int]:
        """Ends what the agent's connections still do: cancels, then terminates. Returns pids that could not be ended.

        A client that is gone does not end its statement by itself.

        Raises:
            errors.Unreachable: no server answers any more.
        """
        started = time.monotonic()
        action = "SELECT pg_cancel_backend(%(pid)s)"
        while left := self._pids():
            waited = time.monotonic() - started
            if waited > _CANCEL_S:
                action = "SELECT pg_terminate_backend(%(pid)s)"
            if waited > _TERMINATE_S or not self._signal(action, left):
                break
            time.sleep(_EVERY_S)
        return left

    def _pids(self) -> list[int]:
        found = connections.rows(self._open(), statements.load(__package__, "agent_sessions.sql"), self._name)
        return [int(row["pid"]) for row in found]

    def _signal(self, action: str, pids: list[int]) -> bool:
        """Returns False when our role may not end them."""
        try:
            for pid in pids:
                connections.execute(self._open(), action, {"pid": pid})
        except errors.QueryFailed:
            return False
        return True


def without_literals(query: str) -> str:
    """Returns a statement with its strings and numbers replaced by "?", or its first word when it was cut in one."""
    text = _LITERAL.sub("?", query)
    return text.split(maxsplit=1)[0] if "'" in text and text.split() else " ".join(text.split())[:500]


def sentence(blocker: Mapping[str, Any]) -> str:
    """Returns a blocker in one line."""
    if not blocker["pid"]:
        return "a prepared transaction (see pg_prepared_xacts)"
    name = blocker["application"] or "no application name"
    who = f"pid {blocker['pid']} ({name}, {blocker['user'] or 'server process'})"
    return f"{who}, {blocker['state']} since {blocker['since']}: {blocker['query']}"
