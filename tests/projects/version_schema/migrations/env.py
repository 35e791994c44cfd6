"""Its tables and its version table live in schemas of its own, which env.py makes first."""
from alembic import context
from sqlalchemy import engine_from_config, pool, text

config = context.config
engine = engine_from_config(config.get_section(config.config_ini_section), poolclass=pool.NullPool)
with engine.connect() as connection:
    for schema in ("ops", "ledger"):
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS " + schema))
    connection.commit()
    context.configure(
        connection=connection, version_table="schema_version", version_table_schema="ops", include_schemas=True
    )
    with context.begin_transaction():
        context.run_migrations()
