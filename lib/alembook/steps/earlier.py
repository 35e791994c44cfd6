"""What earlier runs of a target knew: the rows they saw, and whether their backups were proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from alembook import archive, errors
from alembook.snapshots import measurement
from alembook.steps import whole
from alembook.steps.runbook import Book, receipt_stem
from alembook.verdict import Check, Grade, Outcome

_LISTED = 10
#: A table of so many rows that keeps at most this part of them has lost most of its rows.
_MANY, _LEFT = 100, 0.1
_EMPTY = "the database is not empty where it was not"
_EMPTIED = "no table is empty that was not"
_SHRUNK = "no table lost nine tenths of its rows"
_LOSSES = frozenset({_EMPTY, _EMPTIED, _SHRUNK})


def runs(book: Book) -> Iterator[archive.RunFolder]:
    """Yields the target's runs that began before this one, the last one first."""
    every = archive.runs(book.folder.path.parent.parent, book.target.name)
    yield from reversed([run for run in every if run.run_id < book.folder.run_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a run saw last.

    Attributes:
        run_id: of the run.
        at: its instant, ISO 8601.
        tables: as ``measurement.Measurement.tables``.
    """

    run_id: str
    at: str
    tables: pd.DataFrame


def seen(book: Book) -> Seen | None:
    """Returns what was counted last when a backup was good and no table of it had lost its rows; None for the first.

    That of the last such run, or an earlier backup of this one. A loss that people waived is no loss.
    """
    every = reversed(archive.runs(book.folder.path.parent.parent, book.target.name))
    others = (found for run in every if run.run_id != book.folder.run_id and (found := _seen(run)))
    last = [each for each in (next(others, None), _seen(book.folder)) if each]
    return max(last, key=lambda each: datetime.fromisoformat(each.at), default=None)


def _seen(run: archive.RunFolder) -> Seen | None:
    """Returns what a run's last good backup counted, or what was there once the run was verified."""
    receipts = [archive.read_json(path) for path in run.attempts(receipt_stem("backup"), ".json")]
    good = [each for each in receipts if each["outcome"] == Outcome.PASSED.value and not _has_lost(each)]
    if not good:
        return None
    try:
        found = measurement.read_csv(whole.table(run, good[-1], "backup"))
        verified = run.receipt(receipt_stem("verify"))
        if verified is None or verified["outcome"] != Outcome.PASSED.value or run.stated(archive.ROLLED_BACK):
            return Seen(run_id=run.run_id, at=good[-1]["taken_at"], tables=found)
        after = measurement.read_csv(whole.table(run, {}, "after"))
    except errors.ArchiveFailed:  # its tables are gone: an older run is asked
        return None
    later = pd.concat([found, after]).drop_duplicates(["schema", "table"], keep="last", ignore_index=True)
    return Seen(run_id=run.run_id, at=verified["ended_at"], tables=later)


def _has_lost(receipt: Mapping[str, Any]) -> bool:
    found = [check for check in receipt.get("checks", []) if check["name"] in _LOSSES and not check.get("waived")]
    return any(check["outcome"] == Outcome.FAILED.value for check in found)


def judge(book: Book, tables: pd.DataFrame) -> list[Check]:
    """Judges counted rows by what the last run saw: an empty or another database makes no good backup.

    Alembook's own schema and the version table, which hold rows where nothing else does, are left out.
    """
    last = seen(book)
    if last is None:
        return []
    now, then = _rows(book, tables), _rows(book, last.tables)
    is_lost = sum(then.values()) > 0 and not sum(now.values())
    emptied = sorted(name for name in then.keys() & now.keys() if then[name] and not now[name])
    shrunk = {
        name: f"{name}: {rows:,} instead of {then[name]:,}" for name, rows in now.items() if _is_few(then, name, rows)
    }
    return [
        Check(
            name=_EMPTY,
            outcome=Outcome.FAILED if is_lost else Outcome.PASSED,
            expected=f"rows: run {last.run_id} saw {sum(then.values()):,}",
            found=f"{sum(now.values()):,} rows",
            why="this is an empty database, or another one than that run saw." if is_lost else "",
            next="Look at where the target's address leads." if is_lost else "",
        ),
        _should(_EMPTIED, last, emptied, "Find out who emptied it: the backup holds no row of it any more."),
        _should(_SHRUNK, last, [shrunk[name] for name in sorted(shrunk)], "Find out who deleted them."),
    ]


def _rows(book: Book, tables: pd.DataFrame) -> dict[str, int]:
    """Returns the rows of each table that is the application's."""
    plan = book.plan()
    return {
        f"{row['schema']}.{row['table']}": int(row["rows"])
        for row in tables.to_dict("records")
        if row["schema"] != book.target.ledger
        and (row["table"] != plan.version_table or row["schema"] != (plan.version_table_schema or row["schema"]))
    }


def _is_few(then: Mapping[str, int], name: str, rows: int) -> bool:
    return then.get(name, 0) >= _MANY and 0 < rows <= then[name] * _LEFT


def _should(name: str, last: Seen, found: Sequence[str], next: str) -> Check:
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return Check(
        name=name,
        grade=Grade.SHOULD,
        outcome=Outcome.FAILED if found else Outcome.PASSED,
        expected=f"none: compared with run {last.run_id}",
        found=(", ".join(found[:_LISTED]) or "none") + more,
        next=f"{next} It is said until the rows are back or the check is waived." if found else "",
    )


def proven(book: Book, method: str) -> tuple[str, str] | None:
    """Returns run and time of the last proof of a backup that was made in the same way, if young enough.

    The last one that was tried decides: after one that did not succeed, an older one stands for nothing.
    """
    oldest = datetime.now(UTC) - timedelta(days=book.target.backup.proof_max_age_days)
    run, receipt = next(((run, each) for run in runs(book) for each in _tried(run, method)), (None, {}))
    if run is None or receipt["proof"]["outcome"] != Outcome.PASSED.value:
        return None
    ended_at = str(receipt["ended_at"])
    return (run.run_id, ended_at) if datetime.fromisoformat(ended_at) >= oldest else None


def _tried(run: archive.RunFolder, method: str) -> Iterator[dict[str, Any]]:
    """Yields the receipts of a run's backups made in this way that were restored, or should have been, last first."""
    for path in reversed(run.attempts(receipt_stem("backup"), ".json")):
        receipt = archive.read_json(path)
        if receipt.get("method") == method and receipt.get("proof", {}).get("how") in {"restored", "command"}:
            yield receipt


def recent(book: Book, method: str) -> Check | None:
    """Returns the check that stands for a restore where the policy takes a recent proof of the same method, or None."""
    if book.target.backup.proof != "recent" or (found := proven(book, method)) is None:
        return None
    run_id, at = found
    return Check(
        name="this way of making backups was proven recently",
        outcome=Outcome.PASSED,
        expected=f"within {book.target.backup.proof_max_age_days} days",
        found=f"run {run_id} restored and compared one on {at[:16]}",
    )
