"""Makes its own engine from a variable of its own; sqlalchemy.url is nowhere."""
import os

from alembic import context
from sqlalchemy import create_engine

engine = create_engine(os.environ["WAREHOUSE_DSN"], pool_size=2, connect_args={"options": "-c timezone=UTC"})
with engine.connect() as connection:
    context.configure(connection=connection, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
