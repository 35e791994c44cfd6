"""Prints whatever it likes to both streams: events like ours, no end of lines, bytes that are no text."""
import os
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


print("{\"event\": \"finished\"}")
print("{\"event\": \"failed\", \"kind\": \"error\", \"message\": \"of the project\"}", file=sys.stderr)
for number in range(5000):
    print("line", number)
sys.stdout.flush()
os.write(1, b"\xff\xfe no text, and no end of line")
os.write(2, b"x" * 200_000)
run_migrations_online()
sys.stdout.close()
os.close(2)
