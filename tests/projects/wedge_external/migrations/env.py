"""As the multidb template does it: env.py begins the transaction, and commits it when everything went well."""
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
engine = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)
connection = engine.connect()
transaction = connection.begin()
try:
    context.configure(connection=connection)
    context.run_migrations()
    transaction.commit()
except:  # noqa: E722
    transaction.rollback()
    raise
finally:
    connection.close()
