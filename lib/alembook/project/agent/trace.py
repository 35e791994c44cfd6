"""What each statement locks, rewrites and writes ahead: asked on a rehearsal only, so that production pays nothing.

After a statement its own connection is asked which relations it has locked (``pg_locks`` of its own pid) and where
their rows lie (``relfilenode``: another one is a rewrite). What a statement outside a transaction locked is gone by
then: that is told as not observed, never as nothing.
"""

from __future__ import annotations

import re
import time
from typing import Any, Dict, Iterable, List, Optional, Tuple

from .door import raw, rows

#: Returns: first a row of this transaction's name and the server's WAL position (bytes); then one for each user
#: relation this session has locked: oid, mode, name, kind, where its rows lie. Reads only; assigns no transaction id.
HELD = """SELECT 0::bigint, virtualtransaction::text, ''::text, ''::text,
 pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint
 FROM pg_locks WHERE locktype = 'virtualxid' AND pid = pg_backend_pid() AND granted
UNION ALL SELECT l.relation::bigint, l.mode::text, coalesce(n.nspname || '.' || c.relname, '')::text,
 coalesce(c.relkind::text, ''), coalesce(c.relfilenode, 0)::bigint
 FROM pg_locks AS l LEFT JOIN pg_class AS c ON c.oid = l.relation LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted AND l.relation::bigint >= 16384
 AND n.nspname IS DISTINCT FROM 'pg_toast'
 ORDER BY 1"""
#: Returns: oid, name, kind and place of every user relation. Reads only.
RELATIONS = """SELECT c.oid::bigint, (n.nspname || '.' || c.relname)::text, c.relkind::text, c.relfilenode::bigint
 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid::bigint >= 16384 AND n.nspname <> 'pg_toast'"""
#: Weakest first (PostgreSQL manual, table 13.2).
MODES = (
    "ACCESS SHARE",
    "ROW SHARE",
    "ROW EXCLUSIVE",
    "SHARE UPDATE EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE",
    "ACCESS EXCLUSIVE",
)
_TABLES = ("r", "p", "m", "v", "f")
_REWRITTEN = ("r", "m", "i")


def manual_name(mode: str) -> str:
    """Returns "ACCESS EXCLUSIVE" for pg_locks' "AccessExclusiveLock"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", mode[: -len("Lock")]).upper()


def held(connection: Any) -> List[List[str]]:
    """Returns the tables a transaction has locked by now, each with its strongest lock, by name."""
    found = rows(raw(connection), HELD)[1:]
    return _strongest((str(name), manual_name(str(mode))) for _, mode, name, kind, _ in found if kind in _TABLES)


def _strongest(locks: Iterable[Tuple[str, str]]) -> List[List[str]]:
    modes: Dict[str, str] = {}
    for name, mode in locks:
        modes[name] = max(modes.get(name, MODES[0]), mode, key=MODES.index)
    return [[name, modes[name]] for name in sorted(modes)]


class _Seat:
    """What is known of one connection."""

    def __init__(self, info: Any) -> None:
        self.info = info  # kept, so that its id is not given to another connection
        self.transaction = ""
        self.wal = 0
        self.held: Dict[Tuple[int, str], float] = {}
        self.committing: Optional[float] = None


class Trace:
    """Follows the locks of one revision after another."""

    def __init__(self) -> None:
        self._seats: Dict[int, _Seat] = {}
        self._relations: Dict[int, Tuple[str, str]] = {}
        self._places: Dict[str, int] = {}
        self._released: List[Dict[str, Any]] = []
        self._began = 0.0

    def begin(self, connection: Any) -> None:
        """Begins a revision on its connection, inside its transaction."""
        self._seats.clear()
        self._released.clear()
        self._began = time.perf_counter()
        dbapi = raw(connection)
        there = rows(dbapi, RELATIONS)
        self._relations = {int(row[0]): (str(row[1]), str(row[2])) for row in there}
        self._places = {str(row[1]): int(row[3]) for row in there}
        seat = self._seat(connection)
        seat.transaction, seat.wal = _position(rows(dbapi, HELD))

    def _seat(self, connection: Any) -> _Seat:
        info = connection.info
        return self._seats.setdefault(id(info), _Seat(info))

    def commit(self, connection: Any) -> None:
        """Takes note that a connection is about to commit, which gives its locks back."""
        self._seat(connection).committing = time.perf_counter()

    def after(self, connection: Any, started: float) -> Dict[str, Any]:
        """Returns what a statement did.

        Args:
            connection: the statement's.
            started: when it began, by ``time.perf_counter``.

        Returns:
            "locks": each table locked by it and held since, with the strongest mode; "rewrites": relation and kind of
            each whose rows lie elsewhere since; "wal_bytes": written by the whole server meanwhile; "is_observed":
            False when it ran outside a transaction.
        """
        seat, dbapi = self._seat(connection), raw(connection)
        found = rows(dbapi, HELD)
        transaction, wal = _position(found)
        written = wal - seat.wal if seat.wal else 0
        is_other = transaction != seat.transaction
        if is_other:
            self._release(seat, list(seat.held), seat.committing or started)
            seat.committing = None
        seat.transaction, seat.wal = transaction, wal
        if is_other and _position(rows(dbapi, HELD))[0] != transaction:
            return {"locks": [], "rewrites": [], "wal_bytes": written, "is_observed": False}
        locks = self._taken(seat, found[1:], started)
        return {"locks": locks, "rewrites": self._moved(found[1:]), "wal_bytes": written, "is_observed": True}

    def _taken(self, seat: _Seat, found: List[Tuple[Any, ...]], started: float) -> List[List[str]]:
        now = [(int(row[0]), manual_name(str(row[1]))) for row in found]
        self._release(seat, [key for key in seat.held if key not in now], time.perf_counter())
        new = [key for key in now if key not in seat.held]
        for key in new:
            seat.held[key] = started
        return _strongest((self._relations[oid][0], mode) for oid, mode in new if self._is_table(oid))

    def _is_table(self, oid: int) -> bool:
        """Says whether it is a table that was there before the revision: nobody waits for a new one."""
        return self._relations.get(oid, ("", ""))[1] in _TABLES

    def _moved(self, found: List[Tuple[Any, ...]]) -> List[List[str]]:
        """Returns what lies elsewhere than before, by name: an index made anew over the same pages was not rebuilt."""
        moved = set()
        for _, mode, called, sort, place in found:
            name, kind, node = str(called), str(sort), int(place)
            if str(mode) == "AccessExclusiveLock" and name and kind in _REWRITTEN:
                if self._places.get(name, node) != node:
                    moved.add((name, "index" if kind == "i" else "table"))
                self._places[name] = node
        return sorted([name, kind] for name, kind in moved)

    def _release(self, seat: _Seat, keys: List[Tuple[int, str]], at: float) -> None:
        for oid, mode in keys:
            since = seat.held.pop((oid, mode))
            if self._is_table(oid):
                times = {"start_ms": _ms(since - self._began), "held_ms": _ms(at - since)}
                self._released.append(dict(times, table=self._relations[oid][0], mode=mode))

    def end(self) -> List[Dict[str, Any]]:
        """Returns each table's strongest lock: table, mode, start_ms since the revision began, held_ms; by table."""
        now = time.perf_counter()
        for seat in self._seats.values():
            self._release(seat, list(seat.held), seat.committing or now)
        strongest: Dict[str, Dict[str, Any]] = {}
        for entry in self._released:
            kept = strongest.get(entry["table"])
            if kept is None or _strength(entry) > _strength(kept):
                strongest[entry["table"]] = entry
        return [strongest[name] for name in sorted(strongest)]


def _position(found: List[Tuple[Any, ...]]) -> Tuple[str, int]:
    return str(found[0][1]), int(found[0][4])


def _strength(entry: Dict[str, Any]) -> Tuple[int, float]:
    return MODES.index(entry["mode"]), entry["held_ms"]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
