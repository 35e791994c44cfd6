"""Scratch: generic project under several interpreters and drivers."""
import pytest
from pathlib import Path
from alembook.postgres.connection import connect, scalar
from alembook.project import state
from tests.project.conftest import *
IDS = ("1a0000000001", "2b0000000002", "3c0000000003")
ASYNC_ENV = '''
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine
config = context.config
def do(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
async def main():
    engine = create_async_engine(config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(do)
    await engine.dispose()
asyncio.run(main())
'''
@pytest.mark.parametrize(("venv","drv","is_async"), [("old","psycopg2",False),("mid","psycopg2",False),("mid","asyncpg",True),("new","psycopg",False),("new","asyncpg",True),("new","pg8000",False)])
def test_matrix(make, database18, venv, drv, is_async):
    p = make(database18, "generic")
    p.database = replace(p.database, driver=drv)
    p.set(python=Path(f"/tmp/project/{venv}/bin/python"), limits={"lock_timeout_ms": 300})
    if is_async:
        p.write("migrations/env.py", ASYNC_ENV)
    if drv == "pg8000":
        env = p.folder / "migrations/env.py"
        env.write_text(env.read_text().replace('engine_from_config(config.get_section(config.config_ini_section), prefix="sqlalchemy.", poolclass=pool.NullPool)', f'__import__("sqlalchemy").create_engine("postgresql+pg8000://postgres@/{database18.dbname}", connect_args={{"unix_sock": "{database18.host}/.s.PGSQL.{database18.port}"}}, poolclass=pool.NullPool)'))
    d = p.describe()
    print(d.versions, d.reached, d.lock_timeout, d.mode)
    p.revision("4d0000000004", IDS[-1], 'with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY ix ON accounts (name)")')
    p.revision("5e0000000005", "4d0000000004", 'op.execute("INSERT INTO accounts VALUES (1, \'ada@example.org\')")')
    with pytest.raises(Exception) as caught:
        p.upgrade(*IDS, "4d0000000004", "5e0000000005")
    print(caught.value)
    print([e for e in p.told("failed")])
    assert "DETAIL" not in str(p.told("failed"))
    with contextlib.closing(connect(database18, application_name="t")) as c:
        assert state.read(c) == ("4d0000000004",)
        assert scalar(c, "select count(*) from alembook.applied") == 4
    # a lock
    (p.folder/"migrations/versions/5e0000000005.py").unlink()
    p.revision("5e0000000005", "4d0000000004", 'op.execute("ALTER TABLE accounts ADD COLUMN z int")')
    p.events.clear()
    with contextlib.closing(connect(database18, application_name="t")) as c:
        from alembook.postgres.connection import execute
        execute(c, "BEGIN"); execute(c, "SELECT * FROM accounts")
        p.set(limits={"lock_attempts": 2})
        with pytest.raises(Exception) as caught:
            p.upgrade("5e0000000005")
        print(caught.value, p.told("retry"))
        assert len(p.told("retry")) == 1
        execute(c, "COMMIT")
    p.upgrade("5e0000000005")
import contextlib
