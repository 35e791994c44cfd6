"""Where a database is, in every spelling; connecting, being refused, and asking."""

from __future__ import annotations

import traceback
from dataclasses import replace

import psycopg2
import pytest
import sqlalchemy

from alembook import config, errors, process
from alembook.postgres import connection as connections
from alembook.postgres import embedded
from alembook.postgres.connection import Connection, Database
from tests.postgres import wire
from tests.test_process import until

SECRET = "p@ss:w/ö rd?&='\\"
ENCODED = "p%40ss%3Aw%2F%C3%B6%20rd%3F%26%3D%27%5C"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://ann%40corp:{ENCODED}@db.example:6432/the%20shop",
        f"postgres://ann%40corp:{ENCODED}@db.example:6432/the%20shop",
        f"postgresql+psycopg2://ann%40corp:{ENCODED}@db.example:6432/the%20shop\n",
        r"host=db.example port=6432 user=ann@corp dbname='the shop' password='p@ss:w/ö rd?&=\'\\'",
    ],
)
def test_all_spellings_name_one_database(text: str) -> None:
    """URL and connection string, %-encoded or quoted, mean the same; a driver is kept where the URL names one."""
    driver = "psycopg2" if "+psycopg2" in text else ""
    assert Database.parse(text) == Database(
        host="db.example", port=6432, user="ann@corp", password=SECRET, dbname="the shop", driver=driver
    )


def test_a_written_address_reads_back() -> None:
    """URL and connection string give the database back, special characters included."""
    database = Database(host="db", port=1, user="a:b", password=SECRET, dbname="sh/op", driver="psycopg2")
    assert Database.parse(database.url()) == database
    parts = {**psycopg2.extensions.parse_dsn(database.conninfo())}
    assert parts == {
        "host": "db", "port": "1", "user": "a:b", "password": SECRET, "dbname": "sh/op", "connect_timeout": "10"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann@db/shop", "postgresql+psycopg2://ann@db/shop"),
        ("postgres://db", "postgresql+psycopg2://db/"),
        ("postgresql:///shop", "postgresql+psycopg2:///shop"),
        ("postgresql://ann@/shop", "postgresql+psycopg2://ann@/shop"),
        ("postgresql://[::1]:5433/shop", "postgresql+psycopg2://[::1]:5433/shop"),
        ("postgresql://%2Frun%2Fpg:99/shop", "postgresql+psycopg2:///shop?host=%2Frun%2Fpg&port=99"),
        ("host=/run/pg user=ann", "postgresql+psycopg2://ann@/?host=%2Frun%2Fpg"),
        ("postgresql://a:1,b:2/shop", "postgresql+psycopg2:///shop?host=a%2Cb&port=1%2C2"),
        ("service=shop", "postgresql+psycopg2:///?service=shop"),
        ("postgresql://db/shop?options=-c%20a%3Db", "postgresql+psycopg2://db/shop?options=-c%20a%3Db"),
        ("postgresql+asyncpg://db/shop?ssl=require", "postgresql+asyncpg://db/shop?ssl=require"),
        ("postgresql+psycopg://db/shop?sslmode=require", "postgresql+psycopg://db/shop?sslmode=require"),
    ],
)
def test_the_url_for_sqlalchemy(text: str, expected: str) -> None:
    """A socket, several hosts and further parameters stand in the query; the driver is the reference's own."""
    found = Database.parse(text).url()
    assert found == expected
    assert sqlalchemy.make_url(found).render_as_string(hide_password=False).startswith("postgresql+")


def test_another_driver_may_be_asked_for() -> None:
    """What libpq calls sslmode is ssl for asyncpg."""
    database = Database.parse("postgresql://db/shop?sslmode=require")
    assert (database.driver, database.parameters) == ("", {"sslmode": "require"})
    assert database.url("libpq") == "postgresql://db/shop?sslmode=require"
    assert database.url("asyncpg") == "postgresql+asyncpg://db/shop?ssl=require"
    assert Database.parse("postgresql+asyncpg://db/shop?ssl=verify-full").parameters == {"sslmode": "verify-full"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("postgresql://ann:pw@db:6432/shop", "ann@db:6432/shop"),
        ("postgresql://ann:pw@[::1]:6432/shop", "ann@[::1]:6432/shop"),
        ("postgresql://ann@%2Frun%2Fpg/shop", "ann@/run/pg/shop"),
        ("service=shop", "default role@shop/default database"),
        ("dbname=shop", "default role@default host/shop"),
    ],
)
def test_what_a_person_is_shown(text: str, label: str) -> None:
    """Role, place and name, never the password."""
    assert Database.parse(text).label() == label


def test_the_environment_of_client_programs() -> None:
    """Every part has its variable, so nothing secret stands in arguments; what is not given is not set."""
    text = (
        "postgresql://ann:pw@db:6432/shop?sslmode=verify-full&sslrootcert=/ca.pem&hostaddr=10.0.0.1&connect_timeout=3"
    )
    assert Database.parse(text).environment() == {
        "PGHOST": "db", "PGPORT": "6432", "PGUSER": "ann", "PGPASSWORD": "pw", "PGDATABASE": "shop",
        "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/ca.pem", "PGHOSTADDR": "10.0.0.1", "PGCONNECT_TIMEOUT": "3",
    }  # fmt: skip
    assert Database.parse("service=shop").environment() == {"PGCONNECT_TIMEOUT": "10", "PGSERVICE": "shop"}
    assert Database.parse("host=a,b port=1,2").environment() == {
        "PGCONNECT_TIMEOUT": "10", "PGHOST": "a,b", "PGPORT": "1,2"
    }  # fmt: skip


def test_a_client_program_arrives(database18: Database) -> None:
    """psql, given the environment, is in the same database."""
    argv = [str(embedded.binaries(18) / "psql"), "--no-psqlrc", "-Atc", "SELECT current_database()"]
    done = process.run(argv, environment=config.child_environment(database18.environment()))
    assert (done.stdout, done.stderr) == (database18.dbname, "")


def test_the_url_arrives(database18: Database) -> None:
    """SQLAlchemy, given the URL, is in the same database, over the socket."""
    engine = sqlalchemy.create_engine(database18.url())
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT current_database()")) == database18.dbname
    engine.dispose()


@pytest.mark.parametrize(
    ("text", "is_local"),
    [("host=/run/pg", True), ("host=localhost", True), ("host=::1", True), ("host=db", False), ("service=x", False)],
)
def test_what_is_local(text: str, is_local: bool) -> None:
    """A unix socket and loopback."""
    assert Database.parse(text).is_local() is is_local


def test_another_database_of_the_server() -> None:
    """Everything but the name stays."""
    database = Database.parse("postgresql://ann:pw@db:1/shop?sslmode=require")
    assert database.with_dbname("copy").url() == "postgresql+psycopg2://ann:pw@db:1/copy?sslmode=require"


UNREADABLE = (
    "The database reference is not a PostgreSQL URL or connection string.\n"
    "  why:  libpq could not read it; its text is not shown because it may hold a password.\n"
    "  next: Write postgresql://user@host:5432/name, with special characters of the password %-encoded."
)


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        "postgresql://ann:s3cret/x@db/shop",
        "postgresql://ann@db:s3cret/shop",
        "postgresql://ann:s3cret@db/shop?nonsense=1",
        "host=db port=s3cret",
        "host=db password=s3cret nonsense=1",
        "host=db password='s3cret",
    ],
)
def test_what_libpq_cannot_read(text: str) -> None:
    """The text is repeated nowhere, not in a traceback either: it may hold a password."""
    with pytest.raises(errors.ConfigurationError) as caught:
        Database.parse(text)
    assert (str(caught.value), caught.value.exit_code) == (UNREADABLE, 2)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("text", ["mysql://ann:s3cret@db/shop", "mysql+pymysql://ann:s3cret@db/shop?charset=utf8"])
def test_another_engine(text: str) -> None:
    """Only the engine's name is repeated."""
    with pytest.raises(errors.ConfigurationError) as caught:
        Database.parse(text)
    assert str(caught.value) == (
        "The database reference names mysql, not PostgreSQL.\n"
        "  why:  Alembook migrates PostgreSQL 14 or newer and no other engine.\n"
        "  next: Point the target at a postgresql:// URL."
    )


def test_a_password_may_look_like_a_url() -> None:
    """``://`` inside a connection string makes it no URL."""
    assert Database.parse("host=db password=s3cret://x") == Database(host="db", password="s3cret://x")


def test_nothing_secret_is_in_the_repr() -> None:
    """Neither the password nor a parameter that is one."""
    database = Database.parse("postgresql://ann:s3cret@db/shop?sslpassword=s3cret2")
    assert "s3cret" not in repr(database) + str(database) + database.label()


def test_a_pooler_is_refused_before_anything_is_set(database18: Database) -> None:
    """Only the question for the pid went through it: what is set in transaction mode reaches other clients."""
    sent = bytearray()
    with wire.pooler(database18, sent) as database, pytest.raises(errors.PoolerRefused) as caught:
        connections.connect(database, application_name="alembook test", read_only=True, settings={"lock_timeout": "1s"})
    assert caught.value.exit_code == 5
    assert str(caught.value) == (
        f"A connection pooler stands between Alembook and postgres@{database.host}/{database18.dbname}.\n"
        "  left: unchanged: nothing was set or locked.\n"
        "  why:  in transaction mode it hands settings and locks of one client to another.\n"
        "  next: Set `direct` of this target in alembook.toml to the server itself."
    )
    assert b"SELECT pg_backend_pid()" in sent
    assert b"set_config" not in sent


def test_a_connection_says_who_it_is(database18: Database) -> None:
    """Autocommit, under its application name, with the settings it was given."""
    settings = {"lock_timeout": "2s", "statement_timeout": "0"}
    with connections.closing(
        connections.connect(database18, application_name="alembook test of names", settings=settings)
    ) as connection:
        assert connection.autocommit
        assert connections.scalar(connection, "SHOW application_name") == "alembook test of names"
        assert connections.scalar(connection, "SHOW lock_timeout") == "2s"
        assert connections.scalar(connection, "SHOW default_transaction_read_only") == "off"
    assert connection.closed


def test_no_time_limit_of_a_role_or_a_database_ends_a_session(database: Database) -> None:
    """They are off, whatever the database says, but where one was given."""
    named = ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"]
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        named += ["transaction_timeout"] if connection.server_version >= 170_000 else []
        for name in named:
            connections.execute(connection, f"ALTER DATABASE \"{database.dbname}\" SET {name} = '70ms'")
    given = {"statement_timeout": "2s"}
    for settings in ({}, given):
        with connections.closing(
            connections.connect(database, application_name="alembook test", settings=settings)
        ) as limited:
            connections.execute(limited, "BEGIN; SELECT pg_sleep(0.1); COMMIT")
            found = {name: connections.scalar(limited, f"SHOW {name}") for name in named}
            assert found == {**dict.fromkeys(named, "0"), **settings}
            assert connections.scalar(limited, "SHOW tcp_keepalives_idle") in {"0", "30"}  # 0: over a unix socket


def test_settings_of_a_client_program(database18: Database) -> None:
    """They stand behind the options of the reference."""
    database = replace(database18, parameters={"options": "-c work_mem=1MB"})
    assert database.environment({"a": "1", "b": "off"})["PGOPTIONS"] == "-c work_mem=1MB -c a=1 -c b=off"
    assert database.environment()["PGOPTIONS"] == "-c work_mem=1MB"
    assert "PGOPTIONS" not in database18.environment()


def test_a_setting_the_server_does_not_know(database18: Database, connection18: Connection) -> None:
    """It is refused, and no connection stays behind."""
    with pytest.raises(errors.QueryFailed) as caught:
        connections.connect(database18, application_name="alembook left behind", settings={"lock_timeout": "soon"})
    assert str(caught.value) == (
        "The server refused a query: invalid value for parameter.\n"
        "  why:  SQLSTATE 22023.\n"
        "  next: Look the SQLSTATE up in the PostgreSQL manual (appendix A), correct the cause, then run again."
    )
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'alembook left behind'"
    caught.value.__traceback__ = None
    assert until(lambda: connections.scalar(connection18, open_ones) == 0, 20)


def test_a_read_only_connection_cannot_write(database: Database) -> None:
    """Not in autocommit, and not in a transaction."""
    with connections.closing(
        connections.connect(database, application_name="alembook test", read_only=True)
    ) as connection:
        for prefix in ("", "BEGIN; "):
            with pytest.raises(errors.QueryFailed) as caught:
                connections.execute(connection, prefix + "CREATE TABLE t (a int)")
            assert str(caught.value) == (
                "The server refused a query: cannot execute CREATE TABLE in a read-only transaction.\n"
                "  why:  SQLSTATE 25006.\n"
                "  next: Look the SQLSTATE up in the PostgreSQL manual (appendix A), correct the cause, then run again."
            )


def test_answers(connection18: Connection) -> None:
    """Rows by name, one value, a row count."""
    assert connections.rows(connection18, "SELECT %(a)s AS a, 'x' AS b", {"a": 1}) == [{"a": 1, "b": "x"}]
    assert connections.scalar(connection18, "SELECT 1 WHERE false") is None
    connections.execute(connection18, "CREATE TABLE t (a int)")
    assert connections.execute(connection18, "INSERT INTO t SELECT generate_series(1, 3)") == 3
