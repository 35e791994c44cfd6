"""What env.py does: the URL, the comparison of models and database, logging."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import ProgrammingError

from tests.migrations.project import FOLDER, HEAD, Project, program

NO_URL = (
    "No database URL. Give it with  alembic -c migrations/alembic.ini -x url=postgresql://user@host/name ...  "
    "or set sqlalchemy.url in a configuration of your own; leave the password to ~/.pgpass or PGPASSWORD."
)


def written(project: Project) -> list[Path]:
    """Returns the revision files that the reference project does not have."""
    own = {path.name for path in (FOLDER / "versions").glob("*.py")}
    return [path for path in (project.folder / "versions").glob("*.py") if path.name not in own]


def change(project: Project, name: str, old: str, new: str) -> None:
    """Replaces a text that occurs once in a file of a copied project."""
    path = project.folder / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_models_are_the_tables_at_head(project: Project) -> None:
    """``alembic check`` finds no difference between the models and a database at head."""
    project.upgrade("head")
    checked = project.run("check")
    assert (checked.returncode, checked.stdout) == (0, "No new upgrade operations detected.\n")


def test_no_file_for_no_difference(copied: Project) -> None:
    """``revision --autogenerate`` on unchanged models writes nothing and says so."""
    copied.upgrade("head")
    done = copied.run("revision", "--autogenerate", "-m", "nothing")
    assert done.returncode == 0
    assert done.stderr.endswith("[alembic.env] No changes in schema detected: no revision is written.\n")
    assert written(copied) == []


def test_a_difference_is_written(copied: Project) -> None:
    """A new column becomes a file named by the template, with the docstring to fill in, that passes as a revision."""
    copied.upgrade("head")
    change(copied, "models.py", "    plan: Mapped[str]", "    motto: Mapped[String40 | None]\n    plan: Mapped[str]")
    done = copied.run("revision", "--autogenerate", "-m", "Adds a motto to tenants")
    assert done.returncode == 0, done.stderr
    [path] = written(copied)
    assert re.fullmatch(r"\d{4}_\d\d_\d\d_\d{4}-[0-9a-f]{12}_adds_a_motto_to_tenants\.py", path.name)
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""Adds a motto to tenants.\n\nSay in plain words')
    assert "Loses on downgrade: say what, or: nothing." in text
    assert f"Revises: {HEAD}\n" in text
    assert re.search(r"Create Date: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\+00:00\n", text)
    assert "op.add_column('tenants', sa.Column('motto', sa.String(length=40), nullable=True))" in text
    assert copied.run("upgrade", "head").returncode == 0


def test_a_type_is_compared(copied: Project) -> None:
    """A wider varchar in the models is a difference."""
    copied.upgrade("head")
    change(copied, "models.py", "    collection_name: Mapped[String64]", "    collection_name: Mapped[String255]")
    [[(kind, _, table, column, *_)]] = copied.differences()
    assert (kind, table, column) == ("modify_type", "dataset_collection_bindings", "collection_name")


def test_a_foreign_key_never_shows(copied: Project) -> None:
    """Autogenerate writes no foreign key, neither of an old table nor within a new one, and drops none."""
    copied.upgrade("head")
    old = "    collection_binding_id: Mapped[UUID | None]"
    change(copied, "models.py", old, f"{old} = mapped_column(ForeignKey('dataset_collection_bindings.id'))")
    change(copied, "models.py", "import BigInteger, Index", "import BigInteger, ForeignKey, Index")
    assert copied.differences() == []
    new_table = """

class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[Identifier]
    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"))
"""
    with (copied.folder / "models.py").open("a", encoding="utf-8") as models:
        models.write(new_table)
    assert copied.run("revision", "--autogenerate", "-m", "tags").returncode == 0
    [path] = written(copied)
    text = path.read_text(encoding="utf-8")
    assert "op.create_table('tags'" in text
    assert "Foreign" not in text


def test_the_ledger_is_not_offered_for_dropping(copied: Project) -> None:
    """The schema alembook is left alone, also where all schemas are compared."""
    copied.upgrade("head")
    copied.execute("CREATE SCHEMA alembook")
    copied.execute("CREATE TABLE alembook.applied (id int PRIMARY KEY)")
    copied.execute("CREATE INDEX ON alembook.applied (id)")
    change(copied, "env.py", '"compare_type": True,', '"compare_type": True, "include_schemas": True,')
    assert copied.differences() == []
    change(copied, "env.py", 'LEDGER_SCHEMA = "alembook"', 'LEDGER_SCHEMA = "other"')
    assert "remove_table" in [difference[0] for difference in copied.differences()]


def test_no_url(project18: Project) -> None:
    """Without a URL a command that connects says how to give one."""
    done = project18.run("current", url=False)
    assert done.returncode == 255
    assert done.stderr.splitlines()[-1].partition("] ")[2] == NO_URL


def test_plain_schemes_mean_psycopg2(project18: Project) -> None:
    """postgresql:// and postgres:// are understood, and a percent sign in them is one."""
    place = project18.database.url().partition("://")[2]
    for scheme in ("postgresql", "postgres"):
        done = project18.run("-x", f"url={scheme}://{place}&application_name=50%25", "current", url=False)
        assert done.returncode == 0, done.stderr


def test_x_url_goes_before_the_file(copied: Project) -> None:
    """A URL on the command line counts, not the one in the file."""
    change(copied, "alembic.ini", "sqlalchemy.url =", "sqlalchemy.url = postgresql://nobody@127.0.0.1:1/nowhere")
    assert copied.run("current").returncode == 0
    assert copied.run("current", url=False).returncode == 1


def test_offline_needs_no_url(project18: Project) -> None:
    """``--sql`` prints the SQL of a step without knowing a database, percent signs as they are."""
    done = project18.run("upgrade", "fa8b0fa6f407:e8446f481c1e", "--sql", url=False)
    assert done.returncode == 0
    assert "CREATE TABLE provider_credentials" in done.stdout
    assert done.stdout.rstrip().endswith("COMMIT;")


def test_other_loggers_stay(project18: Project) -> None:
    """A program that calls Alembic keeps its loggers; one that has set up logging keeps its handlers."""
    text = f"""
import logging, sys
from alembic import command
from alembic.config import Config
mine = logging.getLogger("mine")
if sys.argv[1] == "handlers":
    logging.basicConfig()
before = list(logging.getLogger().handlers)
configuration = Config({str(FOLDER / "alembic.ini")!r})
configuration.set_main_option("sqlalchemy.url", {project18.database.url().replace("%", "%%")!r})
command.current(configuration)
print(mine.disabled, logging.getLogger().handlers == before)
"""
    results = [program(sys.executable, "-c", text, mode).stdout.split() for mode in ("handlers", "none")]
    assert results == [["False", "True"], ["False", "False"]]


def test_a_failure_leaves_the_last_good_revision(project18: Project) -> None:
    """Each revision is a transaction of its own: those before a failing one stay."""
    project18.upgrade("48515cbb9553")
    project18.execute("CREATE TABLE provider_credentials (id int)")
    with pytest.raises(ProgrammingError, match='relation "provider_credentials" already exists'):
        project18.upgrade("head")
    assert project18.revision() == ["fa8b0fa6f407"]
    project18.execute("DROP TABLE provider_credentials")
    project18.upgrade("head")


def test_an_interrupted_index_build_is_not_taken_for_done(project18: Project) -> None:
    """An invalid index of the same name makes the revision fail; when it is dropped, the revision succeeds."""
    project18.upgrade("0e154742a5fa")
    project18.execute("CREATE INDEX provider_credential_id_idx ON providers (credential_id)")
    project18.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'provider_credential_id_idx'::regclass"
    )
    with pytest.raises(ProgrammingError, match='relation "provider_credential_id_idx" already exists'):
        project18.upgrade("d876569d24c8")
    project18.execute("DROP INDEX provider_credential_id_idx")
    project18.upgrade("d876569d24c8")
