"""What a way back loses, and whether people have taken that in: a loss is named, typed and recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import pair
from alembook.steps import touched
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.verdict import Check, Outcome

EVERYTHING = "*"
#: Columns of the table of what is lost.
COLUMNS = ["table", "written_since", "deleted_since", "changed_since", "by", "what", "needs_a_word"]
#: So many rows that differ are counted in one table.
LIMIT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What one table loses.

    Attributes:
        table: "schema.table".
        written: rows only the live one has.
        deleted: rows only the copy has: they come back.
        changed: rows both have, with other values: they get their old ones.
        by: "the run", "others", or "the run or others".
        what: in words.
        needs_a_word: people must accept it by name.
    """

    table: str
    written: int = 0
    deleted: int = 0
    changed: int = 0
    by: str
    what: str
    needs_a_word: bool


def frame(found: Collection[Loss]) -> pd.DataFrame:
    """Returns one row per table that loses something, those that need a word first."""
    rows = [
        (each.table, each.written, each.deleted, each.changed, each.by, each.what, each.needs_a_word)
        for each in sorted(found, key=lambda each: (not each.needs_a_word, each.table))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def accepted(text: str) -> set[str]:
    """Returns the tables of ``--accept-loss``: names with commas between, or ``*``."""
    return {part.strip() for part in text.split(",") if part.strip()}


def open_ones(found: Collection[Loss], text: str) -> list[Loss]:
    """Returns the losses that people must accept and have not, by table."""
    words = accepted(text)
    if EVERYTHING in words:
        return []
    return [each for each in found if each.needs_a_word and each.table not in words]


def check(found: Collection[Loss], text: str) -> Check:
    """Returns whether everything that is lost was accepted by name."""
    left = open_ones(found, text)
    needed = [each.table for each in found if each.needs_a_word]
    return Check(
        name="what is lost was accepted",
        outcome=Outcome.UNVERIFIED if left else Outcome.PASSED,
        expected=", ".join(needed) or "nothing is lost",
        found=text or "nothing was accepted",
        why="; ".join(f"{each.table}: {each.what}" for each in left[:10]),
        next=f"--accept-loss '{', '.join(sorted(needed))}'" if left else "",
    )


def waiting(book: Book, rolled: Rolled, found: Collection[Loss], text: str, *, state: str) -> errors.Waiting | None:
    """Returns the error that asks people to accept what is lost, or None when they did."""
    left = open_ones(found, text)
    if not left:
        return None
    needed = ", ".join(sorted({*accepted(text), *(each.table for each in left)}))
    confirm = f" --confirm {book.target.name}" if book.target.protected else ""
    return errors.Waiting(
        f"Rolling back run {rolled.run_id} by {rolled.way} would lose something.",
        why=f"nobody has accepted that yet. {state}",
        next=f"Read the list below. Then: `alembook rollback {rolled.run_id} --by {rolled.way}{confirm} "
        f"--accept-loss '{needed}'`; or go the other way back.",
        evidence={"what is lost": "\n".join(f"{each.table}: {each.what}" for each in left[:50])},
    )


def writes(connection: connections.Connection) -> dict[str, int]:
    """Returns "schema.table" -> rows ever written to it, by the server's statistics."""
    found = connections.rows(connection, statements.load("alembook.postgres", "writes.sql"))
    return {row["table"]: row["rows"] for row in found}


def since(then: Mapping[str, int], now: Mapping[str, int], *, ours: str | None) -> list[Loss]:
    """Returns the tables that were written to between two readings of ``writes``; those of our schema are left out."""
    return [
        Loss(
            table=table,
            written=rows - then.get(table, 0),
            by="others",
            what=f"{_rows(rows - then.get(table, 0))} written while the two were compared",
            needs_a_word=True,
        )
        for table, rows in now.items()
        if rows > then.get(table, 0) and table.partition(".")[0] != ours
    ]


def between(book: Book, rolled: Rolled, compared: pair.Compared) -> list[Loss]:
    """Returns what a live database (left) loses when its copy (right) takes its place, table by table.

    Rows of a table that the run itself worked on may be the run's, or the application's: with writers stopped they are
    the run's, else people decide.
    """
    with connections.closing(book.connect()) as connection:
        executed = touched.executed(rolled.book, connection)
    version = rolled.plan.version_table
    found = []
    for row in compared.tables.to_dict("records"):
        table = f"{row['schema']}.{row['table']}"
        if row["verdict"] == "equal" or row["schema"] == book.target.ledger or row["table"] == version:
            continue
        rows = compared.rows[(compared.rows["schema"] == row["schema"]) & (compared.rows["table"] == row["table"])]
        found.append(_loss(book, row, table, rows["kind"].value_counts().to_dict(), is_touched=table in executed))
    return found


def _loss(book: Book, row: Mapping[Any, Any], table: str, kinds: Mapping[Any, int], *, is_touched: bool) -> Loss:
    left, right = (None if pd.isna(row[side]) else int(row[side]) for side in ("left", "right"))
    if right is None and row["verdict"] == "different":
        by = "the run" if is_touched else "others"
        what = f"it is not in the backup; its {left:,} rows stay in the database that is kept"
        return Loss(table=table, written=left or 0, by=by, what=what, needs_a_word=not is_touched)
    if left is None and row["verdict"] == "different":
        return Loss(table=table, deleted=right or 0, by="the run", what="it comes back", needs_a_word=False)
    by = ("the run" if book.target.writers == "stopped" else "the run or others") if is_touched else "others"
    counts = {name: int(kinds.get(kind, 0)) for name, kind in _KINDS.items()}
    what = ", ".join(f"{_rows(count)} {_WORDS[name]}" for name, count in counts.items() if count)
    if row["verdict"] != "different":
        what = f"it could not be compared: {row['reason']}"
    if sum(counts.values()) >= LIMIT:
        what += ", or more"
    return Loss(table=table, **counts, by=by, what=what or "its rows differ", needs_a_word=by != "the run")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


_KINDS = {"written": "missing", "deleted": "extra", "changed": "changed"}
_WORDS = {
    "written": "written after the backup",
    "deleted": "deleted after it, which come back",
    "changed": "changed after it, which get their old values",
}


def of_downgrade(rolled: Rolled) -> list[Loss]:
    """Returns what the downgrades lose: as the rehearsal saw it; where there was none, nobody knows."""
    seen = (rolled.rehearsal or {}).get("way_back") or {}
    is_of_this = rolled.rehearsal is not None and rolled.rehearsal.get("plan_hash") == rolled.plan.hash
    if not seen or not is_of_this or seen.get("stopped"):
        why = seen.get("stopped") or "the way back was not rehearsed"
        return [Loss(table=EVERYTHING, by="the run", what=f"not known: {why}", needs_a_word=True), *_suspected(rolled)]
    tables = [
        Loss(
            table=str(row["table"]),
            by="the run",
            what=f"{row['what does not come back']} (rehearsed)",
            needs_a_word=row["verdict"] != Outcome.PASSED.value,
        )
        for row in seen["tables"]
    ]
    schema = [
        Loss(table="schema", by="the run", what=f"{text} (rehearsed)", needs_a_word=True) for text in seen["schema"]
    ]
    return [*tables, *schema]


def _suspected(rolled: Rolled) -> list[Loss]:
    """Returns what the findings of inspect say of the downgrades of what is applied."""
    receipt = rolled.book.folder.receipt("plan") or {}
    return [
        Loss(
            table=f"revision {finding['revision']}",
            by="the run",
            what=f"{finding['rule']}: {finding.get('found') or finding.get('operation', '')}",
            needs_a_word=False,
        )
        for finding in receipt.get("findings", [])
        if finding["rule"] in {"no-way-back", "lossy-downgrade"}
    ]
