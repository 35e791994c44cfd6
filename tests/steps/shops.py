"""A shop whose runs are taken back: its database, its application's role, and the situations a run may be left in."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg2 import sql

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres import own
from alembook.postgres.embedded import Server
from alembook.steps import backup, inspection, rollback, upgrade
from alembook.steps.rollback import Rollback
from alembook.verdict import Outcome
from tests.steps.conftest import Desk, furnished
from tests.test_frame import ROOT

APP, OWNER = f"app_{os.getpid()}", f"owner_{os.getpid()}"
#: What the application's role has of its own, in and around the database.
OWN = """
    REVOKE ALL ON DATABASE {database} FROM PUBLIC;
    GRANT CONNECT ON DATABASE {database} TO {app};
    ALTER DATABASE {database} SET statement_timeout TO '33s';
    ALTER ROLE {app} IN DATABASE {database} SET search_path TO shop, public;
    COMMENT ON DATABASE {database} IS 'the shop';
    GRANT SELECT, INSERT ON orders TO {app};
    GRANT SELECT ON customers TO {app}
"""
CONTENTS = """
    SELECT concat_ws(' ',
        (SELECT version_num FROM alembic_version),
        (SELECT md5(string_agg(o::text, ',' ORDER BY id)) FROM (SELECT id, customer_id, note, kind FROM orders) AS o),
        (SELECT md5(string_agg(c::text, ',' ORDER BY id)) FROM customers AS c),
        (SELECT string_agg(attname, ',' ORDER BY attname) FROM pg_attribute
          WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped))
"""
STANDING = "SELECT concat_ws(' ', (SELECT version_num FROM alembic_version), (SELECT count(*) FROM orders))"


@dataclass(frozen=True)
class Shop:
    """A desk whose database is at the first revision of the project ``returning``, with an application's role."""

    desk: Desk
    server: Server

    def begin(self, to: str) -> archive.RunFolder:
        """Begins a run: inspect and backup, not the scratch."""
        begun = archive.begin(self.desk.folder / "runs", "demo", to=to)
        with self.desk.book("inspect", folder=begun) as book:
            inspection.inspect(book, to=to)
        with self.desk.book("backup", folder=begun) as book:
            backup.make(book).require()
        return begun

    def upgrade(self, run: archive.RunFolder) -> upgrade.Upgrade:
        """Upgrades the first stage."""
        with self.desk.book("upgrade", stage=1, folder=run) as book:
            return upgrade.apply(book)

    def roll_back(self, run: archive.RunFolder, way: str, *, accept: str = "", again: bool = False) -> Rollback:
        """Takes a run back, in a run of its own."""
        root = self.desk.folder / "runs"
        folder = self.desk.run() if again else archive.begin(root, "demo", to="", rolls_back=run.run_id, way=way)
        with self.desk.book("rollback", folder=folder) as book:
            return rollback.roll_back(book, accept_loss=accept)

    def as_app(self, query: str) -> object:
        """Returns what a query gives the application's role."""
        where = replace(self.desk.database, user=APP)
        with contextlib.closing(connections.connect(where, application_name="app")) as connection:
            return connections.scalar(connection, query)

    def own(self, name: str = "") -> own.Own:
        """Returns what a database has of its own."""
        with contextlib.closing(connections.connect(self.server.ensure(), application_name="test")) as connection:
            found = own.read(connection, name or self.desk.database.dbname)
        assert found is not None
        return found

    def databases(self) -> list[str]:
        """Returns the names of the databases that are this one's, the live one left out."""
        query = "SELECT datname FROM pg_database WHERE datname LIKE %(like)s AND datname <> %(name)s ORDER BY 1"
        names = {"like": f"{self.desk.database.dbname}%", "name": self.desk.database.dbname}
        with contextlib.closing(connections.connect(self.server.ensure(), application_name="test")) as connection:
            return [row["datname"] for row in connections.rows(connection, query, names)]


@contextlib.contextmanager
def opened(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields the shop in a folder; its databases and roles are dropped afterwards."""
    name = f"shop_{os.getpid()}"
    shutil.copytree(
        ROOT / "tests/projects/returning", tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__")
    )
    desk = furnished(tmp_path, server18.create_database(name))
    with (tmp_path / "alembook.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.demo.rehearsal]\nscratch = "file:database-url"\n')
    found = Shop(desk, server18)
    desk.migrate("7b0000000001")
    names = {"database": sql.Identifier(name), "app": sql.Identifier(APP)}
    with contextlib.closing(connections.connect(desk.database, application_name="test")) as connection:
        connections.execute(connection, sql.SQL("CREATE ROLE {app} LOGIN").format(**names))
        connections.execute(connection, sql.SQL(OWN).format(**names))
    yield found
    with contextlib.closing(connections.connect(server18.ensure(), application_name="test")) as connection:
        query = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %(owner)s AND datname <> %(name)s"
        others = {"owner": OWNER, "name": name}
        owned = [row["datname"] for row in connections.rows(connection, query, others)]
        for each in dict.fromkeys([*owned, *found.databases(), name]):
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(each))
            connections.execute(connection, drop)
        connections.execute(connection, sql.SQL("DROP ROLE {app}").format(**names))
        connections.execute(connection, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(OWNER)))


def failed_upgrade(shop: Shop) -> archive.RunFolder:
    """Returns a run whose upgrade failed at its last revision."""
    run = shop.begin("head")
    assert isinstance(shop.upgrade(run).error, errors.UpgradeFailed)
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000004"
    return run


def complete(shop: Shop) -> archive.RunFolder:
    """Returns a run that went to its end."""
    run = shop.begin("7b0000000003")
    shop.upgrade(run).require()
    shop.desk.verify().require()
    return run


def failed_verify(shop: Shop) -> archive.RunFolder:
    """Returns a run whose verification FAILED: an order is gone."""
    run = shop.begin("7b0000000003")
    shop.upgrade(run).require()
    shop.desk.execute("DELETE FROM orders WHERE id = 7")
    assert shop.desk.verify().gate.outcome is Outcome.FAILED
    return run
