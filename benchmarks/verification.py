"""Verification: one pass over a table against bare scans, and the keys of changed rows against the equality check.

Run it with ``python benchmarks/verification.py [--rows N] [--changed N] [--rounds N]``. It starts an embedded server of
its own in a temporary folder, prints seconds and ratios, and stops the server. Contenders take turns; the fastest round
counts. Not measured yet: reladiff, pandas and datacompy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from alembook.postgres import connection as connections
from alembook.postgres import embedded
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import measurement, pair
from alembook.snapshots.details import MayShow

SEED = """
CREATE TABLE accounts AS
SELECT md5(i::text)::uuid AS id, md5((i / 5)::text)::uuid AS tenant, repeat(md5(i::text), 6) AS config, 'eu' AS region,
       i / 3.0 AS amount, CASE WHEN i %% 4 > 0 THEN 'note ' || i END AS note, now() AS created_at, now() AS updated_at
  FROM generate_series(1, %(rows)s) AS i;
ALTER TABLE accounts ADD PRIMARY KEY (id);
VACUUM ANALYZE accounts
"""
CHANGE = """
UPDATE accounts SET region = 'us'
 WHERE id IN (SELECT md5((i * %(step)s)::text)::uuid FROM generate_series(1, %(n)s) AS i)
"""
HASH = "SELECT sum(hash_record_extended(a, 0)) FROM accounts AS a"


def opened(database: Database) -> Connection:
    """Returns a connection that reads with one process."""
    settings = {"max_parallel_workers_per_gather": "0", "jit": "off"}
    return connections.connect(database, application_name="alembook benchmark", settings=settings)


def seconds(work: Callable[[], object]) -> float:
    """Returns how long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(database: Database, workers: int) -> None:
    """Measures the database as a run does."""
    with connections.closing(opened(database)) as connection, measurement.snapshot(connection):
        measurement.measure(connection, connect=lambda: opened(database), workers=workers)


def ask(database: Database, query: str) -> None:
    """Asks one bare question."""
    with connections.closing(opened(database)) as connection:
        connections.scalar(connection, query)


def compare(left: Database, right: Database, differing: int) -> None:
    """Compares, and insists on the answer."""
    found = pair.compare(lambda: opened(left), lambda: opened(right), limit=differing + 1, may_show=MayShow(keys=True))
    if len(found.rows) != differing:
        raise SystemExit(f"{len(found.rows)} rows differ, and {differing} should")


def make(server: embedded.Server, rows: int, changed: int) -> list[Database]:
    """Returns a database, an equal one, and one in which some rows are changed."""
    first = server.create_database("first")
    with connections.closing(opened(first)) as connection:
        for statement in SEED.split(";"):
            connections.execute(connection, statement, {"rows": rows})
    with connections.closing(opened(server.ensure())) as connection:
        for name in ("same", "other"):
            connections.execute(connection, f"CREATE DATABASE {name} TEMPLATE first STRATEGY file_copy")
    other = server.ensure().with_dbname("other")
    step = max(rows // changed, 1)
    with connections.closing(opened(other)) as connection:
        connections.execute(connection, CHANGE, {"step": step, "n": changed})
    return [first, server.ensure().with_dbname("same"), other]


def main() -> None:
    """Prints what each took, and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = embedded.Server(Path(folder), 18)
        try:
            first, same, other = make(server, asked.rows, asked.changed)
            contenders: dict[str, Callable[[], object]] = {
                "count(*)": lambda: ask(first, "SELECT count(*) FROM accounts"),
                "bare hash scan": lambda: ask(first, HASH),
                "measure, 1 worker": lambda: measure(first, 1),
                "measure, 2 workers": lambda: measure(first, 2),
                "compare, equal": lambda: compare(first, same, 0),
                "compare, keys of changed rows": lambda: compare(first, other, asked.changed),
            }
            best = dict.fromkeys(contenders, float("inf"))
            for _ in range(asked.rounds):
                for name, work in contenders.items():
                    best[name] = min(best[name], seconds(work))
        finally:
            server.stop()
    for name, took in best.items():
        print(f"{name:32} {took:8.2f} s   {took / best['bare hash scan']:6.2f} x the bare hash scan")  # noqa: T201
    ratio = best["compare, keys of changed rows"] / best["compare, equal"]
    print(f"keys of {asked.changed} of {asked.rows:,} rows: {ratio:.2f} x the equality check")  # noqa: T201


if __name__ == "__main__":
    main()
