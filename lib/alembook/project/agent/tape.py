"""The statements a project really executes, as events; parameters never."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any, Callable, Dict, List, Optional

from sqlalchemy import event
from sqlalchemy.engine import Engine

from .changes import Heard
from .door import raw, rows
from .shapes import Shapes
from .trace import Trace, held
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
#: A revision sets, or takes back, how long it waits for a lock.
_SETS_LIMIT = re.compile(r"\block_timeout\b|^\s*(RESET|DISCARD)\s+ALL\b", re.IGNORECASE)
#: Sets the limit unless a tighter one holds. Parameter: milliseconds.
_CAP = """SELECT set_config('lock_timeout', '{0}', false)
 WHERE (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000)::bigint NOT BETWEEN 1 AND {0}"""
LITERAL = re.compile(r"'[^']*'|\b\d+\b")
#: What names nothing: comments and literals, whichever begins first; a dollar quote may be a program and stays.
_NO_NAMES = re.compile(r"--[^\n]*|/\*.*?\*/|\b[eE]'(?:[^'\\]|\\.|'')*'|'[^']*'", re.DOTALL)
_NAME = re.compile(r"\b[^\W\d]\w*")


class Tape:
    """Listens to every statement and commit of the process.

    Args:
        wire: where events go.
        limits: "lock_timeout_ms" and "concurrent_lock_timeout_ms".
        shapes: hears each statement of a revision before it is executed.
        trace: on a rehearsal, what each statement locks and rewrites.

    Attributes:
        revision: the revision statements belong to now; None outside of one.
        commits: commits seen so far. One on the migrating connection counts when something follows it: the event
            comes before the COMMIT, which may fail (a deferred constraint, SQLSTATE 40001) and leave nothing.
        heard: what the revision's statements say of its counters.
    """

    def __init__(self, wire: Wire, limits: Dict[str, int], shapes: Shapes, trace: Optional[Trace] = None) -> None:
        self._wire = wire
        self._limits = limits
        self._shapes = shapes
        self._trace = trace
        self._unlooked = ""
        self._repeated: Dict[str, Dict[str, Any]] = {}
        self._is_muted = False
        self._own: Any = None
        self._is_committing = False
        self._is_long = False
        self.revision: Optional[str] = None
        self.commits = 0
        self.heard = Heard()

    def install(self) -> None:
        """Listens on the class, so that every engine is heard."""
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        event.listen(Engine, "commit", self._commit)

    def begin(self, revision: str, connection: Any, version_table: str) -> None:
        """Counts what follows to a revision, which works on this connection and is entered in this table."""
        self._repeated.clear()
        self._own = connection.info
        self._is_committing = False
        self.heard = Heard()
        self._unlooked = ""
        self._shapes.begin(revision, version_table)
        if self._trace is not None:
            self._trace.begin(connection)
        self.revision = revision

    def guarded(self, connection: Any) -> None:
        """Counts the locks that guards of ours took to the revision, and to no statement of it."""
        if self._trace is not None:
            self._trace.after(connection, time.perf_counter())

    def end(self) -> None:
        """Tells what was summed up, and ends the revision."""
        for text, seen in self._repeated.items():
            if seen["times"] > REPEATS:
                more = {"wal_bytes": seen["wal_bytes"]} if "wal_bytes" in seen else {}
                self._tell(text, seen["ms"], seen["rows"], times=seen["times"] - REPEATS, **more)
        self._repeated.clear()
        if self._trace is not None and self.revision is not None:
            told = {"locks": self._trace.end(), "sql": self._shapes.told()}
            self._wire.send("rehearsed", revision=self.revision, **told)
        self.revision = None

    def finish(self, connection: Any) -> None:
        """Holds what a revision sent against what was rehearsed, before its commit; tells the locks it holds by now.

        Raises:
            Failure: "unsent" or "unrehearsed".
        """
        self._shapes.finish()
        if self._shapes.is_compared:
            self._wire.send("locked", revision=self.revision, locks=held(connection), unsent=self._shapes.unsent())

    def unheard(self, action: Callable[[], Any]) -> Any:
        """Returns what an action of ours returns; its statements are not the project's."""
        self._is_muted = True
        try:
            return action()
        finally:
            self._is_muted = False

    def _commit(self, connection: Any) -> None:
        if self._trace is not None:
            self._trace.commit(connection)
        if connection.info is self._own:
            self._is_committing = True
        else:
            self.commits += 1

    def _before(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ARG002
        if self._is_committing:
            self.commits += 1
            self._part_committed()
        self._is_committing = False
        if self.revision is not None and not self._is_muted:
            self._shapes.hear(statement)
            self.heard.hear(statement, is_own=connection.info is self._own)
            self._catch_up(connection, statement)
        if _CONCURRENT.match(statement):
            self._is_long = True
            self._limit(connection, self._limits["concurrent_lock_timeout_ms"])
        elif self._is_long and not statement.lstrip().upper().startswith(
            "ROLLBACK"
        ):  # one that failed did not get to _after, and the project went on
            self._is_long = False
            self._limit(connection, self._limits["lock_timeout_ms"])
        started: List[float] = connection.info.setdefault("alembook_started", [])
        started.append(time.perf_counter())

    def _after(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        started = connection.info["alembook_started"].pop()
        ms = (time.perf_counter() - started) * 1000
        if _CONCURRENT.match(statement):
            self._is_long = False
            self._limit(connection, self._limits["lock_timeout_ms"])
        elif self.revision is not None and _SETS_LIMIT.search(statement) and self._limits["lock_timeout_ms"]:
            rows(raw(connection), _CAP.format(int(self._limits["lock_timeout_ms"])))
        if not self._is_muted:
            looked = self._look(connection, statement, started)
            self._note(statement, ms, max(int(cursor.rowcount), 0), looked)
            if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
                self._part_committed()

    def _part_committed(self) -> None:
        """Tells that what the revision did so far stays, whatever becomes of the rest."""
        if self.revision is not None:
            self._wire.send("part_committed", revision=self.revision)

    def _look(self, connection: Any, statement: str, started: float) -> Dict[str, Any]:
        """Returns what a statement locked; a loop's further ones are not asked one by one."""
        if self._trace is None or self.revision is None:
            return {}
        if self._repeated.get(statement, {"times": 0})["times"] >= REPEATS:
            self._unlooked = statement
            return {}
        return self._trace.after(connection, started)

    def _catch_up(self, connection: Any, statement: str) -> None:
        """Looks once, at the end of a loop, at what its further statements did together."""
        if self._trace is not None and self._unlooked and statement != self._unlooked:
            seen = self._repeated[self._unlooked]
            looked = self._trace.after(connection, time.perf_counter())
            seen["wal_bytes"] = seen.get("wal_bytes", 0) + looked["wal_bytes"]
            self._unlooked = ""

    def _limit(self, connection: Any, timeout_ms: int) -> None:
        rows(raw(connection), "SELECT set_config('lock_timeout', '{}', false)".format(int(timeout_ms)))

    def _note(self, statement: str, ms: float, count: int, looked: Dict[str, Any]) -> None:
        text = statement if len(self._repeated) < TEXTS else LITERAL.sub("?", statement)
        seen = self._repeated.setdefault(text, {"times": 0, "ms": 0.0, "rows": 0})
        seen["times"] += 1
        if seen["times"] <= REPEATS:
            self._tell(statement, ms, count, times=1, **looked)
        else:
            seen["ms"] += ms
            seen["rows"] += count

    def _tell(self, statement: str, ms: float, count: int, *, times: int, **looked: Any) -> None:
        cut: Dict[str, Any] = {}
        if len(statement) > TEXT_LENGTH:
            digest = hashlib.sha256(statement.encode("utf-8")).hexdigest()
            cut = {"characters": len(statement), "sha256": digest, "names": _names_behind(statement, TEXT_LENGTH)}
        self._wire.send(
            "statement",
            revision=self.revision,
            sql=statement[:TEXT_LENGTH],
            ms=round(ms, 3),
            rows=count,
            times=times,
            **dict(looked, **cut),
        )


def _names_behind(statement: str, length: int) -> List[str]:
    """Returns the words of a text that end behind a length, without those of its literals and comments."""
    bare = _NO_NAMES.sub(lambda found: " " * len(found.group()), statement)
    return sorted({found.group() for found in _NAME.finditer(bare) if found.end() > length})
