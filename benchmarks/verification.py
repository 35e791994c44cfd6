"""Verification against bare scans and against peers: seconds, ratios and goals (DESIGN.md 7), answers checked equal.

Run it with ``python benchmarks/verification.py [--rows N] [--rounds N] [--peers]``. It starts an embedded server of its
own in a temporary folder and stops it. Contenders take turns; a ratio is taken within each round, and its median and
extremes over the rounds are printed, of seconds and of CPU seconds (of client and server: what counts on a machine that
others use as well). ``--peers`` makes a virtual environment beside the server, with the dependency
group ``benchmarks`` (reladiff, datacompy, pandas), and asks each peer once: reladiff the whole table, pandas 2,000,000
rows.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembook.postgres import connection as connections
from alembook.postgres import embedded
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import measurement, pair
from alembook.snapshots.details import MayShow

COLUMNS = ["tenant", "config", "region", "amount", "note", "created_at", "updated_at"]
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
SMALL = """
DO $$ BEGIN FOR n IN 1..1000 LOOP
  EXECUTE 'CREATE TABLE small_' || n || ' (id int PRIMARY KEY, kind int, name text, amount numeric,
           created_at timestamptz, note text)';
  EXECUTE 'INSERT INTO small_' || n || ' SELECT i, i / 3, ''row '' || i, i / 3.0, now()
           FROM generate_series(1, 20) AS i';
  IF n = 500 THEN COMMIT; END IF;
END LOOP; END $$
"""
HASH = "SELECT sum(hash_record_extended(a, 0)) FROM accounts AS a"
PANDAS_ROWS = 2_000_000


@dataclass(frozen=True, slots=True)
class Took:
    """What something took, in seconds by the clock and in CPU seconds of client and server."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Meter:
    """Measures what is done on one server.

    Attributes:
        postmaster: its process, which knows the CPU time of every session that has ended.
    """

    server: embedded.Server
    postmaster: int

    @classmethod
    def of(cls, server: embedded.Server) -> Meter:
        """Returns the meter of a server."""
        with connections.closing(opened(server.ensure())) as connection:
            data = Path(str(connections.scalar(connection, "SHOW data_directory")))
        return cls(server, int((data / "postmaster.pid").read_text(encoding="utf-8").split()[0]))

    def took(self, work: Callable[[], object]) -> Took:
        """Returns what it takes."""
        cpu_s, began = self._cpu_s(), time.perf_counter()
        work()
        wall_s = time.perf_counter() - began
        self._wait()
        return Took(wall_s, self._cpu_s() - cpu_s)

    def _wait(self) -> None:
        """Waits for the sessions to end: their CPU time is known when they have."""
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        with connections.closing(opened(self.server.ensure())) as connection:
            while connections.scalar(connection, query):
                time.sleep(0.02)
        time.sleep(0.2)

    def _cpu_s(self) -> float:
        ended = Path(f"/proc/{self.postmaster}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        server = sum(int(ticks) for ticks in ended[13:15]) / os.sysconf("SC_CLK_TCK")
        own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return server + sum(each.ru_utime + each.ru_stime for each in own)


@dataclass(slots=True)
class Contest:
    """Contenders that take turns, and what each round took."""

    meter: Meter
    contenders: Mapping[str, Callable[[], object]]
    took: dict[str, list[Took]] = field(default_factory=dict)

    def run(self, rounds: int) -> Contest:
        """Lets each contender work once a round, in the other order every second time."""
        self.took = {name: [] for name in self.contenders}
        turns = list(self.contenders.items())
        for _ in range(rounds):
            for name, work in turns:
                self.took[name].append(self.meter.took(work))
            turns.reverse()
        for name, each in self.took.items():
            show(name, each)
        return self

    def judge(self, what: str, one: str, other: str, goal: float) -> None:
        """Says how one compares with another, against the goal."""
        pairs = list(zip(self.took[one], self.took[other], strict=True))
        ratios = [mine.wall_s / theirs.wall_s for mine, theirs in pairs]
        cpu = statistics.median(mine.cpu_s / theirs.cpu_s for mine, theirs in pairs)
        told(what, ratios, cpu, f"<= {goal:g}", is_met=statistics.median(ratios) <= goal)


def show(name: str, took: Sequence[Took], more: str = "") -> None:
    """Prints what something took: the median, the extremes, and CPU seconds."""
    wall_s = [each.wall_s for each in took]
    cpu_s = statistics.median(each.cpu_s for each in took)
    extremes = f"({min(wall_s):.2f} to {max(wall_s):.2f})"
    say(f"  {name:36} {statistics.median(wall_s):8.2f} s   {extremes:20} CPU {cpu_s:8.2f} s{more}")


def say(text: str) -> None:
    """Prints at once."""
    print(text, flush=True)  # noqa: T201 - a benchmark speaks


def told(what: str, ratios: list[float], cpu: float, goal: str, *, is_met: bool) -> None:
    """Says a ratio and whether it meets its goal."""
    extremes = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    verdict = "met   " if is_met else "MISSED"
    say(f"{verdict} {what}: {statistics.median(ratios):.2f}{extremes}, by CPU {cpu:.2f}, goal {goal}")


def opened(database: Database) -> Connection:
    """Returns a connection that reads with one process."""
    settings = {"max_parallel_workers_per_gather": "0", "jit": "off"}
    return connections.connect(database, application_name="alembook benchmark", settings=settings)


def measure(database: Database, workers: int = 1, include: str = "*") -> None:
    """Measures the database as a run does."""
    with connections.closing(opened(database)) as connection, measurement.snapshot(connection):
        measurement.measure(connection, connect=lambda: opened(database), workers=workers, include=[include])


def ask(database: Database, *queries: str) -> None:
    """Asks bare questions."""
    with connections.closing(opened(database)) as connection:
        for query in queries:
            connections.scalar(connection, query)


def compare(left: Database, right: Database, differing: int, include: str = "accounts") -> list[str]:
    """Compares, insists on how many rows differ, and returns their keys."""
    how = {"limit": differing + 1, "may_show": MayShow(keys=True), "include": [include]}
    found = pair.compare(lambda: opened(left), lambda: opened(right), **how)  # type: ignore[arg-type]
    if found.rows["row"].nunique() != differing or not found.is_whole:
        raise SystemExit(f"{len(found.rows)} rows differ, and {differing} should")
    return sorted(set(found.rows["key"]))


def peak_mb(left: Database, right: Database, differing: int) -> float:
    """Returns the peak memory of a process of its own that measures one side and compares both, MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_mb, (left.url(), right.url(), differing))


def _peak_mb(left: str, right: str, differing: int) -> float:
    sides = Database.parse(left), Database.parse(right)
    measure(sides[0])
    compare(*sides, differing)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and the databases that are made on it."""

    server: embedded.Server

    def seeded(self, name: str, rows: int) -> Database:
        """Returns a new database with the table."""
        made = self.server.create_database(name)
        with connections.closing(opened(made)) as connection:
            for statement in SEED.split(";"):
                connections.execute(connection, statement, {"rows": rows})
        return made

    def copied(self, of: Database, name: str, rows: int, changed: int) -> Database:
        """Returns a copy in which some rows are changed."""
        with connections.closing(opened(self.server.ensure())) as connection:
            connections.execute(connection, f"CREATE DATABASE {name} TEMPLATE {of.dbname} STRATEGY file_copy")
        made = self.server.ensure().with_dbname(name)
        if changed:
            with connections.closing(opened(made)) as connection:
                connections.execute(connection, CHANGE, {"step": rows // changed, "n": changed})
        return made

    def small(self) -> Database:
        """Returns a new database of 1,000 tables."""
        made = self.server.create_database("small")
        with connections.closing(opened(made)) as connection:
            connections.execute(connection, SMALL)
        return made


def peers(folder: Path) -> Path:
    """Returns the interpreter of a new environment that has the peers."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, folder / "peers"], check=True)
    python = folder / "peers" / "bin" / "python"
    root = Path(__file__).resolve().parent.parent
    group = ["--group", f"{root / 'pyproject.toml'}:benchmarks"]
    subprocess.run([*uv, "pip", "install", "-q", "--python", python, *group], check=True)
    return python


def peer(python: Path, name: str, left: Database, right: Database) -> dict[str, Any]:
    """Returns a peer's answer."""
    sides = [{"host": each.host, "port": each.port, "user": each.user, "dbname": each.dbname} for each in (left, right)]
    asked = {"peer": name, "left": sides[0], "right": sides[1], "table": "accounts", "key": "id", "columns": COLUMNS}
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run([python, script], input=json.dumps(asked), check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def against(meter: Meter, python: Path, name: str, sides: Sequence[Database], differing: int, goal: float) -> None:
    """Says how much faster than a peer the comparison is, with the same answer; in rounds of ours, theirs, ours."""
    answers: list[Any] = []
    ours = [meter.took(lambda: answers.append(compare(sides[0], sides[1], differing)))]
    with_start = meter.took(lambda: answers.append(peer(python, name, sides[0], sides[1])))
    ours.append(meter.took(lambda: answers.append(compare(sides[0], sides[1], differing))))
    if not answers[0] == answers[1]["keys"] == answers[2]:
        raise SystemExit(f"{name} finds {len(answers[1]['keys'])} rows, Alembook {len(answers[0])}")
    theirs = Took(answers[1]["seconds"], with_start.cpu_s)
    show(f"{name}, {differing} rows differ", [theirs], f"   {answers[1]['rss_mb']:,.0f} MB")
    show("compare", ours)
    ratios = [theirs.wall_s / each.wall_s for each in ours]
    cpu = statistics.median(theirs.cpu_s / each.cpu_s for each in ours)
    told(f"times faster than {name}", ratios, cpu, f">= {goal:g}", is_met=statistics.median(ratios) >= goal)


def one_table(place: Place, rows: int, changed: int, rounds: int) -> tuple[Database, Database, Database]:
    """Measures a large table; returns it, an equal one, and one with changed rows."""
    say(f"accounts, {rows:,} rows:")
    first = place.seeded("first", rows)
    same, other = place.copied(first, "same", rows, 0), place.copied(first, "other", rows, changed)
    contest = Contest(
        Meter.of(place.server),
        {
            "count(*)": lambda: ask(first, "SELECT count(*) FROM accounts"),
            "bare hash scan": lambda: ask(first, HASH),
            "measure, 1 worker": lambda: measure(first),
            "measure, 2 workers": lambda: measure(first, 2),
            "compare, equal": lambda: compare(first, same, 0),
            f"compare, keys of {changed} changed rows": lambda: compare(first, other, changed),
        },
    ).run(rounds)
    contest.judge("equality of a table / bare scan with the hash", "measure, 1 worker", "bare hash scan", 1.2)
    keys = f"compare, keys of {changed} changed rows"
    contest.judge(f"keys of {changed} rows / equality", keys, "compare, equal", 1.5)
    return first, same, other


def memory(place: Place, rows: int, changed: int, first: Database, other: Database) -> None:
    """Measures the peak memory over ten times the rows."""
    less = place.seeded("memory", rows // 10)
    peaks = [
        peak_mb(less, place.copied(less, "memory_other", rows // 10, changed), changed),
        peak_mb(first, other, changed),
    ]
    for number, peak in zip((rows // 10, rows), peaks, strict=True):
        say(f"  peak memory at {number:,} rows {peak:,.0f} MB")
    say(
        f"{'met   ' if peaks[1] <= 1.2 * peaks[0] else 'MISSED'} memory is flat: {peaks[1] / peaks[0]:.2f}, goal <= 1.2"
    )


def small_tables(place: Place, rounds: int) -> None:
    """Measures a thousand small tables."""
    say("1,000 tables of 20 rows:")
    small = place.small()
    counts = [f"SELECT count(*) FROM small_{n}" for n in range(1, 1001)]  # noqa: S608 - names of our own
    same = place.copied(small, "small_same", 0, 0)
    contest = Contest(
        Meter.of(place.server),
        {
            "bare counts": lambda: ask(small, *counts),
            "measure, 1 worker": lambda: measure(small),
            "measure, 2 workers, as a run does": lambda: measure(small, 2),
            "compare, equal": lambda: compare(small, same, 0, "*"),
        },
    ).run(rounds)
    contest.judge("1,000 small tables / bare counts", "measure, 2 workers, as a run does", "bare counts", 3)


def main() -> None:
    """Prints what each took, the ratios, and whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="against reladiff and pandas with datacompy as well")
    parser.add_argument("--only", choices=["table", "small"], help="one part of it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        place = Place(embedded.Server(Path(folder) / "server", 18))
        try:
            if asked.only in {None, "small"}:
                small_tables(place, asked.rounds)
            if asked.only in {None, "table"}:
                first, same, other = one_table(place, asked.rows, asked.changed, asked.rounds)
                memory(place, asked.rows, asked.changed, first, other)
            if asked.peers and asked.only != "small":
                python, meter = peers(Path(folder)), Meter.of(place.server)
                against(meter, python, "reladiff", [first, same], 0, 10)
                against(meter, python, "reladiff", [first, place.copied(first, "few", asked.rows, 37)], 37, 6)
                rows = min(asked.rows, PANDAS_ROWS)
                two = place.seeded("pandas", rows)
                against(meter, python, "datacompy", [two, place.copied(two, "pandas_few", rows, 37)], 37, 20)
        finally:
            place.server.stop()


if __name__ == "__main__":
    main()
