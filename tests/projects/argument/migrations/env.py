"""Its address is an argument: alembic -x dsn=postgresql://... upgrade head."""
from alembic import context
from sqlalchemy import create_engine, pool

dsn = context.get_x_argument(as_dictionary=True).get("dsn")
if dsn is None:
    raise SystemExit("usage: alembic -x dsn=URL ...")
with create_engine(dsn, poolclass=pool.NullPool).begin() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
