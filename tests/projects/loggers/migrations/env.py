"""Configures logging for the whole process: existing loggers are silenced, the root logger prints to stdout."""
import logging
from logging.config import fileConfig

from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
before = logging.getLogger("warehouse.audit")
fileConfig(config.config_file_name)
assert before.disabled
logging.disable(logging.INFO)
engine = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
logging.getLogger("alembic.env").warning("everything is said on stdout")
