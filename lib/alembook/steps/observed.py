"""What a rehearsal saw of each revision: read from the events of its agents, kept in its receipt, shown on its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from alembook import archive
from alembook.project.plan import Plan
from alembook.steps.runbook import notebook_stem

#: Whom each mode keeps waiting (PostgreSQL manual, table 13.2): name -> words, strongest first.
BLOCKS = {
    "ACCESS EXCLUSIVE": "readers and writers",
    "EXCLUSIVE": "writers",
    "SHARE ROW EXCLUSIVE": "writers",
    "SHARE": "writers",
    "SHARE UPDATE EXCLUSIVE": "changes of the table, VACUUM",
    "ROW EXCLUSIVE": "changes of the table",
    "ROW SHARE": "changes of the table",
    "ACCESS SHARE": "nobody but ACCESS EXCLUSIVE",
    "not observed": "not known",
}
LOCKS = ["stage", "revision", "table", "rows", "size_bytes", "lock", "keeps waiting", "held_ms", "rewritten", "seen"]
REVISIONS = ["stage", "revision", "what", "seconds", "statements", "most repeated", "rows changed", "wal_bytes", "lock"]
SPANS = ["label", "lock", "start_s", "seconds"]
_LOCK = ("mode", "start_ms", "held_ms")
_SHOWN = 120


@dataclass(slots=True, kw_only=True)
class Revision:
    """One revision as it was rehearsed; JSON values only.

    Attributes:
        id: of the revision.
        stage: its number.
        seconds: from its begin to its commit.
        statements: how many it sent.
        repeated: how often it sent the statement it sent most often.
        repeated_sql: the beginning of that statement.
        wal_bytes: written ahead meanwhile, by the whole server of the copy.
        changes: "schema.table" -> rows inserted, updated, deleted; None what the server did not count.
        locks: "schema.table" -> mode, start_ms, held_ms of the strongest lock on it.
        rewrites: tables whose rows were written anew.
        rebuilt: indexes that were.
        beside: "schema.table" -> mode that was seen from beside, of statements outside a transaction.
        unobserved: statements outside a transaction: what they locked is not known, beyond ``beside``.
        sql: the forms of its statements, as the agent told them.
    """

    id: str
    stage: int
    seconds: float = 0.0
    statements: int = 0
    repeated: int = 0
    repeated_sql: str = ""
    wal_bytes: int = 0
    changes: dict[str, dict[str, int] | None] | None = None
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)
    rewrites: list[str] = field(default_factory=list)
    rebuilt: list[str] = field(default_factory=list)
    beside: dict[str, str] = field(default_factory=dict)
    unobserved: list[str] = field(default_factory=list)
    sql: list[dict[str, Any]] = field(default_factory=list)

    @property
    def strongest(self) -> str:
        """Returns the strongest lock that was seen on any table that was there before, in words."""
        modes = {each["mode"] for each in self.locks.values()} | set(self.beside.values())
        return next((mode for mode in BLOCKS if mode in modes), "not observed" if self.unobserved else "none")

    def rows_changed(self) -> int | None:
        """Returns the rows it inserted, updated and deleted; None where nobody counted them all."""
        return total(self.changes)


def total(changes: Mapping[str, Mapping[str, int] | None] | None) -> int | None:
    """Returns the rows of all tables together; None where one of them was not counted."""
    if changes is None:
        return None
    counts = [counts for counts in changes.values() if counts is not None]
    return sum(sum(each.values()) for each in counts) if len(counts) == len(changes) else None


def mode_of(text: str) -> str:
    """Returns "ACCESS EXCLUSIVE" for pg_locks' "AccessExclusiveLock"."""
    words = "".join(f" {letter}" if letter.isupper() else letter for letter in text.removesuffix("Lock"))
    return words.strip().upper()


def read(folder: archive.RunFolder, plan: Plan) -> list[Revision]:
    """Returns what was seen of each revision that was committed in a rehearsal, in order.

    Args:
        folder: of the rehearsal.
        plan: what was rehearsed.
    """
    found: list[Revision] = []
    for stage in plan.stages:
        events = folder.events_of(f"{notebook_stem('upgrade', stage.number)}.agent")
        found += _of_stage(events, stage.number)
    for each in found:
        _without_alembics(each, plan.version_table)
    return found


def _without_alembics(each: Revision, version_table: str) -> None:
    """Leaves out the table in which every revision writes its own row, and for which nobody waits."""
    for known in (each.locks, each.changes or {}, each.beside):
        for table in [name for name in known if name.rpartition(".")[2] == version_table]:
            del known[table]


def failure(folder: archive.RunFolder, plan: Plan) -> Mapping[str, Any]:
    """Returns the last event "failed" of a rehearsal's agents; empty when none failed."""
    stems = [f"{notebook_stem('upgrade', stage.number)}.agent" for stage in plan.stages]
    failed = [event for stem in stems for event in folder.events_of(stem) if event["event"] == "failed"]
    return failed[-1] if failed else {}


def _of_stage(events: Iterable[Mapping[str, Any]], stage: int) -> Iterator[Revision]:
    current = Revision(id="", stage=stage)
    counts: dict[str, int] = {}
    for event in events:
        name = event["event"]
        if name == "revision_started":
            current, counts = Revision(id=event["revision"], stage=stage), {}
        elif name == "statement" and event.get("revision"):
            _add_statement(current, counts, event)
        elif name == "rehearsed":
            current.locks = {
                lock["table"]: {k: lock[k] for k in ("mode", "start_ms", "held_ms")} for lock in event["locks"]
            }
            current.sql = list(event["sql"])
        elif name == "beside":
            _add_beside(current, event)
        elif name == "revision_committed":
            current.seconds, current.changes = event["seconds"], event.get("changes")
            yield current


def _add_statement(current: Revision, counts: dict[str, int], event: Mapping[str, Any]) -> None:
    current.statements += event["times"]
    counts[event["sql"]] = counts.get(event["sql"], 0) + event["times"]
    if counts[event["sql"]] > current.repeated:
        current.repeated, current.repeated_sql = counts[event["sql"]], " ".join(event["sql"].split())[:_SHOWN]
    current.wal_bytes += event.get("wal_bytes") or 0
    for name, kind in event.get("rewrites") or ():
        known = current.rebuilt if kind == "index" else current.rewrites
        if name not in known:
            known.append(name)
    if event.get("is_observed") is False:
        current.unobserved.append(" ".join(event["sql"].split())[:_SHOWN])


def _add_beside(current: Revision, event: Mapping[str, Any]) -> None:
    order = list(BLOCKS)
    for table, text in event["locks"]:
        mode = mode_of(text)
        known = current.beside.get(table)
        if known is None or order.index(mode) < order.index(known):
            current.beside[table] = mode


def to_json(revisions: Iterable[Revision]) -> dict[str, dict[str, Any]]:
    """Returns what a receipt keeps, by revision."""
    return {each.id: {name: value for name, value in asdict(each).items() if name != "id"} for each in revisions}


def from_json(record: Mapping[str, Mapping[str, Any]]) -> dict[str, Revision]:
    """Returns the revisions of a receipt, by id."""
    return {name: Revision(id=name, **value) for name, value in record.items()}


def revisions_frame(found: Iterable[Revision], plan: Plan) -> pd.DataFrame:
    """Returns one row per revision, in order: ``REVISIONS``."""
    rows = [
        {
            "stage": each.stage,
            "revision": each.id,
            "what": plan.revision(each.id).doc,
            "seconds": each.seconds,
            "statements": each.statements,
            "most repeated": f"{each.repeated:,} x {each.repeated_sql}" if each.repeated > 1 else "",
            "rows changed": "not counted" if (rows := each.rows_changed()) is None else f"{rows:,}",
            "wal_bytes": each.wal_bytes,
            "lock": each.strongest,
        }
        for each in found
    ]
    return pd.DataFrame(rows, columns=REVISIONS)


def locks_frame(found: Iterable[Revision], tables: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per revision and table it locked, in order, the strongest lock of a revision first: ``LOCKS``.

    Args:
        found: what was rehearsed.
        tables: as ``measurement.Measurement.tables``, from before the rehearsal.
    """
    sizes = {f"{row['schema']}.{row['table']}": row for row in tables.to_dict("records")}
    order = list(BLOCKS)
    rows = [
        {
            "stage": each.stage,
            "revision": each.id,
            "table": table,
            "rows": sizes[table]["rows"] if table in sizes else None,
            "size_bytes": sizes[table]["size_bytes"] if table in sizes else None,
            "lock": mode,
            "keeps waiting": BLOCKS[mode],
            "held_ms": held_ms,
            "rewritten": "yes" if table in each.rewrites else "no",
            "seen": seen,
        }
        for each in found
        for table, mode, held_ms, seen in sorted(_locks(each), key=lambda lock: (order.index(lock[1]), lock[0]))
    ]
    return pd.DataFrame(rows, columns=LOCKS).astype({"rows": "Int64"})


def _locks(each: Revision) -> Iterator[tuple[str, str, float | None, str]]:
    for table, lock in each.locks.items():
        yield table, lock["mode"], lock["held_ms"], "by its session"
    for table, mode in each.beside.items():
        if table not in each.locks:
            yield table, mode, None, "from beside, outside a transaction"
    if not each.beside:
        for statement in each.unobserved:
            yield "", "not observed", None, f"outside a transaction: {statement}"


def spans_frame(found: Iterable[Revision]) -> pd.DataFrame:
    """Returns what a timeline shows: ``SPANS``, each revision with lock "" and then the locks it held, in seconds."""
    rows: list[dict[str, Any]] = []
    begun_s = 0.0
    for each in found:
        rows.append({"label": each.id, "lock": "", "start_s": begun_s, "seconds": each.seconds})
        for table, lock in sorted(each.locks.items()):
            times = {"start_s": begun_s + lock["start_ms"] / 1000, "seconds": lock["held_ms"] / 1000}
            rows.append({"label": table, "lock": lock["mode"], **times})
        begun_s += each.seconds
    return pd.DataFrame(rows, columns=SPANS)
