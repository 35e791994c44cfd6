"""The credential pool, 100,000 providers: committed batches against one set-based statement and against row at a time.

Run it with ``python benchmarks/credential_pool.py [--providers N] [--rounds N] [--major 18]``. It starts an embedded
server of its own in a temporary folder, prints ratios and stops the server. Each contender works on a fresh copy of one
seeded database; contenders take turns, and the median of the rounds counts. Row at a time, which is how the strategy's
own migration works, runs once. A probe reads ``providers`` all the while and counts how often it had to give up.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy

from alembook import errors
from alembook.backfills import SQL, Backfill
from alembook.backfills import engine as backfills
from alembook.config import Backfill as Policy
from alembook.postgres import connection as connections
from alembook.postgres import embedded
from alembook.postgres.connection import Connection, Database

SCHEMA = """
CREATE TABLE providers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL, provider_name varchar(255) NOT NULL,
    provider_type varchar(40) NOT NULL DEFAULT 'custom', encrypted_config text, is_valid boolean NOT NULL DEFAULT true,
    last_used timestamp, quota_type varchar(40) DEFAULT '', quota_limit bigint, quota_used bigint, credential_id uuid,
    created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, provider_name, provider_type, quota_type)
);
CREATE INDEX ON providers (tenant_id, provider_name);
CREATE TABLE provider_credentials (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL, provider_name varchar(255) NOT NULL,
    credential_name varchar(255) NOT NULL, encrypted_config text NOT NULL, created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE INDEX ON provider_credentials (tenant_id, provider_name);
"""
#: 1% each of the secrets are empty, whitespace only, or missing; the others have 400 characters.
SEED = """
INSERT INTO providers (tenant_id, provider_name, encrypted_config)
SELECT md5((i / 5)::text)::uuid, 'provider-' || i % 5,
       CASE i % 100
           WHEN 0 THEN ''
           WHEN 1 THEN E' \\t\\n'
           WHEN 2 THEN NULL
           ELSE '{"api_key": "' || (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 12) AS j) || '"}'
       END
  FROM generate_series(1, %(providers)s) AS i;
"""
PENDING = r"credential_id IS NULL AND btrim(encrypted_config, E' \t\n\r') <> ''"
MOVE = """
    WITH moved AS MATERIALIZED (
        SELECT p.id, gen_random_uuid() AS credential_id,
               p.tenant_id, p.provider_name, p.encrypted_config, p.created_at, p.updated_at
          FROM {source}
    ), stored AS (
        INSERT INTO provider_credentials
            (id, tenant_id, provider_name, credential_name, encrypted_config, created_at, updated_at)
        SELECT credential_id, tenant_id, provider_name, 'API_KEY1', encrypted_config, created_at, updated_at FROM moved
    )
    UPDATE providers AS p SET credential_id = moved.credential_id FROM moved WHERE p.id = moved.id
"""
BACKFILL = Backfill(
    name="credential_pool",
    after="expand",
    table="providers",
    key=("id",),
    pending=PENDING,
    apply=SQL(MOVE.format(source="batch JOIN providers AS p USING (id)")),
)


ROWS = """
    SELECT id, tenant_id, provider_name, encrypted_config, created_at, updated_at FROM providers
     WHERE encrypted_config IS NOT NULL
"""
INSERT = """
    INSERT INTO provider_credentials
        (id, tenant_id, provider_name, credential_name, encrypted_config, created_at, updated_at)
    VALUES (:credential_id, :tenant_id, :provider_name, 'API_KEY1', :encrypted_config, :created_at, :updated_at)
"""
#: Providers that are still pending, whose credential differs, and credentials that no provider points at.
WRONG = f"""
    SELECT count(*)
      FROM (SELECT *, {PENDING} AS pending FROM providers) AS p
      FULL JOIN provider_credentials AS c ON c.id = p.credential_id
     WHERE p.pending OR p.id IS NULL
        OR (p.credential_id IS NOT NULL AND c.encrypted_config IS DISTINCT FROM p.encrypted_config)
"""  # noqa: S608 constants of this file
LINK = "UPDATE providers SET credential_id = :credential_id WHERE id = :id"


def in_batches(database: Database) -> None:
    """Runs the backfill, ledger included."""
    outcome = backfills.run(
        BACKFILL, connect=lambda: _connect(database), policy=Policy(), ledger="alembook", run_id="bench"
    )
    print(f"    {outcome.batches} batches, median {outcome.frame['ms'].median():.0f} ms")  # noqa: T201 a report


def in_one_statement(database: Database) -> None:
    """Moves everything in one transaction."""
    with contextlib.closing(_connect(database)) as connection:
        connections.execute(connection, MOVE.format(source=f"providers AS p WHERE {PENDING}"))


def row_at_a_time(database: Database) -> None:
    """Moves a row with two statements, as the strategy's migration does: all fetched, ids made in Python, one commit.

    That migration begins by adding the column, in the same transaction: here its lock is taken instead.
    """
    engine = sqlalchemy.create_engine(database.url())
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("LOCK TABLE providers IN ACCESS EXCLUSIVE MODE"))
        for row in connection.execute(sqlalchemy.text(ROWS)).fetchall():
            if row.encrypted_config.strip():
                values = {**row._mapping, "credential_id": str(uuid.uuid4())}
                connection.execute(sqlalchemy.text(INSERT), values)
                connection.execute(sqlalchemy.text(LINK), values)
    engine.dispose()


def _connect(database: Database) -> Connection:
    return connections.connect(database, application_name="alembook benchmark", settings={"lock_timeout": "2s"})


class Probe:
    """Reads the table as an application does, and counts."""

    def __init__(self, database: Database) -> None:
        self._connection = connections.connect(
            database, application_name="probe", read_only=True, settings={"lock_timeout": "300ms"}
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.reads = self.refused = 0

    def _read(self) -> None:
        while not self._stop.wait(0.1):
            self.reads += 1
            try:
                connections.scalar(self._connection, "SELECT provider_name FROM providers LIMIT 1")
            except errors.QueryFailed:
                self.refused += 1

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._connection.close()


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


def _seed(server: embedded.Server, providers: int) -> Database:
    seed = server.create_database("seed")
    with contextlib.closing(_connect(seed)) as connection:
        connections.execute(connection, SCHEMA)
        connections.execute(connection, SEED.replace("%(providers)s", str(providers)))
        connections.execute(connection, "VACUUM ANALYZE")
    return seed


def _timed(seed: Database, contender: Callable[[Database], None]) -> float:
    copy = seed.with_dbname("copy")
    with contextlib.closing(_connect(seed.with_dbname("postgres"))) as connection:
        for statement in ("DROP DATABASE IF EXISTS copy", "CREATE DATABASE copy TEMPLATE seed", "CHECKPOINT"):
            connections.execute(connection, statement)
    with Probe(copy) as probe:
        started = time.perf_counter()
        contender(copy)
        seconds = time.perf_counter() - started
    print(f"  {contender.__name__:<18}{seconds:8.2f} s   readers refused: {probe.refused} of {probe.reads}")  # noqa: T201
    _require_moved(copy)
    return seconds


def _require_moved(copy: Database) -> None:
    with contextlib.closing(_connect(copy)) as connection:
        wrong = connections.scalar(connection, WRONG)
    if wrong:
        raise SystemExit(f"wrong result: {wrong} providers or credentials are not as they should be")


def main() -> None:
    """Measures and prints ratios."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--providers", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--major", type=int, default=18)
    given = arguments.parse_args()
    with _server(given.major) as server:
        seed = _seed(server, given.providers)
        pairs = [(_timed(seed, in_batches), _timed(seed, in_one_statement)) for _ in range(given.rounds)]
        rows = _timed(seed, row_at_a_time)
    batches, statement = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"batches / one statement: {batches / statement:.2f} (goal: at most 1.3)")  # noqa: T201
    print(f"row at a time / batches: {rows / batches:.1f} (goal: at least 12)")  # noqa: T201


if __name__ == "__main__":
    main()
