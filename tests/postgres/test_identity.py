"""Which server and database a connection reached, in the server's own words."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

from alembook.postgres import connection as connections
from alembook.postgres import identity
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server


def test_the_server_says_who_it_is(server: Server, database: Database) -> None:
    """Version, database and role; a unix socket has no address and no port."""
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        found = identity.read(connection)
        oid = connections.scalar(connection, "SELECT oid FROM pg_database WHERE datname = current_database()")
        cluster = connections.scalar(connection, "SELECT system_identifier::text FROM pg_control_system()")
        collation = connections.scalar(
            connection, "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        )
    assert found.version == server.status().version
    assert found.version_num // 10_000 == server.major
    assert (found.database, found.database_oid, found.user) == (database.dbname, oid, "postgres")
    assert (found.address, found.port, found.in_recovery, found.encoding) == ("", 0, False, "UTF8")
    assert (found.system_identifier, found.collation) == (cluster, collation)
    assert abs(found.server_time - datetime.now(UTC)) < timedelta(seconds=60)


def test_what_must_not_change(connection18: Connection) -> None:
    """Clock, role and standby may differ between plan and upgrade; nothing else may."""
    found = identity.read(connection18)
    assert set(asdict(found)) - set(found.fixed()) == {"server_time", "user", "in_recovery"}
    assert replace(found, user="ann", in_recovery=True).fixed() == found.fixed()
    assert replace(found, database_oid=1).fixed() != found.fixed()


def test_another_server_is_told_apart(server16: Server, server18: Server) -> None:
    """The same names on another server are another identity."""
    found = []
    for server in (server16, server18):
        admin = server.ensure()
        with connections.closing(connections.connect(admin, application_name="alembook test")) as connection:
            found.append(identity.read(connection))
    assert found[0].system_identifier != found[1].system_identifier
    assert found[0].database == found[1].database


def test_a_role_without_rights(database18: Database, connection18: Connection) -> None:
    """Where the role may not read the cluster's identifier it is empty, also inside a transaction, which goes on."""
    name = f"role_of_{database18.dbname}"
    connections.execute(connection18, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public")
    connections.execute(connection18, f"CREATE ROLE {name} LOGIN")
    of_role = replace(database18, user=name)
    with connections.closing(
        connections.connect(of_role, application_name="alembook test", read_only=True)
    ) as connection:
        connections.execute(connection, "BEGIN")
        found = identity.read(connection)
        assert connections.scalar(connection, "SELECT 1") == 1
    connections.execute(connection18, f"DROP ROLE {name}")
    assert (found.system_identifier, found.user) == ("", name)
