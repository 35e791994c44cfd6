"""Databases that may be made anew are the ones Alembook made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import disposable
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server


@pytest.fixture
def admin(server18: Server) -> Iterator[Connection]:
    """Yields a superuser's connection to another database of the server."""
    with connections.closing(connections.connect(server18.ensure(), application_name="alembook test")) as connection:
        yield connection


@pytest.fixture
def name(database18: Database, admin: Connection) -> Iterator[str]:
    """Yields a name that is free, and drops what has it afterwards."""
    free = f"{database18.dbname} demo"
    yield free
    connections.execute(admin, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(free)))


def tables(database: Database) -> list[str]:
    """Returns the names of a database's tables."""
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        found = connections.rows(connection, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return [row["relname"] for row in found]


def fill(database: Database) -> Connection:
    """Makes a table in a database, and stays connected."""
    connection = connections.connect(database, application_name="alembook test")
    connections.execute(connection, "CREATE TABLE t (a int)")
    return connection


def test_a_database_is_made_anew(server18: Server, name: str) -> None:
    """The first time it is made; the second time it is empty again, whoever was still connected."""
    made = disposable.make(server18.ensure(), name)
    assert made == server18.ensure().with_dbname(name)
    with connections.closing(fill(made)):
        assert tables(made) == ["t"]
        assert tables(disposable.make(server18.ensure(), name)) == []


@pytest.mark.parametrize("comment", [None, "the shop, ask Ann"])
def test_a_database_of_somebody_else_is_refused(
    server18: Server, admin: Connection, name: str, comment: str | None
) -> None:
    """Without our mark it is not touched."""
    connections.execute(admin, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    remark = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(comment))
    connections.execute(admin, remark)
    foreign = server18.ensure().with_dbname(name)
    fill(foreign).close()
    with pytest.raises(errors.ConfigurationError) as caught:
        disposable.make(server18.ensure(), name)
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        f"The database {name} exists and was not made by this command.\n"
        "  why:  it does not carry the comment that marks databases which may be made anew.\n"
        '  next: Give the target another name, for instance database = "embedded:demo".'
    )
    assert tables(foreign) == ["t"]


def test_an_empty_database_is_nobodys(server18: Server, admin: Connection, name: str) -> None:
    """One that holds nothing (``doctor`` made it to look at a target) is made anew; one function is something."""
    foreign = server18.create_database(name)
    assert tables(disposable.make(server18.ensure(), name)) == []
    connections.execute(admin, sql.SQL("COMMENT ON DATABASE {} IS NULL").format(sql.Identifier(name)))
    with connections.closing(connections.connect(foreign, application_name="alembook test")) as connection:
        connections.execute(connection, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with pytest.raises(errors.ConfigurationError):
        disposable.make(server18.ensure(), name)


@pytest.mark.parametrize("was_there", [False, True])
def test_killed_in_the_middle_and_run_again(server18: Server, admin: Connection, name: str, was_there: bool) -> None:
    """Whatever step it was killed after, the next run makes the database; what was unfinished is gone."""
    for steps in range(len(disposable._STATEMENTS)):
        if was_there:
            disposable.make(server18.ensure(), name)
        for statement in disposable._STATEMENTS[:steps]:
            names = {"name": sql.Identifier(name), "unfinished": sql.Identifier(f"{name}_unfinished_by_alembook")}
            mark = sql.Literal(disposable._MARK)
            connections.execute(admin, sql.SQL(statement).format(**names, mark=mark))
        assert tables(disposable.make(server18.ensure(), name)) == []
        left = connections.rows(admin, "SELECT datname FROM pg_database WHERE datname LIKE %(a)s", {"a": f"{name}%"})
        assert [row["datname"] for row in left] == [name]


def test_a_long_name(server18: Server, admin: Connection) -> None:
    """A name as long as PostgreSQL allows has room for the unfinished one."""
    name = f"demo_{'x' * 58}"
    try:
        assert tables(disposable.make(server18.ensure(), name)) == []
        assert tables(disposable.make(server18.ensure(), name)) == []
    finally:
        connections.execute(admin, sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def test_a_role_that_may_not_make_databases(server18: Server, admin: Connection, name: str) -> None:
    """The server's refusal is ours."""
    role = sql.Identifier(f"role of {name}")
    connections.execute(admin, sql.SQL("CREATE ROLE {} LOGIN").format(role))
    place = server18.ensure()
    with pytest.raises(errors.QueryFailed) as caught:
        disposable.make(Database(host=place.host, port=place.port, user=f"role of {name}", dbname="postgres"), name)
    connections.execute(admin, sql.SQL("DROP ROLE {}").format(role))
    assert str(caught.value) == (
        "The server refused a query: permission denied to create database.\n"
        "  why:  SQLSTATE 42501.\n"
        "  next: Correct what it names, or grant the role what it lacks, then run again."
    )
