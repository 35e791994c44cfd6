"""The agent, 200 small revisions: `driver.upgrade` against `alembic upgrade head` with a transaction per migration.

Run it with ``python benchmarks/agent.py [--revisions N] [--rounds N] [--major 18]``. It starts an embedded server of
its own in a temporary folder, writes a project whose revisions create a table, add a column or build an index in turn,
and stops the server. Contenders take turns, each on a fresh database; the median of the rounds counts.

Both times are whole, from the call to its return, with the start of a Python that imports Alembic and loads the
project. The agent's includes what ``alembic upgrade`` does not do: the session that holds the locks, the ledger, in
each revision a proof of the database and of the lock limit, every statement told, the rows it changed counted. Not
included is what the upgrade step does around it once (the plan held against the files, the measurement before) and
what a notebook costs. Seen on two quiet cores, three rounds: 0.66 s and 0.99 s; with eight others at work, 2.2 s and
3.3 s.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from alembook import config
from alembook.postgres import connection as connections
from alembook.postgres import embedded, session
from alembook.postgres.connection import Database
from alembook.project import driver

INI = """
[alembic]
script_location = %(here)s/migrations
path_separator = os
sqlalchemy.url = postgresql://set/by/both
"""
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
TARGET = """
[targets.bench]
database = "env:BENCH_URL"
project = "."
environment = { DATABASE_URL = "{url}" }
"""
BODIES = (
    'op.create_table("t{n}", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(40)))',
    'op.add_column("t{before}", sa.Column("added", sa.Integer()))',
    'op.create_index("i{n}", "t{first}", ["name"])',
)
REVISION = '''"""Revision {n}."""
import sqlalchemy as sa
from alembic import op

revision = "{n:012d}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade():
    {body}


def downgrade():
    pass
'''


def write_project(folder: Path, revisions: int) -> list[str]:
    """Writes the project and its alembook.toml; returns the ids in order."""
    versions = folder / "migrations/versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI, encoding="utf-8")
    (folder / "migrations/env.py").write_text(ENV, encoding="utf-8")
    (folder / "alembook.toml").write_text(TARGET, encoding="utf-8")
    for n in range(1, revisions + 1):
        body = BODIES[(n - 1) % 3].format(n=n, before=n - 1, first=n - 2)
        down = f'"{n - 1:012d}"' if n > 1 else "None"
        text = REVISION.format(n=n, down=down, body=body)
        (versions / f"{n:012d}_revision.py").write_text(text, encoding="utf-8")
    return [f"{n:012d}" for n in range(1, revisions + 1)]


def by_alembic(folder: Path, database: Database, revisions: list[str]) -> None:
    """Upgrades as a person would."""
    environment = {**os.environ, "DATABASE_URL": database.url()}  # noqa: TID251 handed on whole, as a shell does
    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", revisions[-1]],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )


def by_agent(folder: Path, database: Database, revisions: list[str]) -> None:
    """Upgrades as the upgrade step does."""
    target = config.load(folder / "alembook.toml").target("bench")
    told: list[object] = []
    with contextlib.closing(session.hold(database, application_name="alembook benchmark")) as held:
        driver.upgrade(
            target, database, held.session, revisions=revisions, guards={}, run_id="bench", on_event=told.append
        )


@contextlib.contextmanager
def _server(major: int) -> Iterator[embedded.Server]:
    with tempfile.TemporaryDirectory(prefix="alembook-bench-") as folder:
        Path(folder).chmod(0o755)
        server = embedded.Server(Path(folder), major)
        server.ensure()
        try:
            yield server
        finally:
            server.stop()


Contender = Callable[[Path, Database, list[str]], None]


def _timed(server: embedded.Server, name: str, folder: Path, revisions: list[str], contender: Contender) -> float:
    database = server.create_database(name)
    started = time.perf_counter()
    contender(folder, database, revisions)
    seconds = time.perf_counter() - started
    with contextlib.closing(connections.connect(database, application_name="alembook benchmark")) as connection:
        reached = connections.scalar(connection, "SELECT version_num FROM alembic_version")
    if reached != revisions[-1]:
        raise SystemExit(f"wrong result: the database is at {reached}")
    print(f"  {contender.__name__:<12}{seconds:8.2f} s")  # noqa: T201 a report
    return seconds


def main() -> None:
    """Measures and prints seconds and their ratio."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--revisions", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--major", type=int, default=18)
    given = arguments.parse_args()
    with _server(given.major) as server, tempfile.TemporaryDirectory(prefix="alembook-bench-") as name:
        folder = Path(name)
        revisions = write_project(folder, given.revisions)
        pairs = [
            tuple(
                _timed(server, f"r{number}_{contender.__name__}", folder, revisions, contender)
                for contender in (by_alembic, by_agent)
            )
            for number in range(given.rounds)
        ]
    alembic, agent = (statistics.median(times) for times in zip(*pairs, strict=True))
    allowed = max(1.5, 0.15 * alembic)
    print(f"alembic {alembic:.2f} s, agent {agent:.2f} s: {agent / alembic:.2f}")  # noqa: T201
    print(f"agent - alembic: {agent - alembic:+.2f} s (goal: at most +{allowed:.2f} s)")  # noqa: T201


if __name__ == "__main__":
    main()
