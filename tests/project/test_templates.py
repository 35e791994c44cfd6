"""What ``alembic init`` and ``flask db init`` of the installed versions write, driven as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from alembook.postgres.connection import Connection, Database, scalar
from alembook.project import state
from tests.project.conftest import EXAMPLES, MakeProject, Project

BODY = 'op.create_table("made", sa.Column("id", sa.Integer, primary_key=True))'
BACK = 'op.drop_table("made")'


@pytest.fixture
def bare(make: MakeProject, database18: Database) -> Project:
    """Returns a project of which nothing is there yet."""
    project = make(database18, "generic")
    (project.folder / "alembic.ini").unlink()
    shutil.rmtree(project.folder / "migrations")
    return project


def call(project: Project, *arguments: str, **variables: str) -> None:
    """Calls a program of the project's interpreter in its folder."""
    environment = {**os.environ, **variables}
    subprocess.run([sys.executable, "-m", *arguments], cwd=project.folder, env=environment, check=True)


def there_and_back(project: Project, connection: Connection, *, argument: str = "") -> None:
    """Writes a revision, looks, applies it and takes it back."""
    head = f"\n\ndef downgrade({argument}):\n    {BACK}\n"
    file = project.revision("ab0000000001", None, BODY)
    text = file.read_text().replace("def upgrade():", f"def upgrade({argument}):").partition("def downgrade")[0]
    file.write_text(text.rstrip() + "\n" + head)
    assert project.describe().heads == ("ab0000000001",)
    project.upgrade("ab0000000001")
    assert state.read(connection) == ("ab0000000001",)
    project.downgrade("ab0000000001")
    assert (state.read(connection), scalar(connection, "SELECT to_regclass('made')")) == ((), None)


@pytest.mark.parametrize("template", ["generic", "async", "pyproject", "pyproject_async"])
def test_alembic(bare: Project, connection18: Connection, template: str) -> None:
    """Nothing has to be set: the placeholder in the ini is written over, with a driver that fits."""
    call(bare, "alembic", "init", "-t", template, "migrations")
    there_and_back(bare, connection18)


def test_alembic_multidb(bare: Project, connection18: Connection) -> None:
    """``bind`` is all that has to be set."""
    call(bare, "alembic", "init", "-t", "multidb", "migrations")
    bare.set(bind="engine2")
    there_and_back(bare, connection18, argument="engine_name")


@pytest.mark.parametrize("options", [(), ("--multidb",)])
def test_flask_migrate(bare: Project, connection18: Connection, options: tuple[str, ...]) -> None:
    """The application's variables lead to the target, and ``bind`` chooses among several."""
    example = "flask_binds" if options else "flask"
    shutil.copy(EXAMPLES / example / "shop.py", bare.folder)
    addresses = {"SHOP_DATABASE": bare.database.url(), "ORDERS_DATABASE": bare.database.url()}
    call(bare, "flask", "db", "init", *options, FLASK_APP="shop:create_app", **addresses)
    bare.set(
        flask_app="shop:create_app",
        working_directory=bare.folder,
        environment=dict.fromkeys(addresses, "{url}"),
        bind="orders" if options else None,
    )
    there_and_back(bare, connection18, argument="engine_name" if options else "")
