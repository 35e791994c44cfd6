"""Asks Alembic itself for a transaction per migration, and hangs a callback of its own on each."""
import sys

from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config


def note(ctx, step, heads, run_args):
    print("applied", *heads, file=sys.stderr)


engine = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True, on_version_apply=note)
    with context.begin_transaction():
        context.run_migrations()
