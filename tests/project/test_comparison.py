"""The project's models against the database, by Alembic's own comparison on read-only connections."""

from __future__ import annotations

import pytest

from alembook import errors
from alembook.postgres.connection import Connection, execute
from alembook.project import driver
from alembook.project.driver import Models
from tests.project.conftest import Project, relations

GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")
MODELS = """\
import sqlalchemy as sa
target_metadata = sa.MetaData()
accounts = sa.Table(
    "accounts",
    target_metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("email", sa.String(80), nullable=False, unique=True),
    sa.Column("name", sa.String(40)),
)
"""


@pytest.fixture
def modelled(generic: Project) -> Project:
    """Returns the generic project with models that fit its last revision, which is applied."""
    generic.edit_env(("target_metadata = None\n", MODELS))
    generic.upgrade(*GENERIC)
    return generic


def compare(project: Project) -> Models:
    """Compares."""
    return driver.compare(project.target, project.database, project.session, log=project.events.append)


def test_models_that_fit_do_not_differ(modelled: Project, connection18: Connection) -> None:
    """At head, with fitting models, there is no difference; nothing is created by looking."""
    before = relations(connection18)
    assert compare(modelled) == Models()
    assert relations(connection18) == before


def test_each_difference_is_a_sentence(modelled: Project, connection18: Connection) -> None:
    """Tables, columns, types, nullability, defaults, indexes, constraints and keys: named, with both sides."""
    execute(
        connection18,
        """CREATE TABLE stray (id int PRIMARY KEY);
           ALTER TABLE accounts DROP CONSTRAINT accounts_email_key, DROP COLUMN name, ADD COLUMN surplus int,
             ALTER COLUMN email TYPE varchar(60), ALTER COLUMN email DROP NOT NULL;
           CREATE INDEX accounts_surplus ON accounts (surplus)""",
    )
    more = (
        '    sa.Column("owner", sa.Integer, sa.ForeignKey("owners.id")),\n)\n'
        'sa.Table("owners", target_metadata, sa.Column("id", sa.Integer, primary_key=True))\n'
    )
    modelled.edit_env(('    sa.Column("name", sa.String(40)),\n)\n', f'    sa.Column("name", sa.String(40)),\n{more}'))
    assert compare(modelled).differences == (
        "Column accounts.email is nullable in the database and NOT NULL in the models.",
        "Column accounts.name is in the models and not in the database.",
        "Column accounts.owner is in the models and not in the database.",
        "Column accounts.surplus is in the database and not in the models.",
        "Constraint (email) on accounts is in the models and not in the database.",
        "Foreign key (owner) on accounts is in the models and not in the database.",
        "Index accounts_surplus on accounts is in the database and not in the models.",
        "Table owners is in the models and not in the database.",
        "Table stray is in the database and not in the models.",
        "The type of accounts.email is VARCHAR(60) in the database and VARCHAR(80) in the models.",
    )


def test_the_projects_own_filters_hold(modelled: Project, connection18: Connection) -> None:
    """``include_object`` and ``compare_server_default`` of env.py are what Alembic goes by."""
    execute(connection18, "CREATE TABLE stray (id int); ALTER TABLE accounts ALTER COLUMN name SET DEFAULT 'none'")
    options = "include_object=lambda o, name, *_: name != 'stray', compare_server_default=True, connection=connection"
    modelled.edit_env(("context.configure(connection=connection", f"context.configure({options}"))
    assert compare(modelled).differences == (
        "The default of accounts.name is 'none'::character varying in the database and none in the models.",
    )


def test_our_own_schema_is_no_difference(modelled: Project) -> None:
    """With ``include_schemas`` Alembic would drop the ledger's table; it is not the project's."""
    modelled.edit_env(
        ("context.configure(connection=connection", "context.configure(include_schemas=True, connection=connection")
    )
    assert compare(modelled) == Models()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((MODELS, "target_metadata = None\n"), "env.py gives Alembic no target_metadata"),
        (
            ("        context.configure(", "        connection.exec_driver_sql('CREATE TABLE own (id int)')\n"
             "        connection.rollback()\n        context.configure("),
            "env.py writes while it is looked at: CREATE TABLE own (id int)",
        ),
        (("    run_migrations_online()\n", "    run_migrations_online()\n" * 2), "more than once: 2 without a name"),
        (("target_metadata = sa.MetaData()", "raise RuntimeError('no')"), "The project failed: RuntimeError: no"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(modelled: Project, change: tuple[str, str], why: str) -> None:
    """No metadata, an env.py that writes, loops or fails: no list, and the reason."""
    modelled.edit_env(change)
    found = compare(modelled)
    assert why in found.why
    assert found.differences == ()


def test_a_write_that_env_keeps_to_itself_is_heard(modelled: Project) -> None:
    """An env.py that swallows the refusal of its own write has written all the same."""
    writing = """
try:
    with sa.create_engine(config.get_main_option("sqlalchemy.url")).connect() as own:
        own.exec_driver_sql("INSERT INTO accounts (email) VALUES ('x')")
except Exception:
    pass
"""
    modelled.edit_env(("def run_migrations_offline", writing + "\n\ndef run_migrations_offline"))
    assert compare(modelled).why == "env.py writes while it is looked at: INSERT INTO accounts (email) VALUES (?)"


def test_a_schema_env_makes_sure_of_is_no_obstacle(modelled: Project) -> None:
    """``CREATE SCHEMA IF NOT EXISTS`` is refused on a read-only connection though it would do nothing."""
    making = "connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS public'); connection.commit()\n        "
    modelled.edit_env(("context.configure(connection=connection", making + "context.configure(connection=connection"))
    assert compare(modelled) == Models()


def test_behind_its_heads_nothing_is_compared(generic: Project) -> None:
    """The models are those of the heads: before that they differ as they should."""
    generic.edit_env(("target_metadata = None\n", MODELS))
    generic.upgrade(*GENERIC[:2])
    assert compare(generic).why == "the models are those of the heads, and 1 revisions are not applied"


def test_another_database_is_refused(modelled: Project) -> None:
    """Comparing goes through the same door as everything else."""
    modelled.edit_env(
        ('config.get_section(config.config_ini_section), prefix="sqlalchemy."', '{"u": "sqlite://"}, prefix=""'),
        ('{"u": "sqlite://"}', '{"url": "sqlite://"}'),
    )
    with pytest.raises(errors.WrongDatabase):
        compare(modelled)
