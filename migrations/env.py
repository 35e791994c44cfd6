"""Runs the revisions of the reference project, or compares the models with a database.

The URL comes from ``-x url=...`` or, without it, from ``sqlalchemy.url``; it is never logged. Each revision is one
transaction of its own, so a failure leaves the database at the last good revision. See README.md for the reasons.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from logging.config import fileConfig
from typing import Any

from alembic import context
from alembic.autogenerate.rewriter import Rewriter
from alembic.operations import MigrationScript
from alembic.operations.ops import CreateTableOp
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from models import Base
from sqlalchemy import URL, ForeignKeyConstraint, create_engine, make_url
from sqlalchemy.pool import NullPool

LEDGER_SCHEMA = "alembook"
"""The schema in which the runbooks keep what they applied: theirs, so autogenerate must not offer to drop it."""

DRIVER = "postgresql+psycopg2"

config = context.config
without_foreign_keys = Rewriter()


def url() -> URL | None:
    """Returns where to connect to, with the driver this project is tested with, or None when nobody said."""
    text = context.get_x_argument(as_dictionary=True).get("url") or config.get_main_option("sqlalchemy.url")
    if not text:
        return None
    given = make_url(text)
    return given.set(drivername=DRIVER) if given.drivername in ("postgres", "postgresql") else given


def include_name(name: str | None, type_: str, parent_names: Any) -> bool:  # noqa: ARG001 - Alembic calls it by position
    """Leaves the ledger's schema out before it is even read."""
    return not (type_ == "schema" and name == LEDGER_SCHEMA)


def include_object(item: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:  # noqa: ARG001
    """Leaves foreign keys out of every comparison, and whatever lies in the ledger's schema."""
    if type_ == "foreign_key_constraint":
        return False
    table = item if type_ == "table" else getattr(item, "table", None)
    return getattr(table, "schema", None) != LEDGER_SCHEMA


@without_foreign_keys.rewrites(CreateTableOp)
def _without_foreign_keys(
    context: MigrationContext,  # noqa: ARG001
    revision: tuple[str, ...],  # noqa: ARG001
    operation: CreateTableOp,
) -> CreateTableOp:
    """Takes the foreign keys out of a new table: ``include_object`` is not asked about those."""
    operation.columns = [item for item in operation.columns if not isinstance(item, ForeignKeyConstraint)]
    return operation


def process_revision_directives(
    context: MigrationContext, revision: str | Iterable[str | None] | Iterable[str], directives: list[MigrationScript]
) -> None:
    """Writes no file when ``revision --autogenerate`` finds no difference."""
    without_foreign_keys(context, revision, directives)
    wants_file = getattr(config.cmd_opts, "autogenerate", False)
    if wants_file and all(operations.is_empty() for operations in directives[0].upgrade_ops_list):
        directives[:] = []
        logging.getLogger("alembic.env").info("No changes in schema detected: no revision is written.")


OPTIONS: dict[str, Any] = {
    "target_metadata": Base.metadata,
    "transaction_per_migration": True,
    "compare_type": True,
    "include_name": include_name,
    "include_object": include_object,
    "process_revision_directives": process_revision_directives,
}


def run_offline() -> None:
    """Prints the SQL. Connects to nothing and needs no URL."""
    # "named" keeps a % in the SQL what it is; psycopg2's own style would double it.
    context.configure(dialect_name=DRIVER, literal_binds=True, dialect_opts={"paramstyle": "named"}, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Connects once and runs what the command asks for.

    Raises:
        CommandError: when nobody said where the database is.
    """
    target = url()
    if target is None:
        raise CommandError(
            "No database URL. Give it with  alembic -c migrations/alembic.ini -x url=postgresql://user@host/name ...  "
            "or set sqlalchemy.url in a configuration of your own; leave the password to ~/.pgpass or PGPASSWORD."
        )
    engine = create_engine(target, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()


# A program that embeds Alembic has set up its logging already: fileConfig would take its handlers away.
if config.config_file_name is not None and not logging.getLogger().handlers:
    fileConfig(config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    run_offline()
else:
    run_online()
