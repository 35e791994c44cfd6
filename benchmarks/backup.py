"""A proven backup against pg_dump and pg_restore alone: seconds, ratio, goal (DESIGN.md 7), and whether memory is flat.

Run it with ``python benchmarks/backup.py [--megabytes N] [--rounds N]``. It starts embedded servers of its own in a
temporary folder and stops them. Both contenders dump with the same compression and jobs, and restore on the same
server; they take turns, and the ratio is taken within each round.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from alembook import archive, config
from alembook.postgres import connection as connections
from alembook.postgres import embedded, needs, scratch, tools
from alembook.postgres.connection import Database
from alembook.steps import backup, inspection
from alembook.steps.runbook import Book

ROOT = Path(__file__).parents[1]
GOAL = 1.35
JOBS = 4
TOML = '[targets.bench]\ndatabase = "embedded:"\nproject = "migrations"\n'
#: About 1 MB for each 4,950 rows, with its indexes.
ROWS_OF_A_MEGABYTE = 4_950
TABLES = 6
SEED = """
CREATE TABLE big_{n} AS
SELECT i AS id, md5((i * {n})::text)::uuid AS tenant, md5(i::text) || md5((i + {n})::text) AS config, i / 3.0 AS amount,
       CASE WHEN i % 4 > 0 THEN 'note ' || i END AS note, now() AS created_at
  FROM generate_series(1, {rows}) AS i;
ALTER TABLE big_{n} ADD PRIMARY KEY (id);
CREATE INDEX ON big_{n} (tenant);
VACUUM ANALYZE big_{n}
"""


def say(text: str) -> None:
    """Prints a line at once."""
    print(text, flush=True)  # noqa: T201 - a benchmark speaks


def seeded(folder: Path, megabytes: int) -> config.Target:
    """Makes a target whose database is about so large, and returns it."""
    (folder / "alembook.toml").write_text(TOML, encoding="utf-8")
    shutil.copytree(ROOT / "migrations", folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    target = config.load(folder / "alembook.toml").target("bench")
    database = embedded.Server(target.state_folder, fast=True).create_database("alembook")
    opened = connections.connect(database, application_name="benchmark")
    with connections.closing(opened) as connection:
        for number in range(1, TABLES + 1):
            rows = megabytes * ROWS_OF_A_MEGABYTE // TABLES
            for statement in SEED.format(n=number, rows=rows).split(";"):
                connections.execute(connection, statement)
        size = connections.scalar(connection, "SELECT pg_database_size(current_database())")
    say(f"database  {size / 1e6:,.0f} MB in {TABLES} large tables")
    return target


def planned(target: config.Target) -> archive.RunFolder:
    """Begins a run with its plan, and returns its folder."""
    folder = archive.begin(target.folder / "runs", target.name, to="+1")
    book = Book(step="inspect", stage=0, target=target, folder=folder)
    inspection.inspect(book, to="+1")
    book.close()
    return folder


def proven(target: config.Target) -> float:
    """Makes one backup with its proof, drops the copy, and returns the seconds the step took."""
    folder = planned(target)
    book = Book(step="backup", stage=0, target=target, folder=folder)
    began = time.monotonic()
    receipt = backup.make(book)
    seconds = time.monotonic() - began
    book.close()
    receipt.require()
    proof = receipt.facts["proof"]
    parts = {"dump": receipt.facts["dump_seconds"]} | {n: s for n, s in proof.items() if n.endswith("_seconds")}
    say("  step     " + ", ".join(f"{name} {value:.1f} s" for name, value in parts.items()))
    for place in scratch.existing(target):
        for each in scratch.find(place):
            scratch.drop(each)
    shutil.rmtree(target.backup.directory)
    return seconds


def bare(target: config.Target, database: Database) -> float:
    """Dumps and restores with the programs alone, and returns the seconds both took."""
    with connections.closing(connections.connect(database, application_name="benchmark")) as connection:
        needed = needs.read(connection)
    made = scratch.create(scratch.place(target, needed), needed, run_id="20260101T000000Z-000000", target=target.name)
    find = {"server_version_num": needed.version_num, "database": database, "postgres_bin": None}
    dump, restore = (tools.find(name, **find) for name in ("pg_dump", "pg_restore"))  # type: ignore[arg-type]
    folder = target.folder / "bare"
    compress = f"--compress={tools.compression(dump)}"
    began = time.monotonic()
    _run(dump.path, database, "-Fd", f"--jobs={JOBS}", compress, f"--file={folder}")
    _run(restore.path, made.database, f"--jobs={JOBS}", "--no-owner", f"--dbname={made.name}", str(folder))
    seconds = time.monotonic() - began
    scratch.drop(made)
    shutil.rmtree(folder)
    return seconds


def _run(program: Path, database: Database, *arguments: str) -> None:
    environment = {"PATH": os.defpath, "LC_ALL": "C", **database.environment()}
    subprocess.run([str(program), *arguments], env=environment, check=True)


def memory_mb() -> float:
    """Returns the most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measures, prints, and returns 1 when the goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alembook-benchmark-") as name:
        Path(name).chmod(0o755)
        target = seeded(Path(name), asked.megabytes)
        servers = [embedded.Server(folder, fast=True) for folder in (target.state_folder, scratch.folder(target))]
        database = servers[0].ensure().with_dbname("alembook")
        ratios, memory = [], []
        try:
            bare(target, database)  # warms caches, makes the server for scratch databases
            for number in range(1, asked.rounds + 1):
                alone, step = bare(target, database), proven(target)
                ratios.append(step / alone)
                memory.append(memory_mb())
                say(f"round {number}  alone {alone:.1f} s, backup and proof {step:.1f} s: {ratios[-1]:.2f}x")
        finally:
            for server in servers:
                server.stop()
    median = statistics.median(ratios)
    say(f"ratio     {median:.2f}x (goal {GOAL}x), {min(ratios):.2f} to {max(ratios):.2f}")
    say(f"memory    {memory[0]:.0f} MB after the first round, {memory[-1]:.0f} MB after the last")
    return int(median > GOAL)


if __name__ == "__main__":
    raise SystemExit(main())
