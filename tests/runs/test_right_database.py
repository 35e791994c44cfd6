"""An env.py that leads elsewhere, in whole runs: exit 5 before its first statement, and nothing written anywhere."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook.postgres import identity
from alembook.postgres.connection import Connection, Database, connect, execute, rows, scalar
from alembook.postgres.embedded import Server
from tests.project.conftest import relations
from tests.runs.conftest import Workplace
from tests.runs.test_any_project import bring, run

FILL = """CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
 CREATE TABLE precious (id int PRIMARY KEY, word text);
 INSERT INTO precious SELECT n, 'word ' || n FROM generate_series(1, 50) AS n"""
CONTENTS = """SELECT md5(string_agg(p::text, '' ORDER BY p.id)) || (SELECT count(*) FROM alembic_version)
 FROM precious AS p"""
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"


def written(connection: Connection) -> tuple[object, ...]:
    """Returns everything that a write would change: relations, rows, version rows."""
    return (*relations(connection), scalar(connection, CONTENTS))


@contextlib.contextmanager
def opened(database: Database) -> Iterator[Connection]:
    """Yields a connection."""
    with contextlib.closing(connect(database, application_name="test")) as connection:
        yield connection


def elsewhere(folder: Path, target: Database, url: str) -> Workplace:
    """Returns a workplace whose env.py takes its address from a variable, and what the variable says."""
    return bring(folder, "elsewhere", target, f"environment = {{ ELSEWHERE_URL = '{url}' }}\n")


def said(text: str, beginning: str) -> list[str]:
    """Returns the four lines of a message: what, left, why, next."""
    return text[text.index(beginning) :].splitlines()[:4]


def refused(place: Workplace, reached: str) -> None:
    """Runs it, and expects the refusal, whole; the target is empty afterwards."""
    done = place.alembook("run", "-t", "demo")
    assert done.returncode == 5, done.stdout + done.stderr
    assert said(done.stderr, "The project connected") == [
        "The project connected to another database than the target.",
        "  left: unchanged: the agent ended before the project's first statement.",
        f"  why:  it reached {reached}; the target is {place.database.label()}. Nothing but the question where it is "
        "was sent.",
        "  next: Point it right in [targets.demo]. An env.py that reads sqlalchemy.url gets it; for one that reads a "
        'variable: environment = { DATABASE_URL = "{url}" }; a file: files = { APP_CONFIG = "..." }; -x: '
        'alembic_args = ["url={url}"]; one of several databases: bind = "NAME".',
    ]
    with opened(place.database) as connection:
        assert not [name for name in relations(connection) if name.startswith("relation") or "alembook" in name]


@pytest.fixture
def filled(database18: Database, server18: Server) -> Iterator[Database]:
    """Yields another database of the same server, with rows and an empty version table."""
    other = server18.create_database(f"{database18.dbname}_other")
    with opened(other) as connection:
        execute(connection, FILL)
    yield other
    with opened(database18) as connection:
        execute(connection, f"DROP DATABASE {other.dbname} WITH (FORCE)")


def test_another_database_of_the_server(tmp_path: Path, database18: Database, filled: Database) -> None:
    """The same server, role and password: only the name differs."""
    with opened(filled) as there:
        before = written(there)
        refused(elsewhere(tmp_path, database18, filled.url()), f"{filled.label()}")
        assert written(there) == before


def test_another_server(tmp_path: Path, database18: Database, server16: Server) -> None:
    """Another server, whose database has the very same name."""
    there = server16.create_database(database18.dbname)
    with opened(there) as connection:
        execute(connection, FILL)
        before = written(connection)
        refused(elsewhere(tmp_path, database18, there.url()), there.label())
        assert written(connection) == before
    with opened(server16.ensure()) as connection:
        execute(connection, f"DROP DATABASE {there.dbname} WITH (FORCE)")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """Yields one database on two servers, the second made of a cold copy of the first one's data folder."""
    first, second = (Server(tmp_path / name, 18, fast=True) for name in ("first", "second"))
    try:
        with opened(first.create_database("shop")) as connection:
            execute(connection, "ALTER SYSTEM SET autovacuum = off")  # transactions there are ours, or nobody's
        first.stop()
        second.folder.mkdir()
        subprocess.run(["cp", "-a", first.places.data, second.places.data], check=True)
        yield first.ensure().with_dbname("shop"), second.ensure().with_dbname("shop")
    finally:
        for each in (first, second):
            each.stop()
            each.release()


def test_a_clone_of_the_server(tmp_path: Path, clone: tuple[Database, Database]) -> None:
    """System identifier, oid, names, role and version are the same; only the run's locks are not there."""
    (tmp_path / "place").mkdir()
    mine, copy = clone
    question = "SELECT (SELECT system_identifier FROM pg_control_system()), oid FROM pg_database WHERE datname = 'shop'"
    with opened(mine) as here, opened(copy) as there:
        assert rows(here, question) == rows(there, question)
        assert identity.read(here).fixed() == identity.read(there).fixed()
        before = scalar(there, NEXT_TRANSACTION), relations(there)
        refused(elsewhere(tmp_path / "place", mine, copy.url()), copy.label())
        assert (scalar(there, NEXT_TRANSACTION), relations(there)) == before
        place = bring(tmp_path / "place" / "right", "elsewhere", mine, 'environment = { ELSEWHERE_URL = "{url}" }\n')
        run(place, "head")
        assert (scalar(there, NEXT_TRANSACTION), relations(there)) == before
        assert scalar(here, "SELECT version_num FROM alembic_version") == "1a0000000021"


def test_sqlite(tmp_path: Path, database18: Database) -> None:
    """Another engine is refused before it connects: no file is made, and one that is there is not opened."""
    file = tmp_path / "trap.sqlite"
    place = elsewhere(tmp_path, database18, f"sqlite:///{file}")
    refused(place, f"a sqlite database ({file})")
    assert not file.exists()
    file.write_bytes(b"somebody's")
    refused(place, f"a sqlite database ({file})")
    assert (file.read_bytes(), list(tmp_path.glob("trap.sqlite?*"))) == (b"somebody's", [])


def test_right_when_looked_at_and_wrong_afterwards(tmp_path: Path, database18: Database, filled: Database) -> None:
    """Between inspect and upgrade the variable changes: rehearsal and upgrade ask again, and apply nothing anywhere."""
    place = elsewhere(tmp_path, database18, "{url}")
    assert place.alembook("run", "-t", "demo", "--through", "backup").returncode == 0
    toml = place.folder / "alembook.toml"
    toml.write_text(toml.read_text().replace("{url}", filled.url()))
    with opened(filled) as there, opened(database18) as here:
        before = written(there), relations(here)
        rehearsed = place.alembook("run", "--run", place.runs()[-1].name)
        assert rehearsed.returncode == 3, rehearsed.stderr
        assert "The project connected to another database than the target." in rehearsed.stderr, rehearsed.stderr
        done = place.alembook("run", "--run", place.runs()[-1].name, "--from", "upgrade")
        assert done.returncode == 5, done.stderr
        assert (written(there), relations(here)) == before


WANDERER = '''"""A revision that reports to another database."""
import os

from alembic import op
from sqlalchemy import create_engine, text

revision = "2b0000000022"
down_revision = "1a0000000021"
branch_labels = depends_on = None


def upgrade():
    op.execute("ALTER TABLE things ADD COLUMN done boolean")
    try:
        with create_engine(os.environ["REPORTS_URL"]).begin() as connection:
            connection.execute(text("DELETE FROM precious"))
    except Exception:
        pass


def downgrade():
    op.execute("ALTER TABLE things DROP COLUMN done")
'''


def test_a_revision_that_connects_elsewhere(tmp_path: Path, database18: Database, filled: Database) -> None:
    """It is stopped where it connects, though it would swallow an error: what it did before that is rolled back."""
    addresses = f'environment = {{ ELSEWHERE_URL = "{{url}}", REPORTS_URL = "{filled.url()}" }}\n'
    place = bring(tmp_path, "elsewhere", database18, addresses)
    (place.folder / "project/migrations/versions/2b0000000022.py").write_text(WANDERER, encoding="utf-8")
    with opened(filled) as there, opened(database18) as here:
        before = written(there)
        assert place.alembook("run", "-t", "demo", "--through", "backup").returncode == 0
        done = place.alembook("run", "--run", place.runs()[-1].name, "--from", "upgrade")
        assert done.returncode == 5, done.stderr
        assert said(done.stderr, "The revision 2b0000000022") == [
            "The revision 2b0000000022 connected to another database than the target.",
            "  left: the database is at 1a0000000021, by its version table.",
            f"  why:  it reached {filled.label()}; the target is {database18.label()}. Nothing but the question where "
            "it is was sent.",
            "  next: Let it work on op.get_bind() alone: a run has the backup, the locks and the record of one "
            "database.",
        ]
        assert written(there) == before
        assert scalar(here, "SELECT count(*) FROM information_schema.columns WHERE table_name = 'things'") == 1
