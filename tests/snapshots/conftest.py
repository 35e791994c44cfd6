"""Connections that only look, as checks and counts use them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import measurement


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Yields a connection in autocommit mode to an empty database on PostgreSQL 18, then 16."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as opened:
        yield opened


@pytest.fixture
def looking18(database18: Database) -> Iterator[Connection]:
    """Yields a connection inside a snapshot of the database of ``connection18``."""
    with (
        contextlib.closing(connections.connect(database18, application_name="alembook test", read_only=True)) as opened,
        measurement.snapshot(opened),
    ):
        yield opened
