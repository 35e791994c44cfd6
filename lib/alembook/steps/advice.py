"""What to do about a revision that does not fit the data, by the server's own word for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alembook.project.plan import Entry
from alembook.snapshots.misfits import Misfits
from alembook.steps import misfits
from alembook.verdict import Check, Outcome

#: SQLSTATE -> what it means here, what to do (PostgreSQL manual, appendix A).
_KNOWN = {
    "23502": (
        "rows would have no value in it",
        "Add the column nullable or with a default, fill it in a backfill, and only then SET NOT NULL.",
    ),
    "23505": (
        "rows are duplicates of one another",
        "Find them with GROUP BY ... HAVING count(*) > 1 and decide which stays; then apply it.",
    ),
    "23514": (
        "rows violate the check",
        "Correct those rows, or add the constraint NOT VALID and validate it when they are corrected.",
    ),
    "23503": (
        "rows point at nothing",
        "Delete or repair the orphans, or add the constraint NOT VALID and validate it when they are gone.",
    ),
    "23P01": (
        "rows exclude one another",
        "Find the pairs that the constraint excludes and decide which stays; then apply it.",
    ),
    "25001": (
        "it must run outside a transaction",
        "Put it into `with op.get_context().autocommit_block():`. Under the driver pg8000 that block does not leave "
        "the transaction (plain Alembic fails there too): let env.py use psycopg or psycopg2.",
    ),
    "22001": ("values are longer than the new type", "Choose a wider type, or shorten those values before."),
    "22003": ("numbers are too large for the new type", "Choose a wider type, or correct those values before."),
    **dict.fromkeys(
        ("22P02", "22007", "22008"),
        ("values cannot be read as the new type", "Map those values to ones it knows before, or cast with a CASE."),
    ),
}
_OTHER = ("the server refused it", "Correct the data or the revision, then begin a new run, which plans anew.")
_CODE = (
    "the revision's own code failed, where rows are",
    "Correct the revision at the place named; an empty database does not run that code.",
)


def check(failed: Mapping[str, Any], entry: Entry, rows: Misfits | None = None, *, may_show: bool = False) -> Check:
    """Returns the check of a revision that failed on the copy.

    Args:
        failed: the agent's event.
        entry: the revision, as planned.
        rows: those it failed on; None where it is no matter of rows.
        may_show: their keys may be shown.
    """
    sqlstate = str(failed.get("sqlstate") or "")
    means, advice = _KNOWN.get(sqlstate, _OTHER) if sqlstate else _CODE
    known = {"table": rows.table, "column": rows.column} if rows and not failed.get("table") else failed
    named = [f"{name} {known[name]}" for name in ("table", "column", "constraint") if known.get(name)]
    where = [str(failed["where"][-1])] if not sqlstate and failed.get("where") else []
    counted = [misfits.counted(rows)] if rows and rows.rows else []
    said = [
        str(failed.get("message", "")).removesuffix("."),
        *([misfits.named(rows, may_show=may_show)] if rows else []),
    ]
    return Check(
        name=f"revision {entry.id} fits the data",
        subject=str(known.get("table") or ""),
        outcome=Outcome.FAILED,
        expected=f"committed on the copy: {entry.doc}",
        found=", ".join([f"SQLSTATE {sqlstate}" if sqlstate else "an error of its code", *named, *where, *counted]),
        why=f"{means}: {'; '.join(said)}",
        next=advice,
        query=(rows and rows.query) or str(failed.get("statement") or ""),
    )
