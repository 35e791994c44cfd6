"""Runs made of the steps themselves, without notebooks: one for all tests, and a copy of it for each to damage."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from alembook import archive, config
from alembook.postgres import connection as connections
from alembook.postgres import scratch
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.steps import inspection, upgrade, verification
from alembook.steps.runbook import Book
from alembook.steps.verification import Verification
from alembook.verdict import Check, Outcome
from tests.test_frame import ROOT

TOML = """\
[targets.demo]
database = "file:database-url"
project = "project"
writers = "{writers}"
[targets.demo.verify]
scope = "{scope}"
show_keys = {show_keys}
{more}
"""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Desk:
    """A folder with an alembook.toml, and the database its target leads to."""

    folder: Path
    database: Database

    def configure(self, **values: str) -> None:
        """Writes the alembook.toml."""
        chosen = {"writers": "stopped", "scope": "all", "show_keys": "false", "more": "", **values}
        (self.folder / "alembook.toml").write_text(TOML.format(**chosen), encoding="utf-8")

    def target(self) -> config.Target:
        """Returns the target as alembook.toml has it now."""
        return config.load(self.folder / "alembook.toml").target("demo")

    def run(self) -> archive.RunFolder:
        """Returns the latest run."""
        return archive.runs(self.folder / "runs", "demo")[-1]

    @contextlib.contextmanager
    def book(self, step: str, *, stage: int = 0, folder: archive.RunFolder | None = None) -> Iterator[Book]:
        """Yields the opened runbook of a step of the latest run."""
        book = Book(step=step, stage=stage, target=self.target(), folder=folder or self.run())
        try:
            yield book
        finally:
            book.close()

    def plan(self, to: str) -> int:
        """Begins a run and freezes its plan; returns how many stages it has."""
        begun = archive.begin(self.folder / "runs", "demo", to=to)
        with self.book("inspect", folder=begun) as book:
            inspection.inspect(book, to=to)
            return len(book.plan().stages)

    def migrate(self, to: str) -> None:
        """Begins a run and upgrades."""
        stages = self.plan(to)
        for stage in range(1, stages + 1):
            with self.book("upgrade", stage=stage) as book:
                upgrade.apply(book).require()

    def verify(self) -> Verification:
        """Verifies the latest run."""
        with self.book("verify") as book:
            return verification.verify(book)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yields a connection."""
        opened = connections.connect(self.database, application_name="alembook test")
        with connections.closing(opened) as connection:
            yield connection

    def execute(self, statement: str) -> None:
        """Executes a statement."""
        with self.connect() as connection:
            connections.execute(connection, statement)

    def ask(self, query: str) -> Any:
        """Returns the first value a query gives."""
        with self.connect() as connection:
            return connections.scalar(connection, query)


def copies(desk: Desk) -> list[scratch.Scratch]:
    """Returns the restored copies of a desk's runs."""
    ids = {run.run_id for run in archive.runs(desk.folder / "runs", "demo")}
    return [each for place in scratch.existing(desk.target()) for each in scratch.find(place) if each.run_id in ids]


def drop_copies(desk: Desk) -> None:
    """Drops them: they would be in the way of whoever looks for what was left behind."""
    for each in copies(desk):
        scratch.drop(each)


def closed_by(found: Verification) -> dict[str, Check]:
    """Returns the must checks that are not PASSED, by name."""
    return {check.name: check for check in found.gate.closed_by}


def noticed(found: Verification) -> dict[str, Check]:
    """Returns every check that is not PASSED, by name."""
    return {check.name: check for check in found.checks if check.outcome is not Outcome.PASSED}


@contextlib.contextmanager
def copied(server: Server, template: Desk, folder: Path) -> Iterator[Desk]:
    """Yields a copy of a desk: folder and database. The database is dropped afterwards."""
    name = f"desk_{os.getpid()}_{next(_numbers)}"
    names = {"new": sql.Identifier(name), "old": sql.Identifier(template.database.dbname)}
    maintenance = connections.connect(server.ensure(), application_name="alembook test")
    with connections.closing(maintenance) as connection:
        connections.execute(connection, sql.SQL("CREATE DATABASE {new} TEMPLATE {old}").format(**names))
        shutil.copytree(template.folder, folder, dirs_exist_ok=True)
        yield furnished(folder, server.ensure().with_dbname(name))
        connections.execute(connection, sql.SQL("DROP DATABASE {new} WITH (FORCE)").format(**names))


def furnished(folder: Path, database: Database, **values: str) -> Desk:
    """Returns a desk in a folder that holds the project already."""
    (folder / "database-url").write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
    desk = Desk(folder, database)
    desk.configure(**values)
    return desk


@pytest.fixture(scope="session")
def filled(server18: Server, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Returns a desk whose database is at the first revision of the project ``guarded``, with rows."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copytree(ROOT / "tests/projects/guarded", folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    desk = furnished(folder, server18.create_database(f"filled_{os.getpid()}"))
    desk.migrate("1a0000000041")
    return desk


@pytest.fixture(scope="session")
def migrated(server18: Server, filled: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Yields a desk whose run brought the database to head, not verified yet."""
    with copied(server18, filled, tmp_path_factory.mktemp("migrated")) as desk:
        desk.migrate("head")
        yield desk


@pytest.fixture
def desk(server18: Server, filled: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Yields a desk at the first revision."""
    with copied(server18, filled, tmp_path) as copy:
        yield copy


@pytest.fixture
def done(server18: Server, migrated: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Yields a desk whose run has only to be verified."""
    with copied(server18, migrated, tmp_path) as copy:
        yield copy
