"""Being refused: a cause in our words, what to do, the server's own words below; no password and no row in any text."""

from __future__ import annotations

import traceback
from dataclasses import replace

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from tests.postgres import wire

SECRET = "p@ss:w/ö rd?&='\\"


def connect(database: Database) -> None:
    """Connects, and closes again."""
    connections.connect(database, application_name="alembook test").close()


def refused(database: Database) -> errors.AlembookError:
    """Returns the error with which a connection is refused; nothing secret is in it or in its causes."""
    with pytest.raises(errors.AlembookError) as caught:
        connect(database)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.evidence)
    assert not database.password or database.password not in shown
    return caught.value


def test_passwords(own: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right one arrives with all its special characters; a wrong one and none are refused, and none is shown."""
    rules = own.places.data / "pg_hba.conf"
    rules.write_text("local all ann scram-sha-256\n" + rules.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    admin = own.ensure()
    with connections.closing(connections.connect(admin, application_name="alembook test")) as connection:
        connections.execute(connection, "CREATE ROLE ann LOGIN PASSWORD %(secret)s", {"secret": SECRET})
    ann = replace(admin, user="ann", password=SECRET)
    connect(ann)
    connect(Database.parse(ann.url()))
    error = refused(replace(ann, password="s3cret"))
    assert (type(error), error.exit_code) == (errors.AccessRefused, 2)
    assert str(error) == (
        f"The server refused the connection to ann@{admin.host}:5432/postgres.\n"
        "  why:  the password or the role is wrong.\n"
        "  next: Correct the reference of the target in alembook.toml, or what it points to.\n"
        "  libpq said:\n"
        f'    connection to server on socket "{admin.host}/.s.PGSQL.5432" failed: FATAL:  password authentication '
        'failed for user "ann"'
    )
    error = refused(replace(ann, password=""))
    assert type(error) is errors.AccessRefused
    assert error.why == "the server wants a password and the reference has none."


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"user": "nobody_here"}, 'role "nobody_here"'), ({"dbname": "nothing_here"}, 'database "nothing_here"')],
)
def test_an_unknown_role_or_database(server18: Server, change: dict[str, str], missing: str) -> None:
    """The server has none of this name."""
    admin = server18.ensure()
    database = replace(admin, user=change.get("user", admin.user), dbname=change.get("dbname", "postgres"))
    error = refused(database)
    assert (type(error), error.exit_code) == (errors.AccessRefused, 2)
    assert str(error) == (
        f"The server refused the connection to {database.user}@{admin.host}:5432/{database.dbname}.\n"
        "  why:  the server has no such role or database.\n"
        "  next: Correct the reference of the target in alembook.toml, or what it points to.\n"
        "  libpq said:\n"
        f'    connection to server on socket "{admin.host}/.s.PGSQL.5432" failed: FATAL:  {missing} does not exist'
    )


def test_rights_that_are_missing(server18: Server, database18: Database) -> None:
    """A role that may not log in, may not connect, and a database that is closed, are told apart."""
    name = f"role_of_{database18.dbname}"
    of_role = replace(database18, user=name)
    with connections.closing(connections.connect(server18.ensure(), application_name="alembook test")) as connection:
        connections.execute(connection, f"REVOKE CONNECT ON DATABASE {database18.dbname} FROM public")
        for statement, why in (
            (f"CREATE ROLE {name} NOLOGIN", "the role may not log in."),
            (f"ALTER ROLE {name} LOGIN", "the role may not connect to this database."),
            (
                f"ALTER DATABASE {database18.dbname} ALLOW_CONNECTIONS false",
                "the database was closed (ALLOW_CONNECTIONS false); so a rollback leaves it that was cut off.",
            ),
        ):
            connections.execute(connection, statement)
            error = refused(of_role)
            assert (type(error), error.why) == (errors.AccessRefused, why)
        connections.execute(connection, f"DROP ROLE {name}")


def test_a_server_that_is_down() -> None:
    """Nobody answers: the address is named, and that nothing was done."""
    error = refused(Database(host="/nowhere", user="ann", password="s3cret", dbname="shop"))
    assert (type(error), error.exit_code) == (errors.Unreachable, 5)
    assert str(error) == (
        "No server answered for ann@/nowhere/shop.\n"
        "  left: unchanged: no connection was made.\n"
        "  why:  the server is down or the address is wrong.\n"
        "  next: Start the server or correct the reference of the target; nothing was done yet.\n"
        "  libpq said:\n"
        '    connection to server on socket "/nowhere/.s.PGSQL.5432" failed: No such file or directory\n'
        "    \tIs the server running locally and accepting connections on that socket?"
    )


def test_a_port_nobody_listens_on() -> None:
    """The same over TCP."""
    assert type(refused(Database(host="127.0.0.1", port=1, password="s3cret"))) is errors.Unreachable


REFUSALS = {
    'no pg_hba.conf entry for host "10.0.0.1", user "ann", database "shop", no encryption': (
        "the server's pg_hba.conf lets nobody in from here with this role."
    ),
    'pg_hba.conf rejects connection for host "[local]", user "ann", database "shop", no encryption': (
        "the server's pg_hba.conf lets nobody in from here with this role."
    ),
    'Peer authentication failed for user "ann"': "the server wants the operating system user to be the role.",
    "connection requires a valid client certificate": (
        "SSL did not come about as the reference asks for (sslmode and its files)."
    ),
    "Passwort-Authentifizierung für Benutzer »ann« fehlgeschlagen": "it gives the reason below.",
}


@pytest.mark.parametrize("said", REFUSALS)
def test_a_server_that_says_no(said: str) -> None:
    """What it said is shown below a cause in our words; what we do not know (another language) is still a no."""
    with wire.refusing(said) as database:
        error = refused(database)
    assert type(error) is errors.AccessRefused
    assert str(error) == (
        f"The server refused the connection to ann@{database.host}/shop.\n"
        f"  why:  {REFUSALS[said]}\n"
        "  next: Correct the reference of the target in alembook.toml, or what it points to.\n"
        "  libpq said:\n"
        f'    connection to server on socket "{database.host}/.s.PGSQL.5432" failed: FATAL:  {said}'
    )


BUSY = {
    "the database system is starting up": "it is starting up.",
    "the database system is not yet accepting connections": "it is starting up.",
    "the database system is shutting down": "it is shutting down.",
    "the database system is in recovery mode": "it is recovering from a crash.",
    "sorry, too many clients already": "all connections it allows are taken.",
    "remaining connection slots are reserved for roles with the SUPERUSER attribute": (
        "all connections it allows are taken."
    ),
    'too many connections for role "ann"': "all connections it allows are taken.",
}


@pytest.mark.parametrize("said", BUSY)
def test_a_server_that_cannot_now(said: str) -> None:
    """It is there and takes nobody: another time it will, so nothing is wrong with the reference."""
    with wire.refusing(said) as database:
        error = refused(database)
    assert (type(error), error.exit_code) == (errors.Unreachable, 5)
    assert str(error) == (
        f"The server takes no connection for ann@{database.host}/shop now.\n"
        "  left: unchanged: no connection was made.\n"
        f"  why:  {BUSY[said]}\n"
        "  next: Run again when it does; nothing was done yet.\n"
        "  libpq said:\n"
        f'    connection to server on socket "{database.host}/.s.PGSQL.5432" failed: FATAL:  {said}'
    )


def test_a_password_that_a_server_repeats() -> None:
    """Whatever a server answers, the password is not in the text."""
    with wire.refusing('no user "s3cret-of-ann"') as database, pytest.raises(errors.AccessRefused) as caught:
        connect(database)
    assert caught.value.evidence["libpq said"].endswith('FATAL:  no user "***"')


def test_a_service_that_is_nowhere() -> None:
    """libpq stops before it asks a server: the reference is at fault."""
    error = refused(Database.parse("service=nothing_here"))
    assert (type(error), error.exit_code) == (errors.ConfigurationError, 2)
    assert str(error) == (
        "The reference to default role@nothing_here/default database cannot be used.\n"
        "  why:  libpq stopped at one of its parameters, before it asked any server.\n"
        "  next: Correct the reference of the target in alembook.toml, or what it points to.\n"
        "  libpq said:\n"
        '    definition of service "nothing_here" not found'
    )


def test_a_refused_query_keeps_names_and_drops_rows(connection18: Connection) -> None:
    """SQLSTATE, message, constraint, table and column stay; DETAIL, which quotes the row, goes."""
    connections.execute(connection18, "CREATE TABLE people (id int PRIMARY KEY, email text NOT NULL)")
    connections.execute(connection18, "INSERT INTO people VALUES (1, 'ann@corp')")
    with pytest.raises(errors.QueryFailed) as caught:
        connections.execute(connection18, "INSERT INTO people VALUES (1, 'secret@corp')")
    assert str(caught.value) == (
        "The server refused a query: duplicate key value violates unique constraint.\n"
        "  why:  SQLSTATE 23505.\n"
        "  next: Look the SQLSTATE up in the PostgreSQL manual (appendix A), correct the cause, then run again.\n"
        "  constraint:\n"
        "    people_pkey\n"
        "  table:\n"
        "    people"
    )
    with pytest.raises(errors.QueryFailed) as caught:
        connections.execute(connection18, "INSERT INTO people VALUES (2, NULL)")
    assert caught.value.evidence == {"table": "people", "column": "email"}


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT 'ann@corp'::int", "invalid input syntax for type integer"),
        ("DO $$ BEGIN RAISE 'row: ann@corp'; END $$", "row"),
        ("SELECT nothing FROM pg_class", 'column "nothing" does not exist'),
    ],
)
def test_a_message_that_quotes_a_row(connection18: Connection, query: str, what: str) -> None:
    """Where a message may quote a value the quotation goes; names of the schema stay."""
    with pytest.raises(errors.QueryFailed) as caught:
        connections.execute(connection18, query)
    assert caught.value.what == f"The server refused a query: {what}."


@pytest.mark.parametrize(
    ("query", "next"),
    [
        ("SELECT 1/0 FROM nothing", "Correct what it names, or grant the role what it lacks, then run again."),
        ("SET statement_timeout = 1; SELECT pg_sleep(1)", "Run again when the server answers."),
    ],
)
def test_a_refused_query_teaches(connection18: Connection, query: str, next: str) -> None:
    """The kind of SQLSTATE says what to do."""
    with pytest.raises(errors.QueryFailed) as caught:
        connections.execute(connection18, query)
    assert caught.value.next == next


LOST = "The connection to the server was lost.\n  why:  {why}.\n  next: Run again when the server answers."


def test_a_lost_connection_is_one_of_our_errors(database18: Database, connection18: Connection) -> None:
    """Ended by the server, then closed: both times the text says so, the second time too."""
    lost = connections.connect(database18, application_name="alembook test")
    pid = connections.scalar(lost, "SELECT pg_backend_pid()")
    connections.execute(connection18, "SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
    with pytest.raises(errors.QueryFailed) as caught:
        connections.execute(lost, "SELECT 1")
    last_word = (
        "The server refused a query: terminating connection due to administrator command.\n"
        "  why:  SQLSTATE 57P01.\n"
        "  next: Run again when the server answers."
    )
    assert str(caught.value) in {last_word, LOST.format(why="server closed the connection unexpectedly")}
    with pytest.raises(errors.QueryFailed) as caught:
        connections.rows(lost, "SELECT 1")
    assert str(caught.value) == LOST.format(why="connection already closed")


def test_a_query_without_rows(connection18: Connection) -> None:
    """Asking for rows where there are none is no lost connection."""
    with pytest.raises(errors.QueryFailed) as caught:
        connections.rows(connection18, "CREATE TABLE t (a int)")
    assert str(caught.value).startswith(
        "The server refused a query: no results to fetch.\n  why:  SQLSTATE none: psycopg2 did not send it."
    )
