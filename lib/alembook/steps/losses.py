"""What a way back loses, and whether people have taken that in: a loss is named, typed and recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import beside, writes
from alembook.postgres import connection as connections
from alembook.snapshots import additions, checks, comparison, evidence, measurement, pair
from alembook.steps import before, touched
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.verdict import Check, Outcome

EVERYTHING = "*"
ACCEPTED = "what is lost was accepted"
#: What large objects are called where a table's name stands, as ``postgres.writes`` does.
OBJECTS = "large objects"
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


def known(found: Collection[Loss], text: str) -> set[str]:
    """Returns the tables whose loss people took in: those they named, and for ``*`` those they were shown.

    ``*`` is in it only where nobody knew what would be lost.
    """
    words = accepted(text)
    return words - {EVERYTHING} | {each.table for each in found if EVERYTHING in words}


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
        name=ACCEPTED,
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


def since(then: writes.Look, now: writes.Look, *, ours: str | None) -> list[Loss]:
    """Returns the tables that were written to between two looks; those of our schema are left out."""
    if why := writes.unknown(then, now):
        what = f"not known what was written while the two were compared: {why}"
        return [Loss(table=EVERYTHING, by="others", what=what, needs_a_word=True)]
    return [
        Loss(table=table, written=rows, by="others", what=_meanwhile(rows, fate), needs_a_word=True)
        for table, (rows, fate) in sorted(writes.between(then, now).items())
        if table.partition(".")[0] != ours
    ]


def _meanwhile(rows: int, fate: str) -> str:
    told = [f"{_rows(rows)} written"] if rows or not fate else []
    return f"{' and '.join([*told, *([fate] if fate else [])])} while the two were compared"


def joined(found: Collection[Loss], later: Collection[Loss]) -> list[Loss]:
    """Returns what was found first with what came later, one loss for each table."""
    rest = {each.table: each for each in later}
    whole = []
    for each in found:
        more = rest.pop(each.table, None)
        if more is None:
            whole.append(each)
        else:
            what, written = f"{each.what}; {more.what}", each.written + more.written
            whole.append(replace(each, written=written, what=what, needs_a_word=True))
    return [*whole, *rest.values()]


def between(book: Book, rolled: Rolled, compared: pair.Compared, added: Mapping[str, additions.Added]) -> list[Loss]:
    """Returns what a live database (left) loses when its copy (right) takes its place, table by table.

    Rows of a table that the run itself worked on may be the run's, or the application's: with writers stopped they are
    the run's, else people decide. A foreign table loses nothing.

    Args:
        book: of the rollback.
        rolled: the run that is taken back.
        compared: both, table by table.
        added: "schema.table" -> columns of the live database that were not compared.
    """
    with connections.closing(book.connect()) as connection:
        executed = touched.executed(rolled.book, connection)
        unread = measurement.outline(connection)[1]
    version = rolled.plan.version_table
    rows = compared.tables.assign(name=compared.tables["schema"] + "." + compared.tables["table"]).to_dict("records")
    declared = checks.changes(before.declared(rolled.book), before.applied(rolled.book))
    changes = comparison.placed(declared, [row["name"] for row in rows])
    found = []
    for row in rows:
        table, beside = row["name"], added.get(row["name"], additions.Added()).sentences()
        has_all = row["verdict"] == "equal" or unread.get(table) == measurement.FOREIGN
        if (has_all and not beside) or row["schema"] == book.target.ledger or row["table"] == version:
            continue
        differing = compared.rows[(compared.rows["schema"] == row["schema"]) & (compared.rows["table"] == row["table"])]
        kinds = differing.drop_duplicates("row")["kind"].value_counts().to_dict()
        if only := _declared(row, kinds, changes.get(table, ())):
            beside = [f"all of it in columns the run itself changes: {only}", *beside]
        found.append(_loss(book, row, table, kinds, beside, is_touched=table in executed))
    return found


def _declared(row: Mapping[Any, Any], kinds: Mapping[Any, int], changes: Collection[str]) -> str:
    """Returns the columns in which the rows of a table differ, when the run declared to change each; else ""."""
    is_whole = set(kinds) == {"changed"} and sum(kinds.values()) < LIMIT
    columns = row["columns"].split(", ") if row["columns"] else []
    is_meant = bool(columns) and (evidence.EVERY in changes or set(columns) <= set(changes))
    return row["columns"] if is_whole and is_meant else ""


def beside_tables(live: connections.Connection, copy: connections.Connection) -> list[Loss]:
    """Returns what a live database loses besides rows: large objects, and the positions of its sequences.

    Args:
        live: to the live database.
        copy: to the copy.
    """
    one, other = (beside.large_objects(connection) for connection in (live, copy))
    objects = []
    if why := one.unread or other.unread:
        objects = [_of_objects(f"they could not be compared: {why}")]
    elif one != other:
        count = f"{one.objects:,} are there, {other.objects:,} in the backup"
        objects = [_of_objects(f"{count}, with other contents" if one.objects == other.objects else count)]
    there, here = beside.positions(copy), beside.positions(live)
    moved = [(name, here[name]["position"], there[name]["position"]) for name in here.keys() & there.keys()]
    return [
        *objects,
        *(
            Loss(
                table=f"sequence {name}",
                by="the run or others",
                what=f"goes back from {now:,} to {f'{then:,}' if then else 'its start'}: numbers are given once more",
                needs_a_word=False,
            )
            for name, now, then in sorted(moved)
            if now is not None and now != then
        ),
    ]


def _of_objects(what: str) -> Loss:
    return Loss(table=OBJECTS, by="the run or others", what=what, needs_a_word=True)


def _loss(
    book: Book, row: Mapping[Any, Any], table: str, kinds: Mapping[Any, int], beside: Sequence[str], *, is_touched: bool
) -> Loss:
    left, right = (None if pd.isna(row[side]) else int(row[side]) for side in ("left", "right"))
    by = ("the run" if book.target.writers == "stopped" else "the run or others") if is_touched else "others"
    if right is None and row["verdict"] == "different":
        what = f"it is not in the backup; its {left:,} rows stay in the database that is kept"
        is_empty = is_touched and not left
        return Loss(
            table=table,
            written=left or 0,
            by="the run" if is_empty else by,
            what=what,
            needs_a_word=by != "the run" and not is_empty,
        )
    if left is None and row["verdict"] == "different":
        return Loss(table=table, deleted=right or 0, by="the run", what="it comes back", needs_a_word=False)
    counts = {name: int(kinds.get(kind, 0)) for name, kind in _KINDS.items()}
    what = ", ".join(f"{_rows(count)} {_WORDS[name]}" for name, count in counts.items() if count)
    if row["verdict"] == "unverified":
        what = f"it could not be compared: {row['reason']}"
    if sum(counts.values()) >= LIMIT:
        what += ", or more"
    if not what and row["verdict"] == "different":
        what = "its rows differ"
    told = "; ".join(part for part in (what, *beside) if part)
    return Loss(table=table, **counts, by=by, what=told, needs_a_word=by != "the run")


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
