"""The way back, tried on the copy: what does not come back by downgrade, and whether going again leads to the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import fingerprint
from alembook.postgres.fingerprint import Difference, Fingerprint
from alembook.project import driver
from alembook.snapshots import comparison, evidence, measurement
from alembook.steps import backfill, before, upgrade
from alembook.steps.rehearsing import Copy
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

LOSSES = ["table", "before", "after", "what does not come back", "verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """What the copy was at one instant.

    Attributes:
        schema: its objects.
        tables, columns: as of ``measurement.Measurement``, checksums keyed.
        unread: "schema.table" -> why it has no checksums.
    """

    schema: Fingerprint
    tables: pd.DataFrame
    columns: pd.DataFrame
    unread: dict[str, str] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Returns the tables that were measured, "schema.table"."""
        return {f"{row['schema']}.{row['table']}" for row in self.tables.to_dict("records")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What differs between two instants that should be one.

    Attributes:
        schema: objects that differ, one sentence each.
        tables: one row per table, as ``evidence.merge``.
    """

    schema: Sequence[str] = ()
    tables: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(comparison.DTYPES)))

    @property
    def outcome(self) -> Outcome:
        """Returns PASSED when nothing differs, UNVERIFIED when that could not be seen of a table."""
        verdicts = set(self.tables["verdict"])
        if self.schema or Outcome.FAILED.value in verdicts:
            return Outcome.FAILED
        return Outcome.UNVERIFIED if Outcome.UNVERIFIED.value in verdicts else Outcome.PASSED

    def lost(self) -> list[dict[str, Any]]:
        """Returns the tables that are not as they were: table, before, after (rows), what, verdict."""
        rows = self.tables[self.tables["verdict"] != Outcome.PASSED.value].to_dict("records")
        return [
            {
                "table": f"{row['schema']}.{row['table']}",
                "before": None if pd.isna(row["before"]) else int(row["before"]),
                "after": None if pd.isna(row["after"]) else int(row["after"]),
                "what does not come back": str(row["reason"]) or "another number of rows",
                "verdict": str(row["verdict"]),
            }
            for row in rows
        ]

    def sentences(self) -> list[str]:
        """Returns everything that differs, one sentence each."""
        return [*self.schema, *(f"{row['table']}: {row['what does not come back']}" for row in self.lost())]


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """What the way back did.

    Attributes:
        error: what stopped it; None when the copy came back to where it began.
        back: the copy as it was, and after the way back; None when it did not get there.
        again: the copy after the first pass, and after a second one; None when there was none.
        again_error: what stopped the second pass.
    """

    error: errors.AlembookError | None = None
    back: Compared | None = None
    again: Compared | None = None
    again_error: errors.AlembookError | None = None

    @property
    def outcome(self) -> Outcome:
        """Returns PASSED when everything came back."""
        return Outcome.FAILED if self.error or self.back is None else self.back.outcome

    def to_json(self) -> dict[str, Any]:
        """Returns what a receipt keeps."""
        return {
            "outcome": self.outcome.value,
            "is_lossless": self.outcome is Outcome.PASSED,
            "stopped": self.error.what if self.error else "",
            "schema": list(self.back.schema) if self.back else [],
            "tables": self.back.lost() if self.back else [],
            "again": self.again.outcome.value if self.again else "",
            "again_differs": self.again.sentences() if self.again else [],
        }

    def losses(self) -> pd.DataFrame:
        """Returns one row for each object and table that does not come back: ``LOSSES``."""
        if self.back is None:
            return pd.DataFrame(columns=LOSSES)
        objects = [
            {"table": "", "what does not come back": text, "verdict": Outcome.FAILED.value} for text in self.back.schema
        ]
        frame = pd.DataFrame([*self.back.lost(), *objects], columns=LOSSES)
        return frame.astype({"before": "Int64", "after": "Int64"})

    def checks(self, way_back: str) -> list[Check]:
        """Returns the judgement: a must where downgrade is the target's way back.

        Args:
            way_back: of the target: downgrade, restore or external.
        """
        return [self._came_back(Grade.MUST if way_back == "downgrade" else Grade.SHOULD), self._led_to_the_same()]

    def _came_back(self, grade: Grade) -> Check:
        lost = self.back.sentences() if self.back else []
        why = f"{self.error.what} {self.error.why}" if self.error else "; ".join(lost[:5])
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        found = "it stopped" if self.error else f"{len(lost)} differ"
        return Check(
            name="everything comes back on the way back",
            grade=grade,
            outcome=self.outcome,
            expected="schema, rows and values as they were",
            found="as they were" if self.outcome is Outcome.PASSED else found,
            why=why + more,
            next="" if self.outcome is Outcome.PASSED else "Count on the backup, not on downgrade, for these.",
        )

    def _led_to_the_same(self) -> Check:
        if self.again is None:
            why = self.again_error.what if self.again_error else "the way back did not reach the start"
            outcome, found = Outcome.FAILED if self.again_error else Outcome.UNVERIFIED, "not reached"
        else:
            outcome, why = self.again.outcome, "; ".join(self.again.sentences()[:5])
            found = "the same" if outcome is Outcome.PASSED else f"{len(self.again.sentences())} differ"
        is_passed = outcome is Outcome.PASSED
        return Check(
            name="applying it again leads to the same",
            grade=Grade.MAY,
            outcome=outcome,
            expected="schema, rows and values as after the first time",
            found=found,
            why=why,
            next="" if is_passed else "Look whether it is by nature: ids and times made at random differ each time.",
        )


def at_start(book: Book, schema: Fingerprint) -> Instant:
    """Returns what was measured before the first revision of the rehearsal."""
    taken = before.taken(book)
    return Instant(schema=schema, tables=taken.tables, columns=taken.columns, unread=dict(taken.unread))


def now(book: Book, name: str, *, earlier: Instant) -> tuple[Instant, dict[str, str]]:
    """Returns what the copy is now, and what could not be measured as earlier; writes its tables into the record.

    Args:
        book: on the copy.
        name: of the tables.
        earlier: the instant it will be compared with: what was measured then is measured now.
    """
    schema = objects(book)
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        found = before.measure(book, connection, earlier=earlier.columns, only=earlier.names())
    before.write(book, name, found)
    columns = evidence.keyed(found.columns, before.key(book))
    return Instant(schema=schema, tables=found.tables, columns=columns, unread=dict(found.unread)), dict(found.apart)


def objects(book: Book) -> Fingerprint:
    """Returns the objects of the copy, without Alembook's own schema."""
    with connections.closing(book.connect()) as connection:
        return fingerprint.read(connection, leave_out_schemas=[book.target.ledger] if book.target.ledger else [])


def tried(copy: Copy, start: Instant, end: Instant) -> WayBack:
    """Takes the copy back to its start and forward again, and compares it with what it was both times."""
    book = copy.runbook("rehearse")
    error = _back(copy, book)
    if error is not None:
        return WayBack(error=error)
    there, apart = now(book, "way_back", earlier=start)
    back = _compare(book, start, there, apart)
    error = _again(copy)
    if error is not None:
        return WayBack(back=back, again_error=error)
    there, apart = now(book, "again", earlier=end)
    copy.folder.write_receipt("fingerprint.again", there.schema.to_json())
    return WayBack(back=back, again=_compare(book, end, there, apart))


def _back(copy: Copy, book: Book) -> errors.AlembookError | None:
    try:
        driver.upgrade(
            book.target,
            book.database,
            book.session,
            revisions=copy.plan.order()[::-1],
            direction="up" if copy.plan.direction == "down" else "down",
            guards={},
            run_id=book.folder.run_id,
            on_event=book.agent_event,
            is_rehearsal=True,
        )
    except errors.StepFailed as error:
        return error
    return None


def _again(copy: Copy) -> errors.AlembookError | None:
    folder = copy.again()
    for stage in copy.plan.stages:
        if stage.revisions and (error := upgrade.drive(copy.runbook("upgrade", stage.number, folder=folder))):
            return error
        if stage.backfills:
            moved = backfill.run(copy.runbook("backfill", stage.number, folder=folder))
            if moved.error:
                return moved.error
    return None


def _compare(book: Book, then: Instant, there: Instant, apart: dict[str, str]) -> Compared:
    """Compares rows, values and objects; Alembic's own table is meant to change."""
    table = book.plan().version_table
    known = evidence.Known(changes={}, unread={**then.unread, **there.unread}, apart=apart)
    sides = [frame[frame["table"] != table] for frame in (then.columns, there.columns)]
    rows = [frame[frame["table"] != table] for frame in (then.tables, there.tables)]
    merged = evidence.merge(comparison.compare(rows[0], rows[1]), evidence.judge(sides[0], sides[1], known))
    differences = then.schema.differences(there.schema)
    return Compared(schema=[each.sentence() for each in differences if not is_alembics(each, table)], tables=merged)


def is_alembics(difference: Difference, table: str) -> bool:
    """Says whether an object belongs to the version table, which no downgrade takes away."""
    return bool({table, f"{table}_pkc"} & set(difference.name.split(".")))
