"""Who may roll back, and what a rollback that is given up leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.runner import rolling
from tests.steps.conftest import furnished
from tests.steps.shops import APP, CONTENTS, OWNER, Shop, complete, opened


@pytest.fixture
def shop(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields a shop at the first revision."""
    with opened(server18, tmp_path) as found:
        yield found


def test_an_owner_who_is_no_superuser_can_do_it(shop: Shop) -> None:
    """CREATEDB and ownership are enough; where roles have settings in the database, the gate says who may set them."""
    name = shop.desk.database.dbname
    names = {"owner": sql.Identifier(OWNER), "name": sql.Identifier(name), "app": sql.Identifier(APP)}
    give = """
        CREATE ROLE {owner} LOGIN CREATEDB;
        ALTER DATABASE {name} OWNER TO {owner};
        ALTER TABLE orders OWNER TO {owner}; ALTER TABLE customers OWNER TO {owner};
        ALTER TABLE alembic_version OWNER TO {owner}; ALTER SCHEMA alembook OWNER TO {owner};
        ALTER TABLE alembook.applied OWNER TO {owner}
    """
    with contextlib.closing(connections.connect(shop.desk.database, application_name="test")) as connection:
        connections.execute(connection, sql.SQL(give).format(**names))
    role = Shop(furnished(shop.desk.folder, replace(shop.desk.database, user=OWNER)), shop.server)
    with (shop.desk.folder / "alembook.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.demo.rehearsal]\nscratch = "file:database-url"\n')
    before, own_before = shop.desk.ask(CONTENTS), shop.own()
    run = complete(role)
    with shop.desk.connect() as superuser:
        shop.desk.execute(f"ALTER ROLE {OWNER} NOCREATEDB")
        refused = role.roll_back(run, "restore")
        pid = superuser.info.backend_pid
    shop.desk.execute(f"ALTER ROLE {OWNER} CREATEDB")
    assert {check.name: (check.found, check.next) for check in refused.gate.closed_by} == {
        "a copy can be made beside the database": (
            f"{OWNER} has not",
            f"Have an administrator run: ALTER ROLE {OWNER} CREATEDB.",
        ),
        "every session in the database can be ended": (
            f"pid {pid} (alembook test, postgres)",
            f"GRANT pg_signal_backend TO {OWNER}; a superuser's session only a superuser ends.",
        ),
        "settings of roles in it can be given to its copy": (
            APP,
            "Only a superuser, or a role with CREATEROLE and ADMIN on these, may ALTER ROLE ... IN DATABASE.",
        ),
    }
    assert shop.databases() == []
    assert shop.own() == own_before
    reset = sql.SQL("ALTER ROLE {app} IN DATABASE {name} RESET ALL").format(**names)
    with contextlib.closing(connections.connect(shop.server.ensure(), application_name="test")) as connection:
        connections.execute(connection, reset)
    done = role.roll_back(run, "restore", again=True)
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert shop.desk.ask(CONTENTS) == before
    assert [text for text in shop.own().differences(own_before) if "search_path" not in text] == []
    assert shop.as_app("SELECT count(*) FROM orders") == 300


def test_a_rollback_that_is_given_up_leaves_no_copy(shop: Shop) -> None:
    """The copy is dropped, a database that was left closed is opened, and both are said; so is it for another run."""
    run = complete(shop)
    shop.desk.execute("INSERT INTO customers VALUES (21, 'new')")
    assert isinstance(shop.roll_back(run, "restore").error, errors.Waiting)
    (copy,) = shop.databases()
    assert rolling.give_up(shop.desk.database, shop.desk.run()) == f"The copy {copy} was dropped."
    assert shop.databases() == []
    assert rolling.give_up(shop.desk.database, run) == ""
