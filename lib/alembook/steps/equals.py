"""Whether a database that went back is what its backup was: rows and values of every table that was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pandas as pd

from alembook.snapshots import copies
from alembook.snapshots.measurement import Measurement
from alembook.steps.before import Before
from alembook.verdict import Check

_WHAT = "the database"
_LISTED = 10


def checks(
    backup: Measurement, then: Before, now: Measurement, *, without: Collection[str], traffic: Collection[str]
) -> list[Check]:
    """Returns whether rows and values are the backup's, two checks.

    A table that others wrote to between the backup and the first revision keeps that on the way back: it is named, and
    judged against the time right before the first revision alone. So is one whose values were measured otherwise then
    (``verify.equality = "text"``).

    Args:
        backup: the dump's snapshot, keyed.
        then: measured right before the first revision.
        now: the database, measured as ``then`` was, keyed alike.
        without: tables whose loss was accepted, "schema.table".
        traffic: tables that others may write to at any time.
    """
    rows, sums = _rows(then.tables), _sums(then.columns)
    kept, summed = _rows(backup.tables), _sums(backup.columns)
    names = (rows.keys() & kept.keys()) - set(without) - set(traffic)
    moved = {name for name in names if rows[name] != kept[name] or _differ(sums.get(name), summed.get(name))}
    sides = _only(backup, names - moved), _only(now, names - moved)
    apart = _apart(moved, {*traffic} & rows.keys(), {*without} & rows.keys())
    found = [copies.rows(*sides, what=_WHAT), copies.values(*sides, what=_WHAT)]
    return [
        replace(check, name=f"{check.name} in the backup", found=check.found + apart, next=_next(check))
        for check in found
    ]


def _next(check: Check) -> str:
    return "The tables are named below, with what to do." if check.next else ""


def _apart(moved: Collection[str], traffic: Collection[str], lost: Collection[str]) -> str:
    """Returns which tables are judged by themselves, in words."""
    told = {
        "not the same in the backup and right before the first revision": moved,
        "others may write to": traffic,
        "accepted as lost": lost,
    }
    parts = [f"{', '.join(sorted(names)[:_LISTED])} ({why})" for why, names in told.items() if names]
    return f"; by themselves: {'; '.join(parts)}" if parts else ""


def _only(found: Measurement, names: Collection[str]) -> Measurement:
    """Returns a measurement of some of its tables."""

    def cut(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[(frame["schema"] + "." + frame["table"]).isin(list(names))]

    def some(told: Mapping[str, str]) -> dict[str, str]:
        return {name: why for name, why in told.items() if name in names}

    return replace(
        found,
        tables=cut(found.tables),
        columns=cut(found.columns),
        sequences=cut(found.sequences),
        apart=some(found.apart),
        unread=some(found.unread),
        left_out=some(found.left_out),
    )


def _rows(tables: pd.DataFrame) -> dict[str, int]:
    return {f"{row['schema']}.{row['table']}": int(row["rows"]) for row in tables.to_dict("records")}


def _sums(columns: pd.DataFrame) -> dict[str, dict[str, tuple[str, str]]]:
    """Returns "schema.table" -> column -> (meaning, checksum)."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for row in columns.to_dict("records"):
        table = found.setdefault(f"{row['schema']}.{row['table']}", {})
        table[str(row["column"])] = (str(row["meaning"]), str(row["checksum"]))
    return found


def _differ(one: Mapping[str, tuple[str, str]] | None, other: Mapping[str, tuple[str, str]] | None) -> bool:
    """Says whether the values of a table are others; those of another meaning cannot be compared, and count as such."""
    return bool(one) and bool(other) and one != other
