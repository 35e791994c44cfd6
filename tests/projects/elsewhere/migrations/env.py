"""Ignores sqlalchemy.url: the database is the one that ELSEWHERE_URL names, whatever Alembic was told."""
import os

from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["ELSEWHERE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
