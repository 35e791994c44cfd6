"""The statements a project really executes, as events; parameters never."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any, Callable, Dict, List, Optional

from sqlalchemy import event
from sqlalchemy.engine import Engine

from .changes import TRUNCATE
from .door import raw, rows
from .wire import Wire

#: The same text is told one by one this often in a revision; a loop's further ones are summed up at its end.
REPEATS = 20
#: So many different texts are told apart in a revision; beyond, texts that differ only in literals count as one.
TEXTS = 1000
TEXT_LENGTH = 20_000
#: Statements that queue nobody behind them while they wait, and leave an invalid index when they are cut short.
_CONCURRENT = re.compile(
    r"^\s*(CREATE\s+(UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b.*|ALTER\s+TABLE\b.*\bDETACH\b.*)\s+CONCURRENTLY\b",
    re.IGNORECASE | re.DOTALL,
)
LITERAL = re.compile(r"'[^']*'|\b\d+\b")


class Tape:
    """Listens to every statement and commit of the process.

    Args:
        wire: where events go.
        limits: "lock_timeout_ms" and "concurrent_lock_timeout_ms".

    Attributes:
        revision: the revision statements belong to now; None outside of one.
        commits: commits seen so far. One on the migrating connection counts when something follows it: the event
            comes before the COMMIT, which may fail (a deferred constraint, SQLSTATE 40001) and leave nothing.
        has_truncated: the revision has emptied a table by TRUNCATE.
    """

    def __init__(self, wire: Wire, limits: Dict[str, int]) -> None:
        self._wire = wire
        self._limits = limits
        self._repeated: Dict[str, Dict[str, Any]] = {}
        self._is_muted = False
        self._own: Any = None
        self._is_committing = False
        self.revision: Optional[str] = None
        self.commits = 0
        self.has_truncated = False

    def install(self) -> None:
        """Listens on the class, so that every engine is heard."""
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        event.listen(Engine, "commit", self._commit)

    def begin(self, revision: str, connection: Any) -> None:
        """Counts what follows to a revision, which works on this connection."""
        self._repeated.clear()
        self._own = connection.info
        self._is_committing = False
        self.has_truncated = False
        self.revision = revision

    def end(self) -> None:
        """Tells what was summed up, and ends the revision."""
        for text, seen in self._repeated.items():
            if seen["times"] > REPEATS:
                self._tell(text, seen["ms"], seen["rows"], times=seen["times"] - REPEATS)
        self._repeated.clear()
        self.revision = None

    def unheard(self, action: Callable[[], Any]) -> Any:
        """Returns what an action of ours returns; its statements are not the project's."""
        self._is_muted = True
        try:
            return action()
        finally:
            self._is_muted = False

    def _commit(self, connection: Any) -> None:
        if connection.info is self._own:
            self._is_committing = True
        else:
            self.commits += 1

    def _before(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ARG002
        self.commits += self._is_committing
        self._is_committing = False
        if _CONCURRENT.match(statement):
            self._limit(connection, self._limits["concurrent_lock_timeout_ms"])
        started: List[float] = connection.info.setdefault("alembook_started", [])
        started.append(time.perf_counter())

    def _after(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        ms = (time.perf_counter() - connection.info["alembook_started"].pop()) * 1000
        if _CONCURRENT.match(statement):
            self._limit(connection, self._limits["lock_timeout_ms"])
        if not self._is_muted:
            self.has_truncated = self.has_truncated or bool(TRUNCATE.search(statement))
            self._note(statement, ms, max(int(cursor.rowcount), 0))

    def _limit(self, connection: Any, timeout_ms: int) -> None:
        rows(raw(connection), "SELECT set_config('lock_timeout', '{}', false)".format(int(timeout_ms)))

    def _note(self, statement: str, ms: float, count: int) -> None:
        text = statement if len(self._repeated) < TEXTS else LITERAL.sub("?", statement)
        seen = self._repeated.setdefault(text, {"times": 0, "ms": 0.0, "rows": 0})
        seen["times"] += 1
        if seen["times"] <= REPEATS:
            self._tell(statement, ms, count, times=1)
        else:
            seen["ms"] += ms
            seen["rows"] += count

    def _tell(self, statement: str, ms: float, count: int, *, times: int) -> None:
        cut = {}
        if len(statement) > TEXT_LENGTH:
            digest = hashlib.sha256(statement.encode("utf-8")).hexdigest()
            cut = {"characters": len(statement), "sha256": digest}
        self._wire.send(
            "statement",
            revision=self.revision,
            sql=statement[:TEXT_LENGTH],
            ms=round(ms, 3),
            rows=count,
            times=times,
            **cut,
        )
