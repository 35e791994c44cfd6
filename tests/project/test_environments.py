"""Kinds of Alembic environments, each driven for real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, execute, scalar
from alembook.project import graph, state
from tests.project.conftest import Project

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")

ASYNC = """
    import asyncio

    from alembic import context
    from sqlalchemy import pool
    from sqlalchemy.ext.asyncio import async_engine_from_config

    config = context.config


    def do_run_migrations(connection):
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()


    async def main():
        section = config.get_section(config.config_ini_section)
        engine = async_engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool)
        async with engine.connect() as connection:
            await connection.run_sync(do_run_migrations)
        await engine.dispose()


    asyncio.run(main())
"""

FLASK_APPLICATION = """
    import os

    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()


    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["SHOP_DATABASE"]
        db.init_app(app)
        Migrate(app, db)
        return app
"""

FLASK_ENV = """
    from logging.config import fileConfig

    from alembic import context
    from flask import current_app

    fileConfig(context.config.config_file_name)
    migrate = current_app.extensions["migrate"]
    with migrate.db.engine.connect() as connection:
        context.configure(connection=connection, target_metadata=migrate.db.metadata, **migrate.configure_args)
        with context.begin_transaction():
            context.run_migrations()
"""


def test_async(generic: Project, connection18: Connection) -> None:
    """An env.py with asyncio and asyncpg is driven like any other: rows counted, failures with SQLSTATE and names."""
    generic.database = replace(generic.database, driver="asyncpg")
    generic.write("migrations/env.py", ASYNC)
    assert generic.describe().versions["driver"].startswith("asyncpg ")
    generic.revision("4d0000000004", GENERIC[-1], "op.execute(\"INSERT INTO accounts VALUES (1, 'ada@example.org')\")")
    with pytest.raises(errors.UpgradeFailed, match='duplicate key value violates unique constraint "accounts_pkey"'):
        generic.upgrade(*GENERIC, "4d0000000004")
    [failed] = generic.told("failed")
    assert (failed["sqlstate"], failed["constraint"], failed["table"]) == ("23505", "accounts_pkey", "accounts")
    assert all(event["changes"] for event in generic.told("revision_committed"))
    assert state.read(connection18) == ("3c0000000003",)


def test_pyproject(generic: Project, connection18: Connection) -> None:
    """A project whose configuration is a table of pyproject.toml needs no ini."""
    (generic.folder / "alembic.ini").unlink()
    generic.write("pyproject.toml", '[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    assert "pyproject.toml" in generic.describe().files
    generic.upgrade(*GENERIC)
    assert state.read(connection18) == ("3c0000000003",)


def test_flask(generic: Project, connection18: Connection) -> None:
    """An application factory is loaded, and its env.py runs in the application's context."""
    (generic.folder / "alembic.ini").rename(generic.folder / "migrations/alembic.ini")
    ini = generic.folder / "migrations/alembic.ini"
    ini.write_text(ini.read_text().replace("script_location = migrations\n", ""))
    generic.write("shop.py", FLASK_APPLICATION)
    generic.write("migrations/env.py", FLASK_ENV)
    generic.set(flask_app="shop:create_app", environment={"SHOP_DATABASE": "{url}"})
    assert generic.describe().mode == "revision"
    generic.upgrade(*GENERIC)
    assert state.read(connection18) == ("3c0000000003",)


def test_arguments_of_x(generic: Project, connection18: Connection) -> None:
    """``alembic_args`` reach env.py as -x, beside options it may ask for."""
    checked = "assert context.get_x_argument(as_dictionary=True) == {'tenant': 'acme'}\nconfig.cmd_opts.raiseerr\n"
    generic.edit_env(("target_metadata = None\n", checked + "target_metadata = None\n"))
    generic.set(alembic_args=("tenant=acme",))
    generic.upgrade(*GENERIC)
    assert state.read(connection18) == ("3c0000000003",)


def test_branches_merges_and_dependencies(generic: Project, connection18: Connection) -> None:
    """Several bases and heads, a merge and a dependency are applied in graph order, as Alembic would record them."""
    generic.revision("left00000001", GENERIC[-1], 'op.create_table("left_1", sa.Column("id", sa.Integer))')
    generic.revision("right0000001", GENERIC[-1], 'op.create_table("right_1", sa.Column("id", sa.Integer))')
    merge = generic.revision("merge0000001", None, "pass")
    both = "down_revision = ('left00000001', 'right0000001')"
    merge.write_text(merge.read_text().replace("down_revision = None", both))
    web = generic.revision("web000000001", None, 'op.create_table("web_1", sa.Column("id", sa.Integer))')
    labels = "branch_labels = ('web',)\ndepends_on = 'left00000001'"
    web.write_text(web.read_text().replace("branch_labels = depends_on = None", labels))
    found = generic.describe()
    assert found.heads == ("merge0000001", "web000000001")
    goal = graph.resolve(found.revisions, (), "heads")
    generic.upgrade(*(revision.id for revision in graph.pending(found.revisions, (), goal)))
    assert state.read(connection18) == ("merge0000001", "web000000001")
    assert state.classify(found.revisions, state.read(connection18)).kind == state.Kind.AT_HEAD


def test_a_table_prefix_and_a_search_path(generic: Project, connection18: Connection) -> None:
    """A version table of another name, found through a search_path only env.py knows, is located."""
    execute(connection18, "CREATE SCHEMA shop")
    path = "connection.exec_driver_sql('SET search_path = shop'); connection.commit()\n        "
    named = "context.configure(version_table='shop_version', connection=connection"
    generic.edit_env(("context.configure(connection=connection", path + named))
    found = generic.describe()
    assert (found.version_table, found.version_table_schema) == ("shop_version", "shop")
    generic.upgrade(*GENERIC)
    assert state.read(connection18, "shop_version", "shop") == ("3c0000000003",)
    assert scalar(connection18, "SELECT to_regclass('shop.accounts')") is not None


def test_an_own_transaction_with_a_waiting_lock(generic: Project, connection18: Connection) -> None:
    """Where env.py holds the transaction a revision that met a lock is tried again too."""
    generic.set(limits={"lock_timeout_ms": 300})
    generic.edit_env(("with connectable.connect()", "with connectable.begin()"))
    assert generic.describe().mode == "external"
    generic.upgrade(*GENERIC[:2])
    execute(connection18, "BEGIN")
    execute(connection18, "SELECT count(*) FROM accounts")
    generic.on("retry", lambda _: execute(connection18, "COMMIT"))
    generic.upgrade("3c0000000003")
    assert len(generic.told("retry")) == 1
    assert state.read(connection18) == ("3c0000000003",)


def test_a_revision_that_cannot_be_read(generic: Project) -> None:
    """A file with a mistake is named with its line."""
    generic.write("migrations/versions/broken.py", "revision = 'x'\ndef upgrade(:\n")
    with pytest.raises(errors.ProjectFailed) as caught:
        generic.describe()
    assert caught.value.what.startswith("The project failed: SyntaxError")
    assert "migrations/versions/broken.py:2" in caught.value.evidence["in the project"]


def test_a_database_ahead_of_the_code(generic: Project) -> None:
    """A version row without a file is refused by Alembic's own word, before anything is applied."""
    generic.upgrade("1a0000000001")
    generic.revision("9z0000000009", "1a0000000001", "pass")
    generic.upgrade("9z0000000009")
    (generic.folder / "migrations/versions/9z0000000009.py").unlink()
    with pytest.raises(errors.ProjectFailed, match="Can't locate revision identified by '9z0000000009'"):
        generic.upgrade("2b0000000002")
