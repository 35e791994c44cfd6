"""A workplace for whole runs: a folder with an alembook.toml, the reference project, a filled database of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server

ROOT = Path(__file__).parents[2]
TEMPLATE = "reference_template"
PROVIDERS = 3000
TOML = """\
[targets.demo]
database = "file:database-url"
project = "migrations"
writers = "stopped"
verify = { scope = "all" }
rehearsal = { scratch = "file:database-url" }
"""
ORDER = ["10_inspect", "20_backup", "30_rehearse", "40_upgrade.s1", "50_backfill.s1", "40_upgrade.s2", "60_verify"]


def environment() -> dict[str, str]:
    """Returns the environment of a command under test."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "lib"), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}


@dataclass(frozen=True)
class Workplace:
    """A folder in which alembook is called, and the database its target leads to."""

    folder: Path
    database: Database

    def command(self, *arguments: str) -> list[str]:
        """Returns the command line of a call."""
        return [sys.executable, "-m", "alembook", *arguments]

    def alembook(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Calls alembook and returns how it ended."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
            **options,
        )

    def runs(self) -> list[Path]:
        """Returns the folders of the target's runs, oldest first."""
        return sorted((self.folder / "runs" / "demo").glob("*"))

    def receipt(self, name: str) -> dict[str, Any]:
        """Returns a JSON file of the latest run."""
        found: dict[str, Any] = json.loads((self.runs()[-1] / name).read_text(encoding="utf-8"))
        return found

    def ask(self, query: str) -> Any:
        """Returns the first value a query gives."""
        with contextlib.closing(connections.connect(self.database, application_name="test")) as connection:
            return connections.scalar(connection, query)

    def execute(self, statement: str) -> int:
        """Executes a statement and returns its row count."""
        with contextlib.closing(connections.connect(self.database, application_name="test")) as connection:
            return connections.execute(connection, statement)

    def contents(self) -> str:
        """Returns one hash of everything the application sees, random ids left out."""
        return str(self.ask(CONTENTS))


CONTENTS = """
    SELECT md5(
        (SELECT string_agg(md5(concat_ws('|', p.id, p.provider_name, c.encrypted_config, c.created_at)), ''
                           ORDER BY p.id)
           FROM providers p LEFT JOIN provider_credentials c ON c.id = p.credential_id)
        || (SELECT count(*) FROM provider_credentials)
        || (SELECT string_agg(md5(t::text), '' ORDER BY t.id) FROM tenants t)
        || (SELECT string_agg(md5(d::text), '' ORDER BY d.id) FROM documents d)
    )
"""


def _url(database: Database) -> str:
    return database.url().replace("+psycopg2", "")


def fill(database: Database, providers: int) -> None:
    """Brings an empty database to the revision before the credential pool, and fills it."""
    where = {**environment(), "DATABASE_URL": _url(database)}
    alembic = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", "-x", f"url={database.url()}"]
    subprocess.run([*alembic, "upgrade", "fa8b0fa6f407"], cwd=ROOT, env=where, check=True, capture_output=True)
    load = [sys.executable, "migrations/load.py", "--providers", str(providers), "--tenants", str(providers // 5)]
    subprocess.run(load, cwd=ROOT, env=where, check=True, capture_output=True)


@pytest.fixture(scope="session")
def template(server18: Server, worker_id: str) -> str:
    """Returns the name of a filled database that others are made from; each process of the test run has its own."""
    name = f"{TEMPLATE}_{worker_id}"
    fill(server18.create_database(name), PROVIDERS)
    return name


@contextlib.contextmanager
def made_from(server: Server, template: str, name: str) -> Iterator[Database]:
    """Yields a copy of a database, which is dropped afterwards."""
    identifier = sql.Identifier(name)
    with contextlib.closing(connections.connect(server.ensure(), application_name="test")) as connection:
        connections.execute(
            connection, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(identifier, sql.Identifier(template))
        )
    yield server.ensure().with_dbname(name)
    with contextlib.closing(connections.connect(server.ensure(), application_name="test")) as connection:
        connections.execute(connection, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def furnish(folder: Path, database: Database) -> Workplace:
    """Returns a workplace in an empty folder."""
    (folder / "alembook.toml").write_text(TOML, encoding="utf-8")
    (folder / "database-url").write_text(_url(database), encoding="utf-8")
    made = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "migrations", folder / "migrations", ignore=made)
    return Workplace(folder=folder, database=database)


@pytest.fixture
def workplace(tmp_path: Path, server18: Server, template: str) -> Iterator[Workplace]:
    """Yields a workplace whose filled database is at the revision before the credential pool."""
    with made_from(server18, template, f"run_{os.getpid()}_{abs(hash(tmp_path)) % 10**9}") as database:
        yield furnish(tmp_path, database)


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, server18: Server, template: str
) -> Iterator[tuple[Workplace, subprocess.CompletedProcess[str]]]:
    """Yields a workplace in which one undisturbed run was made, and how it ended."""
    with made_from(server18, template, f"finished_{os.getpid()}") as database:
        place = furnish(tmp_path_factory.mktemp("finished"), database)
        yield place, place.alembook("run", "-t", "demo")
