"""Putting a restored database in the place of the live one, by a role that is no superuser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import obstacles, own, swap
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.verdict import Grade, Outcome

STEM = f"swap_{os.getpid()}"
AT = datetime(2026, 11, 22, 12, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """A live database with a copy beside it, both of a role that may make databases and is no superuser."""

    root: Database
    live: Database
    admin: Connection

    def own(self, name: str) -> own.Own:
        """Returns what a database has of its own."""
        found = own.read(self.admin, name)
        assert found is not None
        return found

    def swap(self) -> swap.Swap:
        """Returns the swap of the two."""
        live, copy = self.live.dbname, f"{STEM}_copy"
        oids = [self.own(name).oid for name in (live, copy)]
        kept = f"{STEM}_kept"
        return swap.Swap(
            live=live, live_oid=oids[0], restored=copy, restored_oid=oids[1], kept=kept, elsewhere="postgres"
        )


def run(connection: Connection, *statements: str) -> None:
    """Executes statements in which {live}, {copy} and {kept} stand for the databases, {owner} and {app} for roles."""
    names = {name: sql.Identifier(f"{STEM}_{name}") for name in ("live", "copy", "kept", "owner", "app", "other")}
    for statement in statements:
        connections.execute(connection, sql.SQL(statement).format(**names))


@pytest.fixture
def place(server: Server) -> Iterator[Place]:
    """Yields a live database and its copy on PostgreSQL 18, then 16."""
    root = server.ensure()
    with contextlib.closing(connections.connect(root, application_name="test")) as admin:
        run(
            admin,
            "CREATE ROLE {owner} LOGIN CREATEDB",
            "CREATE ROLE {app} LOGIN",
            "CREATE ROLE {other}",
            "CREATE DATABASE {live} OWNER {owner}",
            "CREATE DATABASE {copy} OWNER {owner}",
        )
        try:
            yield Place(root=root, live=replace(root, user=f"{STEM}_owner", dbname=f"{STEM}_live"), admin=admin)
        finally:
            for name in ("live", "copy", "kept"):
                run(admin, f"DROP DATABASE IF EXISTS {{{name}}} WITH (FORCE)")
            run(admin, "DROP ROLE {owner}", "DROP ROLE {app}", "DROP ROLE {other}")


def elsewhere(place: Place) -> Connection:
    """Returns a connection of the owner to another database."""
    return connections.connect(place.live.with_dbname("postgres"), application_name="test")


def test_everything_a_database_has_of_its_own_comes_along(place: Place) -> None:
    """Settings of the database and of roles in it, rights, comment, limit: equal afterwards; lists stay lists."""
    run(
        place.admin,
        "ALTER DATABASE {live} SET search_path TO 'a b', \"$user\", public",
        "ALTER DATABASE {live} SET \"app.tenant\" TO 'it''s, \"one\"'",
        "ALTER DATABASE {live} SET default_transaction_read_only TO on",
        "ALTER ROLE {app} IN DATABASE {live} SET search_path TO app, public",
        "ALTER ROLE {app} IN DATABASE {live} SET statement_timeout TO '7s'",
        "REVOKE CONNECT, TEMPORARY ON DATABASE {live} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {live} TO {app} WITH GRANT OPTION",
        "GRANT CREATE ON DATABASE {live} TO {other}",
        "COMMENT ON DATABASE {live} IS 'it''s the shop'",
        "ALTER DATABASE {live} WITH CONNECTION LIMIT 40",
    )
    wanted, copy = place.own(place.live.dbname), f"{STEM}_copy"
    assert wanted.differences(place.own(copy))
    own.carry_over(place.admin, wanted, copy)
    assert wanted.differences(place.own(copy)) == []
    own.carry_over(place.admin, wanted, copy)
    assert wanted.differences(place.own(copy)) == []
    app = replace(place.root, user=f"{STEM}_app", dbname=copy)
    with contextlib.closing(connections.connect(app, application_name="test")) as connection:
        assert connections.scalar(connection, "SHOW search_path") == "app, public"
        assert connections.scalar(connection, "SHOW app.tenant") == 'it\'s, "one"'


def test_what_a_role_may_not_set_changes_nothing(place: Place) -> None:
    """An owner without CREATEROLE may not give another role its settings: refused, and not even a part is done."""
    run(
        place.admin,
        "ALTER DATABASE {live} SET work_mem TO '8MB'",
        "ALTER ROLE {app} IN DATABASE {live} SET work_mem TO '9MB'",
    )
    with contextlib.closing(elsewhere(place)) as connection:
        with pytest.raises(errors.QueryFailed):
            own.carry_over(connection, place.own(place.live.dbname), f"{STEM}_copy")
        assert place.own(f"{STEM}_copy").settings == ()
        found = {
            check.name: check
            for check in obstacles.checks(obstacles.read(connection, place.live.dbname), grade=Grade.MUST)
        }
    closed = [check for check in found.values() if check.outcome is Outcome.FAILED]
    assert [(check.name, check.found) for check in closed] == [
        ("settings of roles in it can be given to its copy", f"{STEM}_app")
    ]


def test_a_swap_ends_sessions_and_changes_names(place: Place) -> None:
    """Closed, ended, renamed: new connections reach the copy, and the old one is there under its dated name."""
    session = connections.connect(place.live, application_name="api")
    wanted = place.swap()
    with contextlib.closing(elsewhere(place)) as connection:
        assert swap.standing(connection, wanted) is swap.Standing.BEFORE
        ended = swap.close(connection, wanted)
        assert ended == [f"pid {session.info.backend_pid} (api, {STEM}_owner)"]
        assert swap.standing(connection, wanted) is swap.Standing.CLOSED
        with pytest.raises(errors.AccessRefused):
            connections.connect(place.live, application_name="api")
        swap.exchange(connection, wanted)
        assert swap.standing(connection, wanted) is swap.Standing.SWAPPED
    assert (place.own(place.live.dbname).oid, place.own(wanted.kept).oid) == (wanted.restored_oid, wanted.live_oid)
    for name in (place.live.dbname, wanted.kept):
        connections.connect(place.live.with_dbname(name), application_name="api").close()


def test_a_swap_that_is_given_up_is_undone(place: Place) -> None:
    """Closed and opened again: as before."""
    wanted = place.swap()
    with contextlib.closing(elsewhere(place)) as connection:
        swap.close(connection, wanted)
        swap.open_again(connection, wanted)
        assert swap.standing(connection, wanted) is swap.Standing.BEFORE
    connections.connect(place.live, application_name="api").close()


def test_a_session_that_cannot_be_ended_leaves_the_database_open(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A superuser's session stays: refused with its name, and connections are allowed again."""
    monkeypatch.setattr(swap, "_PATIENCE_S", 0.2)
    wanted = place.swap()
    held = connections.connect(place.root.with_dbname(place.live.dbname), application_name="backup agent")
    with contextlib.closing(held), contextlib.closing(elsewhere(place)) as connection:
        found = obstacles.read(connection, place.live.dbname)
        assert found.endless == (f"pid {held.info.backend_pid} (backup agent, {place.root.user})",)
        with pytest.raises(errors.RollbackFailed) as caught:
            swap.close(connection, wanted)
        assert str(caught.value) == (
            f"A session in {STEM}_live cannot be ended.\n"
            f"  left: nothing was swapped; {STEM}_live is open again, and {STEM}_copy waits beside it.\n"
            "  why:  another one's session needs pg_signal_backend, a superuser's needs a superuser.\n"
            "  next: End them where they run, then roll back again.\n"
            "  sessions:\n"
            f"    pid {held.info.backend_pid} (backup agent, {place.root.user})"
        )
        assert swap.standing(connection, wanted) is swap.Standing.BEFORE


def test_what_stands_in_the_way_is_named(place: Place) -> None:
    """No CREATEDB, not the owner, another role's session: a check each, of the grade that was asked for."""
    session = connections.connect(place.live, application_name="api")
    pid = session.info.backend_pid
    with contextlib.closing(session):
        app = replace(place.root, user=f"{STEM}_app", dbname="postgres")
        with contextlib.closing(connections.connect(app, application_name="test")) as connection:
            found = obstacles.checks(obstacles.read(connection, place.live.dbname), grade=Grade.SHOULD)
    closed = {check.name: check.found for check in found if check.outcome is Outcome.FAILED}
    assert closed == {
        "a copy can be made beside the database": f"{STEM}_app has not",
        "the database can be renamed by its owner": f"{STEM}_app, from postgres",
        "every session in the database can be ended": f"pid {pid} (api, {STEM}_owner)",
    }
    assert {check.grade for check in found} == {Grade.SHOULD}


def test_what_the_role_could_not_give_to_a_copy_is_named(place: Place) -> None:
    """Owners it cannot take, settings it may not set, in the database; not those it was granted, nor an extension's."""
    live = place.root.with_dbname(place.live.dbname)
    with contextlib.closing(connections.connect(live, application_name="test")) as root:
        run(
            root,
            "CREATE EXTENSION vector",
            "CREATE TABLE reports (id int)",
            "CREATE VIEW shown AS SELECT * FROM reports",
            "CREATE TABLE theirs (id int)",
            "ALTER TABLE theirs OWNER TO {other}",
            "CREATE TABLE mine (id serial PRIMARY KEY)",
            "ALTER TABLE mine OWNER TO {owner}",
            "ALTER DATABASE {live} SET log_min_duration_statement TO 100",
            "ALTER DATABASE {live} SET work_mem TO '8MB'",
            "ALTER DATABASE {live} SET app.tenant TO 'one'",
        )
        with contextlib.closing(connections.connect(place.live, application_name="test")) as connection:
            found = obstacles.checks(obstacles.read(connection, place.live.dbname), grade=Grade.MUST)
            superuser = obstacles.checks(obstacles.read(root, place.live.dbname), grade=Grade.MUST)
            run(root, "GRANT {other} TO {owner}")
            if root.server_version >= 150_000:
                run(root, "GRANT SET ON PARAMETER log_min_duration_statement, app.tenant TO {owner}")
            granted = obstacles.checks(obstacles.read(connection, place.live.dbname), grade=Grade.MUST)
            run(root, "REVOKE {other} FROM {owner}", "DROP OWNED BY {owner}, {other}")
    owner = place.live.user
    assert {
        check.name: (check.found, check.next) for check in found if "given to" in check.name or "made in" in check.name
    } == {
        "settings of roles in it can be given to its copy": ("none", ""),
        "what is in it can be given to its owners": (
            f"{place.root.user}: table public.reports and 1 more; {STEM}_other: table public.theirs",
            f"ALTER ... OWNER TO {owner}; or GRANT the owner's role to it, unless that is a superuser's; or let a "
            "superuser roll back.",
        ),
        "its extensions can be made in a copy": (
            "vector",
            "Let a superuser roll back, or have its keeper mark the extension trusted (its control file).",
        ),
        "its settings can be given to a copy": (
            "app.tenant; log_min_duration_statement",
            f"PostgreSQL 15 and newer: GRANT SET ON PARAMETER app.tenant, log_min_duration_statement TO {owner}; "
            "else let a superuser roll back.",
        ),
    }
    assert [check.name for check in superuser if check.outcome is Outcome.FAILED] == []
    assert [check.found for check in granted if check.outcome is Outcome.FAILED and "session" not in check.name] == [
        f"{place.root.user}: table public.reports and 1 more",
        "vector",
    ]


def test_a_name_that_is_taken_is_passed_over(place: Place) -> None:
    """Two attempts within a second: the first one's copy stays, and the second gets another name."""
    first = swap.free_name(place.admin, f"{STEM}_live", "restored", AT)
    assert first == f"{STEM}_live_restored_20261122t120301"
    run(place.admin, f"CREATE DATABASE {first}")
    try:
        second = swap.free_name(place.admin, f"{STEM}_live", "restored", AT)
        assert second == f"{STEM}_live_restored_20261122t120302"
    finally:
        run(place.admin, f"DROP DATABASE {first}")


def test_a_name_as_a_statement_has_it() -> None:
    """A quote in it is doubled: what is shown can be run."""
    assert swap.quoted('a "shop"') == '"a ""shop"""'


def test_a_dated_name_fits() -> None:
    """63 bytes, whatever the database is called."""
    assert swap.name_of("shop", "failed", AT) == "shop_failed_20261122t120301"
    long = swap.name_of("ü" * 31, "failed", AT)
    assert len(long.encode()) <= 63
    assert long.endswith("_failed_20261122t120301")
