"""Restoring a dump: what is left out, what pg_restore may say, what fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import restoring, tools
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server
from alembook.postgres.tools import Tool
from tests.postgres.rich import POOR, RICH
from tests.postgres.test_tools import exported, fake, fill, found

#: They make roles and databases of fixed names, which all of a server share.
pytestmark = pytest.mark.xdist_group("roles")


APPLICATION = "alembook test"
REMOTE = Database(host="db.example.com", user="ann", password="s3cret-word", dbname="copy")


@pytest.fixture
def empty(server: Server) -> Iterator[Database]:
    """Yields a second empty database of the server under test."""
    database = server.create_database("restored")
    yield database
    fill(server.ensure(), "DROP DATABASE restored WITH (FORCE)")


def ask(database: Database, query: str) -> object:
    """Returns the first value a query gives."""
    with contextlib.closing(connections.connect(database, application_name=APPLICATION)) as connection:
        return connections.scalar(connection, query)


def dumped(database: Database, server: Server, folder: Path) -> Tool:
    """Dumps a database into a folder, and returns the pg_restore that reads it."""
    with exported(database) as (_, snapshot):
        tools.dump(found(database, server), database, folder, jobs=2, snapshot=snapshot, application_name=APPLICATION)
    return found(database, server, "pg_restore")


def test_what_acts_elsewhere_is_left_out(server: Server, database: Database, empty: Database, tmp_path: Path) -> None:
    """No subscription, publication, event trigger or user mapping is in the copy; all else is, and is analyzed."""
    fill(database, *RICH)
    tables: list[str] = []
    try:
        tool = dumped(database, server, tmp_path / "dump")
        result = restoring.restore(
            tool, tmp_path / "dump", empty, jobs=2, application_name=APPLICATION, on_table=tables.append
        )
        assert set(result.left_out) == {
            "COMMENT EVENT TRIGGER watcher",
            "EVENT TRIGGER watcher",
            "PUBLICATION everything",
            "SUBSCRIPTION from_hq",
            "USER MAPPING USER MAPPING postgres SERVER warehouse",
        }
        for catalogue in ("pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = 'restored')",
                          "pg_publication", "pg_event_trigger", "pg_user_mapping"):  # fmt: skip
            assert ask(empty, f"SELECT count(*) FROM {catalogue}") == 0
        assert (result.harmless, len(tables)) == ({}, 4)
        assert (result.seconds > 0, result.analyze_seconds > 0) == (True, True)
        for query in (
            "SELECT string_agg(o::text, '|' ORDER BY id) FROM shop.orders AS o",
            'SELECT sum("or der") FROM "two words"."a table"',
            "SELECT string_agg(tableoid::regclass || p::text, '|' ORDER BY at) FROM parted AS p",
            "SELECT n FROM totals",
            "SELECT string_agg(oid || md5(lo_get(oid)), '|' ORDER BY oid) FROM pg_largeobject_metadata",
            "SELECT nextval('shop.orders_id_seq')",
        ):
            assert ask(empty, query) == ask(database, query)
        assert ask(empty, "SELECT reltuples FROM pg_class WHERE relname = 'orders'") == 500
        assert ask(empty, "SELECT srvname FROM pg_foreign_server") == "warehouse"
    finally:
        fill(database, *POOR)


def test_a_role_that_owns_little(server18: Server, database18: Database, tmp_path: Path) -> None:
    """Owners and rights of roles that are not there are not restored: the copy is the restoring role's."""
    server = server18
    fill(database18, "CREATE ROLE app", "CREATE ROLE restorer LOGIN CREATEDB", "CREATE TABLE t (id int)")
    fill(database18, "ALTER TABLE t OWNER TO app", "GRANT SELECT ON t TO app")
    restorer = replace(server.ensure(), user="restorer")
    fill(restorer, "CREATE DATABASE of_restorer TEMPLATE template0")
    try:
        tool = dumped(database18, server, tmp_path / "dump")
        fill(database18, "DROP TABLE t", "DROP ROLE app")
        copy = restorer.with_dbname("of_restorer")
        result = restoring.restore(tool, tmp_path / "dump", copy, jobs=2, application_name=APPLICATION)
        assert result.harmless == {}
        assert ask(copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'") == "restorer"
    finally:
        fill(server.ensure(), "DROP DATABASE of_restorer", "DROP ROLE restorer")


def test_owners_and_rights_come_back_when_asked_for(server18: Server, database18: Database, tmp_path: Path) -> None:
    """A database that takes another's place needs them."""
    copy = server18.create_database("with_rights")
    fill(database18, "CREATE ROLE app", "CREATE TABLE t (id int)", "ALTER TABLE t OWNER TO app")
    try:
        tool = dumped(database18, server18, tmp_path / "dump")
        restoring.restore(tool, tmp_path / "dump", copy, jobs=1, application_name=APPLICATION, with_rights=True)
        assert ask(copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'") == "app"
    finally:
        fill(database18, "DROP TABLE t")
        fill(server18.ensure(), "DROP DATABASE with_rights", "DROP ROLE app")


@pytest.mark.parametrize("damage", ["byte", "file", "end"])
def test_a_damaged_dump_fails(
    damage: str, server18: Server, database18: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A byte changed, a file removed, a file cut short: what pg_restore says of it is never taken for harmless."""
    copy = server18.create_database("damaged")
    request.addfinalizer(lambda: fill(server18.ensure(), "DROP DATABASE damaged WITH (FORCE)"))
    fill(database18, "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 5000) AS n")
    tool = dumped(database18, server18, tmp_path / "dump")
    data = next((tmp_path / "dump").glob("*.dat.gz"))
    if damage == "file":
        data.unlink()
    else:
        whole = data.read_bytes()
        middle = len(whole) // 2
        data.write_bytes(
            whole[:middle] + (bytes([whole[middle] ^ 255]) + whole[middle + 1 :] if damage == "byte" else b"")
        )
    with pytest.raises(errors.RestoreFailed) as caught:
        restoring.restore(tool, tmp_path / "dump", copy, jobs=2, application_name=APPLICATION)
    assert caught.value.what == f"The dump in {tmp_path}/dump could not be restored."
    assert caught.value.state == "the database damaged is half restored; what was dumped is unchanged."
    assert "pg_restore: error: " in caught.value.evidence["pg_restore said"]


@pytest.mark.parametrize(
    ("said", "ignored", "code", "passes"),
    [
        ("ERROR:  must be owner of extension plpgsql", 1, 1, True),
        ('ERROR:  unrecognized configuration parameter "transaction_timeout"', 1, 1, True),
        ("ERROR:  must be owner of extension plpgsql", 2, 1, False),
        ("ERROR:  must be owner of extension plpgsql", 0, 1, False),
        ("ERROR:  must be owner of extension plpgsql", 1, -9, False),
        ("ERROR:  permission denied for schema public", 1, 1, False),
    ],
    ids=["comment", "setting", "one more", "not counted", "killed", "unknown"],
)
def test_only_what_is_known_to_be_harmless_passes(
    said: str, ignored: int, code: int, passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every error pg_restore counted must be one of the list, and it must have come to its own end."""
    end = "kill -9 $$" if code < 0 else f"exit {code}"
    script = (
        'if [ "$1" = --list ]; then exit 0; fi\n'
        f"echo 'pg_restore: error: could not execute query: {said} of s3cret-word' >&2\n"
        f'test {ignored} = 0 || echo "pg_restore: warning: errors ignored on restore: {ignored}" >&2\n{end}'
    )
    folder = fake(tmp_path / "bin", "pg_restore (PostgreSQL) 18.4", script=script, name="pg_restore")
    tool = tools.find("pg_restore", server_version_num=180004, database=REMOTE, postgres_bin=folder)
    monkeypatch.setattr(restoring, "analyze", lambda *_, **__: 0.0)
    if passes:
        result = restoring.restore(tool, tmp_path, REMOTE, jobs=1, application_name=APPLICATION)
        assert list(result.harmless.values()) == [1]
        return
    with pytest.raises(errors.RestoreFailed) as caught:
        restoring.restore(tool, tmp_path, REMOTE, jobs=1, application_name=APPLICATION)
    assert "s3cret-word" not in str(caught.value)
