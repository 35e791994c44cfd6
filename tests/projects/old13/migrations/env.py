"""A project that stayed on SQLAlchemy 1.3: models by declarative_base, an engine by engine_from_config."""
from alembic import context
from sqlalchemy import Column, Integer, MetaData, String, Table, engine_from_config, pool

config = context.config
target_metadata = MetaData()
Table("members", target_metadata, Column("id", Integer, primary_key=True), Column("name", String(80), nullable=False), Column("letters", Integer))


def run_migrations_online():
    engine = engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()


run_migrations_online()
