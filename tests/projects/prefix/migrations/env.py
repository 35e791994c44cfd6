"""Several installations share a database: tables, and the version table, have the prefix that -x names."""
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
prefix = context.get_x_argument(as_dictionary=True)["prefix"]
engine = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        version_table=prefix + "alembic_version",
        table_prefix=prefix,
        include_name=lambda name, type_, parents: type_ != "table" or name.startswith(prefix),
    )
    with context.begin_transaction():
        context.run_migrations()
