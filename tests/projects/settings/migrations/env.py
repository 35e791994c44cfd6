"""Takes its address from the application's settings, piece by piece."""
from alembic import context
from settings import Settings
from sqlalchemy import create_engine, pool

with create_engine(Settings().url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
