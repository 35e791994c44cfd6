"""Servers of a test's own, with settings that need a start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alembook.postgres import cluster
from alembook.postgres.embedded import Server


@contextlib.contextmanager
def own_server(folder: Path, *settings: str) -> Iterator[Server]:
    """Yields a PostgreSQL 18 of its own in a folder, with lines added to its postgresql.conf; stopped afterwards."""
    server = Server(folder, 18, grace_s=1.0, fast=True)
    server.places.run.parent.mkdir(parents=True, exist_ok=True)
    programs = cluster.binaries(18)
    owner = cluster.owner(server.places.data, programs)
    cluster.make(server.places.data, 18, programs, owner, fast=True)
    with (server.places.data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in settings)
    yield server
    server.stop()
    server.release()
