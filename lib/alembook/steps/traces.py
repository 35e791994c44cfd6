"""What each statement of a rehearsal locked, wrote anew and wrote ahead, and what became of the tables' sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from alembook import archive
from alembook.project.plan import Plan
from alembook.steps.runbook import notebook_stem

STATEMENTS = ["stage", "revision", "statement", "times", "ms", "rows", "wal_bytes", "locks taken", "written anew"]
SIZES = ["table", "before_bytes", "after_bytes", "change_bytes"]
_TYPES = {"times": "Int64", "rows": "Int64", "wal_bytes": "Int64"}
_SHOWN = 200
_UNOBSERVED = "not observed: outside a transaction"
_WRITES = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?P<table>[^\s(]+)", re.IGNORECASE)
_WHOLE = "the whole copy"


def statements(folder: archive.RunFolder, plan: Plan) -> pd.DataFrame:
    """Returns one row per statement of a rehearsal's revisions, in order (``STATEMENTS``); Alembic's own are left out.

    A loop's further statements, told together, are one row; a lock is named by the statement that took it first.

    Args:
        folder: of the rehearsal.
        plan: what was rehearsed.
    """
    rows = [
        {"stage": stage.number, **_row(event, plan.version_table)}
        for stage in plan.stages
        for event in folder.events_of(f"{notebook_stem('upgrade', stage.number)}.agent")
        if event["event"] == "statement"
        and event.get("revision")
        and not _is_alembics(event["sql"], plan.version_table)
    ]
    return pd.DataFrame(rows, columns=STATEMENTS).astype(_TYPES)


def _is_alembics(sql: str, version_table: str) -> bool:
    """Says whether a statement writes the row by which Alembic knows the revision."""
    found = _WRITES.match(sql)
    return found is not None and found["table"].rpartition(".")[2].strip('"') == version_table


def _row(event: Mapping[str, Any], version_table: str) -> dict[str, Any]:
    is_observed = event.get("is_observed") is not False
    return {
        "revision": event["revision"],
        "statement": " ".join(event["sql"].split())[:_SHOWN],
        "times": event["times"],
        "ms": event["ms"],
        "rows": event["rows"],
        "wal_bytes": event.get("wal_bytes"),
        "locks taken": "; ".join(_locks(event, version_table)) if is_observed else _UNOBSERVED,
        "written anew": ", ".join(f"{kind} {name}" for name, kind in event.get("rewrites") or ()),
    }


def _locks(event: Mapping[str, Any], version_table: str) -> Iterator[str]:
    """Yields the locks, but for the one on the table in which every revision writes its own row."""
    for table, mode in event.get("locks") or ():
        if table.rpartition(".")[2] != version_table:
            yield f"{mode} {table}"


def slowest(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns what a person looks at first: statements that write anew, then the slowest; a loop's is one row."""
    if frame.empty:
        return frame
    joined = dict.fromkeys(["locks taken", "written anew"], lambda texts: "; ".join(dict.fromkeys(filter(None, texts))))
    summed = dict.fromkeys(["times", "ms", "rows", "wal_bytes"], "sum")
    grouped = frame.groupby(["stage", "revision", "statement"], sort=False, as_index=False).agg({**summed, **joined})
    marked = grouped.assign(is_anew=grouped["written anew"] != "")
    return marked.sort_values(["is_anew", "ms"], ascending=False, kind="stable")[STATEMENTS].reset_index(drop=True)


def sizes(start: pd.DataFrame, end: pd.DataFrame, whole: tuple[int, int]) -> pd.DataFrame:
    """Returns the whole copy and each table whose size changed, the largest change first (``SIZES``).

    Args:
        start: as ``measurement.Measurement.tables``, before the first revision.
        end: the same, after the last stage; a table of one side only is 0 bytes on the other.
        whole: bytes of the database before and after.
    """
    then, now = (_by_name(each) for each in (start, end))
    tables = [(name, then.get(name, 0), now.get(name, 0)) for name in {**then, **now}]
    changed = sorted((row for row in tables if row[1] != row[2]), key=lambda row: (-abs(row[2] - row[1]), row[0]))
    rows = [(name, before, after, after - before) for name, before, after in [(_WHOLE, *whole), *changed]]
    return pd.DataFrame(rows, columns=SIZES)


def _by_name(frame: pd.DataFrame) -> dict[str, int]:
    return {f"{row['schema']}.{row['table']}": int(row["size_bytes"]) for row in frame.to_dict("records")}
