"""A server of the test's own, to kill and to damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook import process
from alembook.postgres import cluster, embedded
from alembook.postgres.embedded import Server


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a data folder fresh from initdb, to copy: that is quicker than to make one for each test."""
    data = tmp_path_factory.mktemp("made") / "postgres-18"
    programs = embedded.binaries(18)
    cluster.make(data, 18, programs, cluster.owner(data, programs), fast=True)
    return data


@pytest.fixture
def own(tmp_path: Path, made: Path) -> Iterator[Server]:
    """Yields a server of the test's own, with data and not started yet."""
    server = Server(tmp_path / "a project's folder" / ".alembook", 18, grace_s=1.0, fast=True)
    server.folder.mkdir(parents=True)
    copied = process.run(["cp", "-a", str(made), str(server.folder)], environment={})
    assert copied.exit_code == 0, copied.stderr
    yield server
    server.stop()
    server.release()
