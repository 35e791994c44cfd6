"""A table of items to do, and a way to run a backfill over it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from alembook.backfills import SQL, Backfill, engine
from alembook.backfills.pace import Pace
from alembook.config import Backfill as Policy
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database

#: An item's value is not idempotent under this: done twice or not at all, it shows.
DOUBLE = "UPDATE items SET value = value * 2 + 1, done = true FROM batch WHERE items.id = batch.id"
ITEMS = """
    CREATE TABLE items (id integer PRIMARY KEY, value bigint NOT NULL, done boolean NOT NULL DEFAULT false);
    INSERT INTO items SELECT i, i % 1000 FROM generate_series(1, {rows}) AS i;
"""


@dataclass
class Workshop:
    """One database with items, and everything that was told while backfills ran."""

    database: Database
    connection: Connection
    events: list[Mapping[str, Any]] = field(default_factory=list)

    def make_items(self, rows: int) -> None:
        """Makes the table of items, none of them done."""
        self.do(ITEMS.format(rows=rows))

    def do(self, sql: str) -> int:
        """Executes a statement."""
        return connections.execute(self.connection, sql)

    def ask(self, sql: str) -> Any:
        """Returns one value."""
        return connections.scalar(self.connection, sql)

    def connect(self, **settings: str) -> Connection:
        """Returns a further connection."""
        return connections.connect(
            self.database, application_name="alembook test", settings={"lock_timeout": "300ms", **settings}
        )

    def run(self, backfill: Backfill, **options: Any) -> engine.Outcome:
        """Runs a backfill in small batches and keeps its events."""
        given = {"policy": Policy(), "ledger": "alembook", "run_id": "run-1", "pace": Pace(first=100), **options}
        connect: Callable[[], Connection] = given.pop("connect", self.connect)
        return engine.run(backfill, connect=connect, on_batch=self.events.append, **given)

    def told(self, event: str) -> list[Mapping[str, Any]]:
        """Returns the events of one kind."""
        return [told for told in self.events if told["event"] == event]


def doubling(**changes: Any) -> Backfill:
    """Returns the backfill that doubles items, changed where asked."""
    declared: dict[str, Any] = {
        "name": "doubling",
        "after": "a1",
        "before": "b2",
        "table": "items",
        "key": ("id",),
        "pending": "NOT done",
        "apply": SQL(DOUBLE),
    }
    return Backfill(**{**declared, **changes})


@pytest.fixture
def declare() -> Callable[..., Backfill]:
    """Returns the maker of backfills over items."""
    return doubling


def _workshop(database: Database) -> Iterator[Workshop]:
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        yield Workshop(database=database, connection=connection)


@pytest.fixture
def workshop(database: Database) -> Iterator[Workshop]:
    """Yields a workshop on PostgreSQL 18, then 16."""
    yield from _workshop(database)


@pytest.fixture
def workshop18(database18: Database) -> Iterator[Workshop]:
    """Yields a workshop on PostgreSQL 18."""
    yield from _workshop(database18)
