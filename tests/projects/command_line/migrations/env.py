"""Looks at the command line: what it may do depends on the command."""
import sys

from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config


def run_migrations_online():
    engine = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()


options = config.cmd_opts
command = options.cmd[0].__name__
if command not in sys.argv or "stamp" in sys.argv or options.sql or options.tag or options.x != ["tenant=acme"]:
    raise SystemExit("a command line of its own: {}, {}".format(sys.argv, options))
if command == "downgrade":
    raise SystemExit("there is no way back in production: {}".format(options.revision))
run_migrations_online()
