"""What earlier runs of a target knew: the rows they saw, and whether their backups were proven."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from alembook import archive
from alembook.snapshots import measurement
from alembook.steps.runbook import Book, receipt_stem
from alembook.verdict import Check, Grade, Outcome

_LISTED = 10
_COUNTED = re.compile(r"(backup|after)(\.a\d+)?\.csv")


def runs(book: Book) -> Iterator[archive.RunFolder]:
    """Yields the target's runs that began before this one, the last one first."""
    every = archive.runs(book.folder.path.parent.parent, book.target.name)
    yield from reversed([run for run in every if run.run_id < book.folder.run_id])


def seen(book: Book) -> tuple[str, pd.DataFrame] | None:
    """Returns the last run that counted the target's rows and what it counted last; None for the first one."""
    for run in runs(book):
        tables = [path for path in (run.path / "tables").glob("*.csv") if _COUNTED.fullmatch(path.name)]
        if tables:
            return run.run_id, measurement.read_csv(max(tables, key=lambda path: path.stat().st_mtime_ns))
    return None


def judge(book: Book, tables: pd.DataFrame) -> list[Check]:
    """Judges counted rows by what the last run saw: an empty or another database makes no good backup."""
    last = seen(book)
    if last is None:
        return []
    run_id, then = last
    now, before = int(tables["rows"].sum()), int(then["rows"].sum())
    is_lost = before > 0 and now == 0
    filled = {f"{row['schema']}.{row['table']}" for row in then.to_dict("records") if row["rows"]}
    empty = {f"{row['schema']}.{row['table']}" for row in tables.to_dict("records") if not row["rows"]}
    emptied = sorted(filled & empty)
    return [
        Check(
            name="the database is not empty where it was not",
            outcome=Outcome.FAILED if is_lost else Outcome.PASSED,
            expected=f"rows: run {run_id} saw {before:,}",
            found=f"{now:,} rows",
            why="this is an empty database, or another one than that run saw." if is_lost else "",
            next="Look at where the target's address leads." if is_lost else "",
        ),
        Check(
            name="no table is empty that was not",
            grade=Grade.SHOULD,
            outcome=Outcome.FAILED if emptied else Outcome.PASSED,
            expected=f"none: compared with run {run_id}",
            found=", ".join(emptied[:_LISTED]) or "none",
            next="Find out who emptied it: the backup holds no row of it any more." if emptied else "",
        ),
    ]


def proven(book: Book, method: str) -> tuple[str, str] | None:
    """Returns run and time of the last backup that was made in the same way and proven, if young enough."""
    oldest = datetime.now(UTC) - timedelta(days=book.target.backup.proof_max_age_days)
    for run in runs(book):
        receipt = run.receipt(receipt_stem("backup"))
        if receipt and _is_proof(receipt, method):
            ended_at = str(receipt["ended_at"])
            return (run.run_id, ended_at) if datetime.fromisoformat(ended_at) >= oldest else None
    return None


def _is_proof(receipt: dict[str, Any], method: str) -> bool:
    proof = receipt.get("proof", {})
    was_done = proof.get("how") in {"restored", "command"} and proof.get("outcome") == Outcome.PASSED.value
    return bool(was_done and receipt.get("method") == method)


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
