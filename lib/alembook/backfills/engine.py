"""Running a backfill: batch after batch until nothing is pending, safe to kill at any instant.

A pass walks the table once by key. Rows that become pending behind it (an old application still writes) are taken by
further passes; rows that were in a batch and stay pending end it after the pass. The end is always ``pending`` counted
as zero, whatever the progress row says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from alembook import errors
from alembook.backfills import batch, changes, keyed
from alembook.backfills.declaration import Backfill
from alembook.backfills.keyed import KeyedTable
from alembook.backfills.ledger import Ledger, Progress
from alembook.backfills.pace import Pace
from alembook.config import Backfill as Policy
from alembook.postgres import connection as connections

#: Passes over the table, the first one included; an application that keeps making rows pending is told, not chased.
PASSES = 10
#: Columns of the table of batches and their dtypes.
DTYPES = {"at": "datetime64[us, UTC]", "rows": "int64", "ms": "float64", "size": "int64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a backfill did.

    Attributes:
        rows_done: rows done by this attempt.
        batches: batches committed by this attempt.
        seconds: how long this attempt took.
        pending_before: rows pending when it began.
        pending_after: rows pending at its end, counted: 0.
        resumed_from: rows that earlier attempts of the run had done.
        passes: walks over the table.
        frame: one row per committed batch, in order: at (UTC, end), rows, ms (commit included), size (rows asked for).
    """

    name: str
    rows_done: int
    batches: int
    seconds: float
    pending_before: int
    pending_after: int
    resumed_from: int
    passes: int
    frame: pd.DataFrame


def run(
    backfill: Backfill,
    *,
    connect: Callable[[], connections.Connection],
    policy: Policy,
    ledger: str | None,
    run_id: str,
    still_right: Callable[[], None] = lambda: None,
    on_batch: Callable[[Mapping[str, Any]], None] = lambda _event: None,
    attempts: int = 10,
    pace: Pace | None = None,
) -> Outcome:
    """Runs a backfill to its end, going on where an earlier attempt of the same run stopped.

    Args:
        backfill: what is declared.
        connect: gives the connection it works on, in autocommit mode, with ``lock_timeout`` set; it is closed here.
        policy: pace and workers.
        ledger: schema of the progress rows; None keeps none.
        run_id: the run the progress belongs to.
        still_right: called before each batch; raises when the run must not go on (its session is lost).
        on_batch: called with events: started(pending, resumed_from), batch(rows, ms, size, rows_done, pending, changes
            as of ``changes.since``), retry(sqlstate, attempt, wait_ms), pass(number, pending), finished(rows_done,
            batches, seconds); never a key.
        attempts: tries of one batch that the server rolls back for the sake of others.
        pace: rule for batch sizes; by default ``policy.batch_ms`` for each.

    Raises:
        errors.BackfillFailed: a batch failed, rows are stuck, or something keeps making rows pending; ``state`` says
            what is committed. Running again goes on there.
        errors.NotAvailableYet: the backfill or the policy asks for what this version cannot do.
        errors.SessionLost: by ``still_right``.
    """
    declared = backfill.statements
    _require_one_worker(policy)
    connection = connect()
    try:
        walk = _Walk(
            backfill=backfill,
            declared=declared,
            connection=connection,
            ledger=Ledger(connection=connection, schema=ledger, run_id=run_id, name=backfill.name),
            pace=pace or Pace(target_ms=policy.batch_ms),
            attempts=attempts,
            still_right=still_right,
            on_batch=on_batch,
        )
        return walk.to_the_end()
    finally:
        connection.close()


def _require_one_worker(policy: Policy) -> None:
    if policy.workers != 1:
        raise errors.NotAvailableYet(
            "backfill.workers is more than 1, which this version understands and cannot do yet.",
            why="ranges of keys for several workers come later.",
            next="Set workers = 1 of this target in alembook.toml.",
        )


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One attempt, and how far it is."""

    backfill: Backfill
    declared: tuple[str, ...]
    connection: connections.Connection
    ledger: Ledger
    pace: Pace
    attempts: int
    still_right: Callable[[], None]
    on_batch: Callable[[Mapping[str, Any]], None]
    size: int = 0
    rows_done: int = 0
    pending: int = 0
    begun: float = field(default_factory=time.monotonic)
    batches: list[tuple[datetime, int, float, int]] = field(default_factory=list)

    def to_the_end(self) -> Outcome:
        self.still_right()
        self.size = self.pace.first
        table = keyed.read(self.connection, self.backfill)
        progress = self.ledger.start(self.backfill.digest())
        try:
            return self._outcome(progress, *self._passes(table, progress))
        except errors.AlembookError as error:
            self._note_failure()
            if isinstance(error, errors.QueryFailed):
                raise self._failed(error) from error
            raise

    def _note_failure(self) -> None:
        """Writes `failed` where that is still possible; without it the row says `running`, which is as true."""
        if not self.connection.closed:
            with suppress(errors.QueryFailed):
                self.ledger.end("failed")

    def _passes(self, table: KeyedTable, progress: Progress) -> tuple[int, int]:
        """Walks until nothing is pending; returns the rows pending before, and how often it walked."""
        batch.prepare(self.connection, table)
        before = self.pending = batch.pending(self.connection, table)
        self._tell("started", pending=before, resumed_from=progress.rows_done)
        position, number = progress.position, 0
        while self.pending:
            number += 1
            if number > PASSES:
                raise self._endless()
            stuck = self._pass(table, position)
            position = None
            self.pending = batch.pending(self.connection, table)
            self._tell("pass", number=number, pending=self.pending)
            if stuck and self.pending:
                raise self._stuck(self.pending)
        return before, number

    def _pass(self, table: KeyedTable, position: Sequence[str] | None) -> int:
        """Walks once from a position to the end; returns how many rows stayed pending although they were in a batch."""
        stuck = 0
        while True:
            self.still_right()
            done = self._patiently(table, position)
            if done is None:
                return stuck
            position, left = done
            stuck += left

    def _patiently(self, table: KeyedTable, position: Sequence[str] | None) -> tuple[Sequence[str], int] | None:
        """Runs one batch, again when the server rolled it back for the sake of others."""
        for attempt in range(1, self.attempts + 1):
            try:
                return self._batch(table, position)
            except errors.QueryFailed as error:
                state = batch.sqlstate(error)
                if state not in batch.WORTH_ANOTHER_TRY or attempt == self.attempts:
                    raise
                self._wait(state, attempt)
        return None

    def _batch(self, table: KeyedTable, position: Sequence[str] | None) -> tuple[Sequence[str], int] | None:
        """Runs one batch; returns its last key and the rows that stayed pending, or None at the end of the table."""
        started, size = time.monotonic(), self.size
        with batch.transaction(self.connection):
            found, last = batch.fill(self.connection, table, position, size)
            if not found:
                return None
            then = changes.read(self.connection, self.declared)
            batch.apply(self.connection, self.declared)
            changed = changes.since(then, changes.read(self.connection, self.declared))
            left = batch.left(self.connection, table)
            if left == found and not self.batches:
                raise self._idle(found)
            self.ledger.advance(last, found - left)
        milliseconds = (time.monotonic() - started) * 1000
        if found == size:
            self.size = self.pace.after(size, milliseconds)
        self._record(found - left, milliseconds, size, changed)
        return last, left

    def _record(self, rows: int, milliseconds: float, size: int, changed: changes.Counts | None) -> None:
        self.batches.append((datetime.now(UTC), rows, milliseconds, size))
        self.rows_done += rows
        self.pending = max(self.pending - rows, 0)
        told = {"rows": rows, "ms": round(milliseconds, 1), "size": size}
        self._tell("batch", **told, rows_done=self.rows_done, pending=self.pending, changes=changed)

    def _wait(self, state: str, attempt: int) -> None:
        self.size = self.pace.after_refusal(self.size)
        seconds = min(0.1 * 2**attempt, 5.0) * random.SystemRandom().uniform(0.5, 1.5)
        self._tell("retry", sqlstate=state, attempt=attempt, wait_ms=round(seconds * 1000))
        time.sleep(seconds)

    def _tell(self, event: str, **fields: Any) -> None:
        self.on_batch({"event": event, "backfill": self.backfill.name, **fields})

    def _outcome(self, progress: Progress, before: int, passes: int) -> Outcome:
        self.ledger.end("done")
        seconds = time.monotonic() - self.begun
        self._tell("finished", rows_done=self.rows_done, batches=len(self.batches), seconds=round(seconds, 3))
        return Outcome(
            name=self.backfill.name,
            rows_done=self.rows_done,
            batches=len(self.batches),
            seconds=seconds,
            pending_before=before,
            pending_after=self.pending,
            resumed_from=progress.rows_done,
            passes=passes,
            frame=pd.DataFrame(self.batches, columns=list(DTYPES)).astype(DTYPES),
        )

    def _state(self) -> str:
        if not self.batches:
            return "unchanged by this attempt: no batch was committed."
        return f"{_rows(self.rows_done)} in {len(self.batches):,} batches are committed; nothing is half done."

    def _failed(self, error: errors.QueryFailed) -> errors.BackfillFailed:
        refusal = batch.WORTH_ANOTHER_TRY.get(batch.sqlstate(error))
        advice = (
            f"Correct what {self.backfill.name} declares, or the rows it met, then run again: it goes on from here."
        )
        if refusal:
            advice = (
                f"End the transactions that hold locks on {self.backfill.table}, then run again: it goes on from here."
            )
        if not batch.sqlstate(error):
            advice = (
                "Run again when the server answers: the ledger and `pending` say what is done, and it goes on there."
            )
        return errors.BackfillFailed(
            f"The backfill {self.backfill.name} failed in batch {len(self.batches) + 1:,}.",
            why=f"{refusal}, {self.attempts} times ({batch.reason(error)})." if refusal else f"{batch.reason(error)}.",
            next=advice,
            evidence=error.evidence,
            state=self._state(),
        )

    def _idle(self, count: int) -> errors.BackfillFailed:
        return errors.BackfillFailed(
            f"The backfill {self.backfill.name} changes nothing: {_rows(count)} of its first batch stay pending.",
            why="`apply` did not make `pending` false for them.",
            next="Correct `apply`, or leave out of `pending` what it cannot do.",
            state=self._state(),
        )

    def _stuck(self, count: int) -> errors.BackfillFailed:
        return errors.BackfillFailed(
            f"The backfill {self.backfill.name} leaves {_rows(count)} pending.",
            why="they were in a batch, and `apply` did not make `pending` false for them.",
            next=f"Look at what is pending in {self.backfill.table}; leave out of `pending` what `apply` cannot do.",
            state=self._state(),
        )

    def _endless(self) -> errors.BackfillFailed:
        return errors.BackfillFailed(
            f"The backfill {self.backfill.name} still has {_rows(self.pending)} pending after {PASSES} passes.",
            why="rows become pending as fast as they are done: something still writes them the old way.",
            next="Deploy the application that writes the new way, or stop the writers; then run again.",
            state=self._state(),
        )


def _rows(count: int) -> str:
    return f"{count:,} row" + ("" if count == 1 else "s")
