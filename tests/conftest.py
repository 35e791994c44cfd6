"""Real PostgreSQL for the tests: one embedded server for each major version, a database of its own for each test.

The processes of a test run (pytest-xdist) share the servers: each calls ``ensure`` on one folder, whose name the first
process hands to the others. That process stops them at the end; if it is killed, their keepers stop them, because
nobody holds a lease any more.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres import embedded
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from tests import interpreters

MAJORS = (18, 16)
_FOLDER = pytest.StashKey[Path]()
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder of the servers, or takes over the one that the first process of the run made."""
    given = getattr(config, "workerinput", {}).get("servers")
    if given is None:
        folder = Path(tempfile.mkdtemp(prefix="alembook-tests-"))
        folder.chmod(0o755)  # as root the servers run as nobody, who has to get through
    config.stash[_FOLDER] = Path(given) if given else folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hands the folder to another process of the run (pytest-xdist)."""
    node.workerinput["servers"] = str(node.config.stash[_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the servers and removes their data, once, when every process of the run has ended."""
    if hasattr(config, "workerinput") or _FOLDER not in config.stash:
        return
    for major in MAJORS:
        _server(config, major).stop()
    shutil.rmtree(config.stash[_FOLDER], ignore_errors=True)


def _server(config: pytest.Config, major: int) -> Server:
    return embedded.Server(config.stash[_FOLDER], major, fast=True)


@pytest.fixture(scope="session")
def server18(pytestconfig: pytest.Config) -> Server:
    """Returns the running PostgreSQL 18."""
    server = _server(pytestconfig, 18)
    server.ensure()
    return server


@pytest.fixture(scope="session")
def server16(pytestconfig: pytest.Config) -> Server:
    """Returns the running PostgreSQL 16."""
    server = _server(pytestconfig, 16)
    server.ensure()
    return server


@pytest.fixture(scope="session", params=MAJORS, ids=[f"postgres{major}" for major in MAJORS])
def server(request: pytest.FixtureRequest) -> Server:
    """Returns the running PostgreSQL 18, then 16: the test runs for both."""
    found: Server = request.getfixturevalue(f"server{request.param}")
    return found


@contextlib.contextmanager
def _fresh(server: Server) -> Iterator[Database]:
    """Yields an empty database, which is dropped afterwards with whatever is still connected to it."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    database = server.create_database(name)
    yield database
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with contextlib.closing(connections.connect(server.ensure(), application_name="alembook test")) as connection:
        connections.execute(connection, drop)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """Yields an empty database on PostgreSQL 18, then 16."""
    with _fresh(server) as fresh:
        yield fresh


@pytest.fixture
def database18(server18: Server) -> Iterator[Database]:
    """Yields an empty database on PostgreSQL 18, where the version does not matter."""
    with _fresh(server18) as fresh:
        yield fresh


@pytest.fixture
def connection18(database18: Database) -> Iterator[Connection]:
    """Yields a connection in autocommit mode to an empty database on PostgreSQL 18."""
    with contextlib.closing(connections.connect(database18, application_name="alembook test")) as connection:
        yield connection


@pytest.fixture(scope="session")
def interpreter(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Returns a function that makes the interpreter of an example project with a requirements.txt, or finds it made."""
    cache = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir("interpreters") if cache else pytestconfig.stash[_FOLDER] / "interpreters"
    return lambda example: interpreters.make(folder, example)
