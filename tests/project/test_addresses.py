"""How an address reaches a project, and what is said when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, Database
from alembook.project import state
from tests.project.conftest import MakeProject, Project

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")


def told(project: Project) -> list[str]:
    """Returns what, left, why and next of the refusal that looking at a project ends in."""
    with pytest.raises(errors.ProjectFailed) as caught:
        project.describe()
    assert caught.value.exit_code == 5
    return str(caught.value).splitlines()[:4]


def test_the_driver_of_its_own_ini(generic: Project) -> None:
    """A reference that names no driver leaves the choice to the project's own URL."""
    ini = generic.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("postgresql://nobody@", "postgresql+asyncpg://%(USER)s:secret@"))
    generic.edit_env(
        ("target_metadata = None\n", "print(config.get_main_option('sqlalchemy.url'))\nraise SystemExit\n")
    )
    assert told(generic)[0] == "The project ended the process: SystemExit:."
    [printed] = [event["line"] for event in generic.told("output") if "://" in event["line"]]
    assert printed.startswith("postgresql+asyncpg://postgres@")


def test_the_driver_an_asynchronous_env_needs(make: MakeProject, database18: Database) -> None:
    """With nothing but a placeholder in the ini, an env.py of asyncio gets a driver of asyncio."""
    assert make(database18, "asynchronous").describe().versions["driver"].startswith("asyncpg ")


def test_a_named_driver_that_does_not_fit(make: MakeProject, database18: Database) -> None:
    """A driver the reference names is handed over, and the refusal says what to write instead."""
    project = make(database18, "asynchronous")
    project.database = replace(database18, driver="psycopg2")
    found = told(project)
    assert found[:2] == [
        "The project's env.py works with asyncio, and the address it got is for a driver that does not.",
        "  left: unchanged: nothing was run.",
    ]
    assert "requires an async driver" in found[2]
    assert found[3] == (
        "  next: Hand over {url+asyncpg} in `environment`, or write the target's reference as postgresql+asyncpg://."
    )


def test_a_driver_of_asyncio_without_it(generic: Project) -> None:
    """The other way round."""
    generic.database = replace(generic.database, driver="asyncpg")
    found = told(generic)
    assert (
        found[0] == "The project's env.py works without asyncio, and the address it got is for a driver that needs it."
    )
    assert found[3] == (
        "  next: Hand over {url+psycopg2} in `environment`, or write the target's reference without +asyncpg."
    )


def test_a_variable_that_is_not_there(make: MakeProject, database18: Database) -> None:
    """The child has an allow-list: what the project asks for is named, and where to set it."""
    assert told(make(database18, "own_engine")) == [
        "The project asks for the variable WAREHOUSE_DSN, which it does not have.",
        "  left: unchanged: nothing was run.",
        "  why:  the child gets an allow-list and what `environment` and `files` of the target add, nothing else.",
        "  next: Set it in `environment`; an address is {url}, or {url+asyncpg} for another driver.",
    ]


def test_a_missing_key_is_not_a_variable(generic: Project) -> None:
    """Any other KeyError is the project's own."""
    generic.edit_env(("target_metadata = None\n", "target_metadata = {}['models']\n"))
    assert told(generic)[0] == "The project failed: KeyError: 'models'."


def test_a_placeholder(generic: Project) -> None:
    """An env.py that reads another section than the one with the address meets the placeholder there."""
    ini = generic.folder / "alembic.ini"
    ini.write_text(ini.read_text() + "\n[other]\nsqlalchemy.url = driver://user:pass@localhost/dbname\n")
    generic.edit_env(("config.get_section(config.config_ini_section)", "config.get_section('other')"))
    assert told(generic) == [
        "The project has an address of its own that is none: NoSuchModuleError: Can't load plugin: "
        "sqlalchemy.dialects:driver.",
        "  left: unchanged: nothing was run.",
        "  why:  env.py did not take what it got; a line like driver://user:pass@localhost/dbname stands in its ini.",
        "  next: See where env.py takes its address from; hand it over there: `environment`, `files`, `alembic_args`, "
        "`bind`.",
    ]


def test_an_address_in_an_argument(make: MakeProject, connection18: Connection, database18: Database) -> None:
    """``alembic_args`` may hold the places that ``environment`` may, and nothing of them is shown."""
    project = make(database18, "argument")
    project.set(alembic_args=("dsn={url}",))
    project.upgrade("bb1000000001", "bb1000000002")
    assert state.read(connection18) == ("bb1000000002",)


def test_an_address_as_libpq_writes_it(make: MakeProject, connection18: Connection, database18: Database) -> None:
    """An application that puts the driver in itself gets an address without one."""
    project = make(database18, "own_engine")
    swapped = 'os.environ["WAREHOUSE_DSN"].replace("postgresql://", "postgresql+psycopg2://")'
    project.edit_env(('os.environ["WAREHOUSE_DSN"]', swapped))
    project.set(environment={"WAREHOUSE_DSN": "{url+libpq}"})
    project.upgrade("55a000000001")
    assert state.read(connection18) == ("55a000000001",)
