"""The progress of backfills inside the target, committed with each batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a range is.

    Attributes:
        position: last key that is done, the text of each key column; None at the start.
        rows_done: rows done so far, by all attempts of the run.
        batches: batches committed so far, by all attempts of the run.
    """

    position: tuple[str, ...] | None = None
    rows_done: int = 0
    batches: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The progress row of one backfill's range in one run.

    Attributes:
        schema: where the ledger lies; None keeps nothing in the target, and ``pending`` alone knows what is left.
        range: number of the range of keys; one worker has one range, 0.
    """

    connection: connections.Connection
    schema: str | None
    run_id: str
    name: str
    range: int = 0

    def start(self, declaration: str) -> Progress:
        """Returns where to go on, and opens the row; makes the ledger when it is not there.

        Args:
            declaration: SHA-256 of what is declared; a different one than the row's begins at the start.

        Raises:
            errors.BackfillFailed: the ledger cannot be made or written.
        """
        if self.schema is None:
            return Progress()
        try:
            ensure(self.connection, self.schema)
            row = connections.rows(
                self.connection, self._sql("ledger_start.sql"), self._named(declaration=declaration)
            )[0]
        except errors.QueryFailed as error:
            raise errors.BackfillFailed(
                f"The ledger in schema {self.schema} cannot be written.",
                why=f"{error.what} {error.why}",
                next="Grant the role CREATE on the database, or set `ledger = false` to keep nothing in the target.",
                state="unchanged: no batch was begun.",
            ) from error
        position = tuple(row["position"]) if row["position"] is not None else None
        return Progress(position=position, rows_done=row["rows_done"], batches=row["batches"])

    def advance(self, position: Sequence[str], rows: int) -> None:
        """Records a batch; to be called inside its transaction.

        Raises:
            errors.BackfillFailed: the row is gone, so progress cannot be kept.
            errors.QueryFailed: the server refused it.
        """
        if self.schema is None:
            return
        values = self._named(position=json.dumps(list(position)), rows=rows)
        if connections.execute(self.connection, self._sql("ledger_advance.sql"), values) != 1:
            raise errors.BackfillFailed(
                f"The progress row of {self.name} is gone from {self.schema}.backfill_progress.",
                why="somebody deleted it while the backfill ran.",
                next="Run the backfill again; it begins at the start and skips what is no longer pending.",
                state="the batches before this one are committed, this one is rolled back.",
            )

    def end(self, status: str) -> None:
        """Records ``done`` or ``failed``. Raises errors.QueryFailed: the server refused it."""
        if self.schema is not None:
            connections.execute(self.connection, self._sql("ledger_end.sql"), self._named(status=status))

    def _sql(self, name: str) -> sql.Composed:
        return sql.SQL(statements.load(__package__, name)).format(schema=sql.Identifier(self.schema or ""))

    def _named(self, **further: Any) -> dict[str, Any]:
        return {"run_id": self.run_id, "name": self.name, "range": self.range, **further}


def exists(connection: connections.Connection, schema: str) -> bool:
    """Says whether the ledger's table of progress is there. Raises errors.QueryFailed."""
    return bool(connections.scalar(connection, statements.load(__package__, "ledger_find.sql"), {"schema": schema}))


def batches(connection: connections.Connection, schema: str | None, run_id: str) -> dict[str, int]:
    """Returns how many batches of each backfill a run has committed, by its name; nothing where none are kept.

    Raises:
        errors.QueryFailed: the ledger cannot be read.
    """
    if schema is None or not exists(connection, schema):
        return {}
    query = sql.SQL(statements.load(__package__, "ledger_batches.sql")).format(schema=sql.Identifier(schema))
    return {row["name"]: int(row["batches"]) for row in connections.rows(connection, query, {"run_id": run_id})}


def ensure(connection: connections.Connection, schema: str) -> None:
    """Makes schema and table when the table is not there. Raises errors.QueryFailed: the role may not."""
    if not exists(connection, schema):
        template = sql.SQL(statements.load(__package__, "ledger.sql"))
        connections.execute(connection, template.format(schema=sql.Identifier(schema)))
