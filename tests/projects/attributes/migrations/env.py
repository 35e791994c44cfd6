"""Takes a connection that a test suite hands over in config.attributes, else one from the ini."""
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config


def run_migrations(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


connectable = config.attributes.get("connection", None)
if connectable is not None:
    run_migrations(connectable)
else:
    engine = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
    with engine.connect() as connection:
        run_migrations(connection)
