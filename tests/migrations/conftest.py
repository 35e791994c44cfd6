"""The reference project with a database of its own for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from alembook.postgres.connection import Database
from tests.migrations.project import FOLDER, Project


@pytest.fixture
def project(database: Database) -> Project:
    """Returns the reference project and an empty database, on PostgreSQL 18, then 16."""
    return Project(database=database)


@pytest.fixture
def project18(database18: Database) -> Project:
    """Returns the reference project and an empty database, where the version does not matter."""
    return Project(database=database18)


@pytest.fixture
def copied(database18: Database, tmp_path: Path) -> Project:
    """Returns a copy of the reference project that a test may change, and an empty database."""
    folder = tmp_path / "a copy"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Project(database=database18, folder=folder)
