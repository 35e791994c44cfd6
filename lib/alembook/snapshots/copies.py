"""A copy held against the snapshot it was made from: do its tables hold the same rows and values?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from alembook.snapshots import evidence
from alembook.snapshots.measurement import FOREIGN, Measurement
from alembook.verdict import Check, Outcome

_LISTED = 10


def judge(original: Measurement, copy: Measurement) -> list[Check]:
    """Returns what became of counts and checksums, three checks.

    Args:
        original: of the snapshot the dump imported.
        copy: of the restored database, measured with ``earlier=original.columns``.
    """
    return [rows(original, copy), values(original, copy), _unseen(original.left_out, copy.left_out)]


def rows(original: Measurement, copy: Measurement, *, what: str = "the copy") -> Check:
    """Returns whether every table has as many rows as it had.

    Args:
        original: as ``judge`` takes it.
        copy: the same.
        what: is held against the original, in words.
    """
    there, here = _counts(original.tables), _counts(copy.tables)
    wrong = [
        f"{name}: {_shown(here.get(name))} instead of {there[name]:,}"
        for name in there
        if here.get(name) != there[name]
    ]
    wrong += [f"{name}: in {what} only" for name in here if name not in there]
    return _check(
        f"{what} has the rows of every table",
        wrong,
        expected=f"{sum(there.values()):,} rows in {len(there):,} tables",
        found=f"{sum(here.values()):,} rows in {len(here):,} tables",
    )


def values(original: Measurement, copy: Measurement, *, what: str = "the copy") -> Check:
    """Returns whether every column of every table holds the values it held. As ``rows``."""
    known = evidence.Known(changes={}, unread={**original.unread, **copy.unread}, apart=copy.apart)
    found = evidence.judge(original.columns, copy.columns, known)
    wrong = [f"{name}: {each.reason}" for name, each in found.items() if each.outcome is Outcome.FAILED]
    wrong += [f"{name}: {apart}" for name, apart in copy.apart.items() if apart]
    unread = [f"{name}: {each.reason}" for name, each in found.items() if each.outcome is Outcome.UNVERIFIED]
    return _check(
        f"{what} has the values of every table",
        wrong,
        unread=unread,
        expected=f"equal checksums of {len(original.columns):,} columns and keys",
        found="equal" if not wrong else "different",
    )


def _unseen(there: Mapping[str, str], here: Mapping[str, str]) -> Check:
    """A foreign table has no rows of its own, so a dump has none of them."""
    unseen = {name: why for name, why in {**there, **here}.items() if why != FOREIGN}
    return _check(
        "no table was left out of the proof",
        [],
        unread=[f"{name}: {why}" for name, why in unseen.items()],
        expected="none",
        found=str(len(unseen)) if unseen else "none",
    )


def _check(name: str, wrong: Sequence[str], *, unread: Sequence[str] = (), expected: str, found: str) -> Check:
    outcome = Outcome.FAILED if wrong else Outcome.UNVERIFIED if unread else Outcome.PASSED
    listed = [*wrong, *unread]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return Check(
        name=name,
        outcome=outcome,
        expected=expected,
        found=found,
        why="; ".join(listed[:_LISTED]) + more,
        next=_NEXT[outcome],
    )


_NEXT = {
    Outcome.PASSED: "",
    Outcome.FAILED: "Do not rely on this backup. Make another one; if it fails again, look at the disks on its way.",
    Outcome.UNVERIFIED: "Give the role the right to read it, or more time (check_timeout_s), and prove it again.",
}


def _counts(tables: pd.DataFrame) -> dict[str, int]:
    return {f"{row['schema']}.{row['table']}": int(row["rows"]) for row in tables.to_dict("records")}


def _shown(rows: int | None) -> str:
    return "missing" if rows is None else f"{rows:,}"
