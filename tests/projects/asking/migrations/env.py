"""Asks before it migrates, unless MIGRATE_YES is set."""
import os

from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config


def run_migrations_online():
    engine = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()


if not os.environ.get("MIGRATE_YES") and input("Migrate this database? [y/N] ") != "y":
    raise SystemExit("not migrated")
run_migrations_online()
