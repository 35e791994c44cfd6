"""Which rows differ: the database held against a kept copy of what it was before the change, where there is one.

The copy is the scratch database of the run, in which its backup was proven, as long as it is still at the revision the
plan began at. Without one, checksums say that a table differs and in which columns, and nobody says in which rows.
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import scratch
from alembook.postgres.connection import Database
from alembook.project import state
from alembook.snapshots import details, pair
from alembook.snapshots.evidence import EVERY
from alembook.steps.runbook import Book

#: So many rows are named in each table.
LIMIT = 50
_NO_COPY = "no copy of before the change is kept: `alembook compare` names the rows once the backup is restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows that differ.

    Attributes:
        frame: as ``details.tell`` returns it, table by table; what is declared to change is left out.
        note: what they were compared with, or why there are none.
    """

    frame: pd.DataFrame
    note: str

    @classmethod
    def none(cls, note: str) -> Rows:
        """Returns that there is nothing to show, and why."""
        return cls(frame=pd.DataFrame(columns=list(details.DTYPES)).astype(details.DTYPES), note=note)

    def of(self, table: str) -> str:
        """Returns the rows of a table in words: "1 missing, 2 changed: 7, 12"; "" for none."""
        names = self.frame["schema"] + "." + self.frame["table"]
        found = self.frame[names == table].drop_duplicates("row")
        kinds = ", ".join(f"{len(part):,} {kind}" for kind, part in found.groupby("kind", sort=False))
        keys = ", ".join(key for key in found["key"] if key)
        return f"{kinds}: {keys}" if kinds and keys else kinds


def find(book: Book, tables: Collection[str], changes: Mapping[str, Collection[str]]) -> Rows:
    """Returns the rows of tables that differ from the kept copy, with their keys where the policy shows them.

    Args:
        book: with a plan.
        tables: "schema.table".
        changes: table -> columns that rules let change.
    """
    if not tables:
        return Rows.none("")
    try:
        copy = next(_copies(book), None)
        return Rows.none(_NO_COPY) if copy is None else _compared(book, copy, tables, changes)
    except errors.AlembookError as error:
        return Rows.none(f"the copy could not be compared with: {error.what}")


def _copies(book: Book) -> Iterator[Database]:
    """Yields the databases that hold what the target held before the change."""
    plan = book.plan()
    for place in scratch.existing(book.target):
        for each in scratch.find(place):
            if each.run_id.lower() != book.folder.run_id.lower() or each.database == book.database:
                continue
            with connections.closing(_connect(book, each.database)) as connection:
                at = state.read(connection, plan.version_table, plan.version_table_schema) or ()
            if set(at) == set(plan.start):
                yield each.database


def _connect(book: Book, database: Database) -> connections.Connection:
    settings = {"idle_in_transaction_session_timeout": "0"}
    return connections.connect(database, application_name=book.application_name, read_only=True, settings=settings)


def _compared(book: Book, copy: Database, tables: Collection[str], changes: Mapping[str, Collection[str]]) -> Rows:
    found = pair.compare(
        lambda: _connect(book, copy),
        book.connect,
        include=[glob.escape(table) for table in tables],
        limit=LIMIT,
        may_show=details.MayShow(keys=book.target.verify.show_keys),
        workers=book.target.verify.workers,
        timeout_s=book.target.limits.check_timeout_s,
    )
    let = [_may_change(row, changes) for row in found.rows.to_dict("records")]
    frame = found.rows[[not each for each in let]].reset_index(drop=True)
    more = "" if found.is_whole else f"; there are more than the {LIMIT} rows of a table that are named"
    keys = "" if book.target.verify.show_keys else "; keys are left out (verify.show_keys)"
    return Rows(frame=frame, note=f"compared with the copy {copy.dbname}{keys}{more}")


def _may_change(row: Mapping[Hashable, Any], changes: Mapping[str, Collection[str]]) -> bool:
    """Says whether a difference is one that a rule allows."""
    let = changes.get(f"{row['schema']}.{row['table']}", ())
    return row["kind"] == "changed" and (row["column"] in let or EVERY in let)
