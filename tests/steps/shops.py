"""A shop whose runs are taken back: its database, its application's role, and the situations a run may be left in."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import psycopg2
from psycopg2 import sql

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres import own, swap
from alembook.postgres.embedded import Server
from alembook.snapshots import evidence, measurement
from alembook.steps import backup, before, inspection, rehearsal, rollback, upgrade
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

    def begin(self, to: str, *, rehearse: bool = False) -> archive.RunFolder:
        """Begins a run: inspect, backup and, when it is asked for, the rehearsal."""
        begun = archive.begin(self.desk.folder / "runs", "demo", to=to)
        with self.desk.book("inspect", folder=begun) as book:
            inspection.inspect(book, to=to)
        with self.desk.book("backup", folder=begun) as book:
            backup.make(book).require()
        if rehearse:
            with self.desk.book("rehearse", folder=begun) as book:
                rehearsal.rehearse(book).require()
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

    def unlike_its_backup(self, run: archive.RunFolder) -> list[str]:
        """Returns what of the tables of a run's backup, by the record, is not in the live database: rows or checksums.

        Alembook's own schema is left out: what it keeps there is of now.
        """
        with self.desk.connect() as connection, measurement.snapshot(connection):
            now = measurement.measure(connection, leave_out_schemas=["alembook"])
        with self.desk.book("rollback") as book:
            sums = evidence.keyed(now.columns, before.key(book.reading(run)))
        found = []
        for name, frame, what in (("backup", now.tables, "rows"), ("backup_columns", sums, "checksum")):
            kept = pd.read_csv(run.path / f"tables/{name}.csv", keep_default_na=False)
            then, here = (
                {tuple(row[:-1]): row[-1] for row in each[[*keys, what]].itertuples(index=False)}
                for keys in [["schema", "table", *(["column"] if what == "checksum" else [])]]
                for each in (kept[kept["schema"] != "alembook"], frame)
            )
            found += [
                f"{what} of {'.'.join(key)}" for key in then.keys() | here.keys() if then.get(key) != here.get(key)
            ]
        return sorted(found)

    def link(self, run: archive.RunFolder) -> tuple[str, str, str]:
        """Returns how a run's record names the last rollback, and how that one's request names the run."""
        (said,) = run.stated(archive.ROLLED_BACK)
        assert said["rolled_back_by"] == self.desk.run().run_id
        return said["way"], said["kept"], self.desk.run().request()["rolls_back"]

    def as_app(self, query: str) -> object:
        """Returns what a query gives the application's role."""
        with contextlib.closing(psycopg2.connect(replace(self.desk.database, user=APP).conninfo())) as connection:
            return connections.scalar(connection, query)

    def own(self, name: str = "") -> own.Own:
        """Returns what a database has of its own."""
        with contextlib.closing(connections.connect(self.server.ensure(), application_name="test")) as connection:
            found = own.read(connection, name or self.desk.database.dbname)
        assert found is not None
        return found

    def swap(self, copy: str) -> swap.Swap:
        """Returns the swap that would put a copy in the live database's place."""
        name = self.desk.database.dbname
        oids = {"live_oid": self.own().oid, "restored_oid": self.own(copy).oid}
        return swap.Swap(live=name, restored=copy, kept=f"{name}_failed_x", elsewhere="postgres", **oids)

    def databases(self) -> list[str]:
        """Returns the names of the databases that are this one's, the live one left out."""
        query = "SELECT datname FROM pg_database WHERE datname LIKE %(like)s AND datname <> %(name)s ORDER BY 1"
        names = {"like": f"{self.desk.database.dbname}%", "name": self.desk.database.dbname}
        with contextlib.closing(connections.connect(self.server.ensure(), application_name="test")) as connection:
            return [row["datname"] for row in connections.rows(connection, query, names)]


@functools.cache
def _template(server: Server) -> Desk:
    """Returns a desk at the first revision, of which every shop of this process is a copy."""
    folder = Path(tempfile.mkdtemp(prefix="alembook-shop-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    project = ROOT / "tests/projects/returning"
    shutil.copytree(project, folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    desk = furnished(folder, server.create_database(f"template_{os.getpid()}"))
    desk.migrate("7b0000000001")
    return desk


@contextlib.contextmanager
def opened(server: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields the shop in a folder; its databases and roles are dropped afterwards."""
    name = f"shop_{os.getpid()}"
    template = _template(server)
    shutil.copytree(template.folder, tmp_path, dirs_exist_ok=True)
    names = {name: sql.Identifier(value) for name, value in (("database", name), ("app", APP))}
    with contextlib.closing(connections.connect(server.ensure(), application_name="test")) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connections.execute(connection, create.format(names["database"], sql.Identifier(template.database.dbname)))
    desk = furnished(tmp_path, server.ensure().with_dbname(name))
    with (tmp_path / "alembook.toml").open("a", encoding="utf-8") as file:
        file.write('[targets.demo.rehearsal]\nscratch = "file:database-url"\n')
    found = Shop(desk, server)
    with contextlib.closing(connections.connect(desk.database, application_name="test")) as connection:
        connections.execute(connection, sql.SQL("CREATE ROLE {app} LOGIN").format(**names))
        connections.execute(connection, sql.SQL(OWN).format(**names))
    yield found
    with contextlib.closing(connections.connect(server.ensure(), application_name="test")) as connection:
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


def failed_verify(shop: Shop, *, rehearse: bool = False) -> archive.RunFolder:
    """Returns a run whose verification FAILED: an order is gone."""
    run = shop.begin("7b0000000003", rehearse=rehearse)
    shop.upgrade(run).require()
    shop.desk.execute("DELETE FROM orders WHERE id = 7")
    assert shop.desk.verify().gate.outcome is Outcome.FAILED
    return run


RULE = """
[[none]]
name = "the application has agreed"
query = "SELECT 1 WHERE current_database() ~ '^shop_'"
"""


def lossless_failed_upgrade(shop: Shop) -> archive.RunFolder:
    """Returns a rehearsed run whose second revision was not given its lock; what is applied loses nothing."""
    with (shop.desk.folder / "alembook.toml").open("a", encoding="utf-8") as file:
        file.write("[targets.demo.limits]\nlock_timeout_ms = 100\nlock_attempts = 1\n")
    run = shop.begin("7b0000000003", rehearse=True)
    with shop.desk.connect() as holding:
        connections.execute(holding, "BEGIN")
        connections.execute(holding, "CREATE TABLE labels (id int)")  # the revision waits for the name
        assert isinstance(shop.upgrade(run).error, errors.UpgradeFailed)
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000002"
    return run


def lossless_complete(shop: Shop) -> archive.RunFolder:
    """Returns a rehearsed run that went to its end and loses nothing on its way back."""
    run = shop.begin("7b0000000003", rehearse=True)
    shop.upgrade(run).require()
    shop.desk.verify().require()
    return run


def lossless_failed_verify(shop: Shop) -> archive.RunFolder:
    """Returns a rehearsed run whose verification FAILED by a rule that only the target breaks."""
    (shop.desk.folder / "project/migrations/checks.toml").write_text(RULE, encoding="utf-8")
    run = shop.begin("7b0000000003", rehearse=True)
    shop.upgrade(run).require()
    assert [check.name for check in shop.desk.verify().gate.closed_by] == ["the application has agreed"]
    return run


def lossy_complete(shop: Shop) -> archive.RunFolder:
    """Returns a rehearsed run that dropped a column; its rehearsal saw that the values do not come back."""
    run = shop.begin("7b0000000004", rehearse=True)
    shop.upgrade(run).require()
    return run
