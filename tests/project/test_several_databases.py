"""Projects of several databases: a target is one of them, and the others are not touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, Database, connect, execute, scalar
from alembook.project import state
from tests.project.conftest import MakeProject, Project, relations

MULTIDB = ("33a000000001", "33a000000002", "33a000000003")
FLASK = ("44a000000001", "44a000000002", "44a000000003")


@pytest.fixture
def multidb(make: MakeProject, database18: Database) -> Project:
    """Returns the example of the multidb template with an empty database."""
    return make(database18, "multidb")


@pytest.fixture
def flask(make: MakeProject, database18: Database) -> Project:
    """Returns the Flask-Migrate example with a bind, every variable of which leads to the target."""
    project = make(database18, "flask_binds")
    everywhere = {"SHOP_DATABASE": "{url}", "ORDERS_DATABASE": "{url}"}
    project.set(flask_app="shop:create_app", working_directory=project.folder, environment=everywhere)
    return project


@pytest.mark.parametrize(("bind", "table"), [("catalogue", "products"), ("orders", "orders")])
def test_the_chosen_one(multidb: Project, connection18: Connection, bind: str, table: str) -> None:
    """``bind`` chooses a section of the ini: it gets the address, and its part of each revision runs."""
    multidb.set(bind=bind)
    assert multidb.describe().mode == "external"
    multidb.upgrade(*MULTIDB)
    tables = {name: scalar(connection18, f"SELECT to_regclass('{name}')") for name in ("products", "orders")}
    assert [name for name, found in tables.items() if found] == [table]
    multidb.downgrade(*reversed(MULTIDB))
    assert state.read(connection18) == ()
    assert scalar(connection18, f"SELECT to_regclass('{table}')") is None


def test_the_only_one(multidb: Project, connection18: Connection) -> None:
    """A multidb project of one database needs no ``bind``."""
    ini = multidb.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("databases = catalogue, orders", "databases = orders"))
    multidb.upgrade(*MULTIDB)
    assert scalar(connection18, "SELECT count(*) FROM orders") == 3


def test_none_chosen(multidb: Project, connection18: Connection) -> None:
    """Which of them the target is must be said, before anything is connected."""
    with pytest.raises(errors.ProjectFailed) as caught:
        multidb.describe()
    assert caught.value.exit_code == 5
    assert str(caught.value) == (
        "The project has several databases: catalogue, orders.\n"
        "  left: unchanged: nothing was run.\n"
        "  why:  its ini lists them under `databases`, and the target does not say which of them it is.\n"
        '  next: Make one target for each of them, with bind = "NAME". The others are not touched then.'
    )
    assert relations(connection18) == ["schema information_schema", "schema public"]


def test_another_one_chosen(multidb: Project) -> None:
    """A name the project does not have is answered with those it has."""
    multidb.set(bind="stock")
    with pytest.raises(errors.ProjectFailed) as caught:
        multidb.describe()
    assert str(caught.value).splitlines() == [
        "The project has no database stock.",
        "  left: unchanged: nothing was run.",
        "  why:  bind names one of several databases, and the project has: catalogue, orders.",
        "  next: Correct bind in alembook.toml.",
    ]


@pytest.mark.parametrize(("bind", "table"), [("", "products"), ("orders", "orders")])
def test_a_bind_of_flask(flask: Project, connection18: Connection, bind: str, table: str) -> None:
    """Flask-Migrate's binds: all of them lead to the target, and only the chosen one's part of a revision runs."""
    flask.set(bind=bind)
    flask.upgrade(*FLASK)
    assert state.read(connection18) == (FLASK[-1],)
    tables = {name: scalar(connection18, f"SELECT to_regclass('{name}')") for name in ("products", "orders")}
    assert [name for name, found in tables.items() if found] == [table]
    flask.downgrade(*reversed(FLASK))
    assert scalar(connection18, f"SELECT to_regclass('{table}')") is None


def test_no_bind_of_flask_chosen(flask: Project, connection18: Connection) -> None:
    """Without ``bind`` the names are listed, and nothing was created by finding out."""
    with pytest.raises(errors.ProjectFailed) as caught:
        flask.describe()
    assert str(caught.value).splitlines()[:4] == [
        'The project\'s env.py runs migrations more than once: "" (the default one), orders.',
        "  left: unchanged: nothing was run.",
        "  why:  it loops over several databases or schemas; a run is about one of them.",
        '  next: Make one target for each: bind = "NAME" chooses one that has a name; else `alembic_args` or '
        "`environment`.",
    ]
    flask.set(bind="stock")
    with pytest.raises(errors.ProjectFailed, match='the project has: "" \\(the default one\\), orders'):
        flask.describe()
    assert relations(connection18) == ["schema information_schema", "schema public"]


@pytest.fixture
def other(connection18: Connection, database18: Database) -> Iterator[Connection]:
    """Yields a connection to another database of the same server."""
    name = f"{database18.dbname}_other"
    execute(connection18, f"CREATE DATABASE {name}")
    with contextlib.closing(connect(database18.with_dbname(name), application_name="test")) as connection:
        yield connection
    execute(connection18, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_others_must_not_be_reached(flask: Project, other: Connection) -> None:
    """A bind that leads to its own database is refused like any other wrong database: nothing happens there."""
    elsewhere = flask.database.with_dbname(f"{flask.database.dbname}_other").url()
    flask.set(bind="orders", environment={"SHOP_DATABASE": elsewhere, "ORDERS_DATABASE": "{url}"})
    before = relations(other)
    for action in (flask.describe, lambda: flask.upgrade(*FLASK)):
        with pytest.raises(errors.WrongDatabase):
            action()
    assert relations(other) == before


def test_the_sql_of_a_revision_with_an_argument(multidb: Project) -> None:
    """SQL is rendered for the chosen database."""
    multidb.set(bind="orders")
    rendered = multidb.render(MULTIDB[2])
    assert "CREATE INDEX orders_product ON orders (product_id)" in rendered.sql
    assert rendered.error == ""
