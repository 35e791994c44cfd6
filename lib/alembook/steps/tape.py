"""What the agent tells while it upgrades: kept as events, as SQL per revision, and for the page."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alembook.project import watch
from alembook.steps.runbook import Book

SPANS = ["label", "start_s", "seconds", "outcome"]
STATEMENTS = ["revision", "ms", "rows", "statement"]
CHANGES = ["revision", "table", "inserted", "updated", "deleted"]
_UNDONE = "-- failed and rolled back\n"
_NOT_COUNTED = "not counted: it commits inside itself, works on another connection, or takes back to a savepoint"
_EMPTIED = "not counted: TRUNCATE may have emptied it, or another table bears the name"


@dataclass(slots=True, kw_only=True)
class Tape:
    """What the agent told.

    Attributes:
        book: whose record it is kept in.
        spans: one for each attempt at a revision, see ``SPANS``.
        statements: see ``STATEMENTS``.
        committed: ids, in order.
        changes: revision -> "schema.table" -> rows inserted, updated, deleted by it; None what was not counted.
        locks: revision -> "schema.table" -> the strongest lock it held before its commit; of rehearsed ones only.
        unsent: revision -> data statements that were rehearsed and not sent.
    """

    book: Book
    spans: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    committed: list[str] = field(default_factory=list)
    changes: dict[str, dict[str, dict[str, int] | None] | None] = field(default_factory=dict)
    locks: dict[str, dict[str, str]] = field(default_factory=dict)
    unsent: dict[str, list[str]] = field(default_factory=dict)
    _sql: list[str] = field(default_factory=list)
    _revision: str = ""
    _is_partly_committed: bool = False
    _began: float = field(default_factory=time.monotonic)
    _started: float = 0.0

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes one event of the agent."""
        self.book.agent_event(event)
        handle = {
            "revision_started": self._start,
            "statement": self._statement,
            "retry": self._retry,
            "revision_committed": self._commit,
            "locked": self._lock,
            "part_committed": self._keep,
            "blocked": self._blocked,
            "failed": self._fail,
        }.get(event["event"])
        if handle:
            handle(event)

    def _start(self, event: Mapping[str, Any]) -> None:
        self._revision, self._sql, self._started = event["revision"], [], time.monotonic()
        self._is_partly_committed = False

    def _statement(self, event: Mapping[str, Any]) -> None:
        self.statements.append(
            {
                "revision": event.get("revision") or "",
                "ms": event["ms"],
                "rows": event["rows"],
                "statement": " ".join(event["sql"].split())[:200],
            }
        )
        self._sql.append(f"-- {event['ms']:.1f} ms, {event['rows']} rows\n{event['sql'].strip()};\n{_rest(event)}")

    def _blocked(self, event: Mapping[str, Any]) -> None:
        """Says in the cell, while it runs, who is waited for."""
        sys.stdout.write(f"{self._revision} waits for {watch.sentence(event)}\n")

    def _retry(self, _: Mapping[str, Any]) -> None:
        self._span("retried")
        self._started = time.monotonic()

    def _commit(self, event: Mapping[str, Any]) -> None:
        self._span("committed")
        self.committed.append(event["revision"])
        self.changes[event["revision"]] = event["changes"]
        self._write("")

    def _lock(self, event: Mapping[str, Any]) -> None:
        self.locks[event["revision"]] = dict(event["locks"])
        self.unsent[event["revision"]] = list(event["unsent"])

    def _fail(self, _: Mapping[str, Any]) -> None:
        if self._revision:
            self._span("failed")
            self._write("-- failed; what stays is named in the receipt\n" if self._is_partly_committed else _UNDONE)

    def _keep(self, _: Mapping[str, Any]) -> None:
        self._is_partly_committed = True

    def end(self) -> None:
        """Keeps what is left of a revision whose agent ended without a word."""
        if self._revision:
            self._span("failed")
            self._write("-- the agent ended in the middle of it\n")

    def rows_changed(self) -> pd.DataFrame:
        """Returns one row per committed revision and table (``CHANGES``), in the order of the commits.

        The version table, in which each has its row, is left out.
        """
        if not self.changes:
            return pd.DataFrame(columns=CHANGES)
        plan = self.book.plan()
        version_table = f"{plan.version_table_schema}.{plan.version_table}"
        rows = [
            {"revision": revision, "table": table if counts is not None else f"{table}: {_EMPTIED}", **(counts or {})}
            for revision, tables in self.changes.items()
            for table, counts in ({_NOT_COUNTED: {}} if tables is None else tables).items()
            if table != version_table
        ]
        return pd.DataFrame(rows, columns=CHANGES).astype(dict.fromkeys(CHANGES[2:], "Int64"))

    def _span(self, outcome: str) -> None:
        now = time.monotonic()
        times = {"start_s": round(self._started - self._began, 3), "seconds": round(now - self._started, 3)}
        self.spans.append({"label": self._revision, **times, "outcome": outcome})

    def _write(self, note: str) -> None:
        number = len(self.spans)
        name = f"s{self.book.stage}_{number:02d}_{self._revision}"
        path = self.book.folder.attempt_path(f"sql/{name}", ".sql")
        self.book.folder.write_sql(path.stem, note + "\n".join(self._sql))
        self._revision, self._sql = "", []


def _rest(event: Mapping[str, Any]) -> str:
    """Returns what is kept of a text beyond its beginning: how long it was, and the names in the rest of it."""
    if "characters" not in event:
        return ""
    names = " ".join(event.get("names", ()))
    whole = f"{event['characters']:,} characters (SHA-256 {event['sha256']})"
    return f"-- the rest of {whole} is not kept; its words: {names}\n"
