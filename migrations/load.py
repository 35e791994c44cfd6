"""Fills the reference database as it was before the credential pool, at a size of choice.

    DATABASE_URL=postgresql://user@host/name python migrations/load.py --providers 100000 --tenants 20000 --seed 7

The schema must be at the revision before the pool (``alembic -c migrations/alembic.ini upgrade fa8b0fa6f407``) and
empty. Everything is one transaction: an interrupted load leaves nothing. Rows stream into COPY, so memory does not grow
with their number. The same seed and sizes give the same rows, byte for byte; see sample.py for what they are.

Exit codes: 0 loaded; 1 the database failed meanwhile; 2 this database is not to be filled, or the arguments are wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING

import psycopg2
from sample import OFFERS, TABLES, Row, Sizes, Table

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

REVISION = "fa8b0fa6f407"
"""The revision before the credential pool: the only one whose tables this program knows."""

READ_CHARACTERS = 1 << 17


class LoadError(Exception):
    """This database is not one to fill, or the sizes do not fit together."""


class Stream:
    """What psycopg2's COPY reads from: rows become text in chunks, when they are asked for."""

    def __init__(self, rows: Iterator[Row]) -> None:
        """Starts before the first row."""
        self._rows = rows

    def read(self, size: int) -> str:
        """Returns the text of the next rows, some ``size`` characters of it; an empty text at the end."""
        chunk: list[str] = []
        length = 0
        for row in self._rows:
            line = "\t".join([r"\N" if value is None else str(value) for value in row]) + "\n"
            chunk.append(line)
            length += len(line)
            if length >= size:
                break
        return "".join(chunk)


def sizes_of(arguments: Sequence[str] | None) -> Sizes:
    """Returns the sizes the command line asks for.

    Raises:
        LoadError: they do not fit together.
    """
    parser = argparse.ArgumentParser(
        prog="load.py",
        description="Fills the empty reference database named by the variable DATABASE_URL.",
        epilog="Never on the command line, where everybody on the machine could read the password: DATABASE_URL.",
    )
    parser.add_argument("--providers", type=int, default=100_000, help="rows of providers (default: 100000)")
    parser.add_argument("--tenants", type=int, help="rows of tenants (default: a fifth of the providers)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same rows (default: 7)")
    given = parser.parse_args(arguments)
    tenants = max(1, given.providers // 5) if given.tenants is None else given.tenants
    if given.providers < 0 or tenants < 1:
        raise LoadError("--providers must be 0 or more, --tenants 1 or more.")
    sizes = Sizes(providers=given.providers, tenants=tenants, seed=given.seed)
    if sizes.most() > len(OFFERS):
        raise LoadError(
            f"{sizes.providers:,} providers in {sizes.tenants:,} tenants would give the largest tenant {sizes.most()}, "
            f"and there are {len(OFFERS)} a tenant can have. Raise --tenants: a fifth of the providers is usual."
        )
    return sizes


def connect() -> connection:
    """Connects to the database that the variable DATABASE_URL names.

    Raises:
        LoadError: it names none, or there is none.
    """
    address = os.environ.get("DATABASE_URL")  # noqa: TID251 - a program of its own: the package's config is not there
    if not address:
        raise LoadError("DATABASE_URL is not set. It names the database to fill: postgresql://user@host/name")
    try:
        return psycopg2.connect(address, application_name="load.py")
    except psycopg2.Error as error:
        raise LoadError(f"The database that DATABASE_URL names cannot be reached: {str(error).strip()}") from error


def make_sure(on: cursor) -> None:
    """Locks the tables against other writers and makes sure that they are the right ones and empty.

    Raises:
        LoadError: the schema is at another revision, or a table has rows.
    """
    on.execute("SELECT to_regclass('alembic_version')")
    revisions: list[str] = []
    if on.fetchone() != (None,):
        on.execute("SELECT version_num FROM alembic_version ORDER BY 1")
        revisions = [name for (name,) in on.fetchall()]
    if revisions != [REVISION]:
        raise LoadError(
            f"The schema is at {', '.join(revisions) or 'no revision'}; these rows are made for {REVISION}. "
            f"On a new database: alembic -c migrations/alembic.ini upgrade {REVISION}"
        )
    on.execute(f"LOCK TABLE {', '.join(table.name for table in TABLES)} IN SHARE ROW EXCLUSIVE MODE")
    for table in TABLES:
        on.execute(f"SELECT EXISTS (SELECT FROM {table.name})")  # noqa: S608 - a name of this program
        if on.fetchone() == (True,):
            raise LoadError(f"The table {table.name} has rows already. Only an empty database is filled.")


def fill(on: cursor, table: Table, sizes: Sizes) -> int:
    """Streams the rows of a table into it and returns how many they were."""
    rows = table.rows(sizes, Random(f"{sizes.seed}/{table.name}"))  # noqa: S311 - to be repeatable is the point
    # psycopg2 asks for no more than read() and never for a writer's methods.
    on.copy_expert(f"COPY {table.name} ({table.columns}) FROM STDIN", Stream(rows), READ_CHARACTERS)  # type: ignore[arg-type]
    return on.rowcount


def load(session: connection, sizes: Sizes) -> dict[str, int]:
    """Fills every table in one transaction and returns the number of rows of each.

    Then VACUUM (ANALYZE): the planner knows the tables, and autovacuum does not come in the middle of a migration.

    Raises:
        LoadError: this database is not one to fill.
    """
    with session, session.cursor() as on:
        make_sure(on)
        counts = {table.name: fill(on, table, sizes) for table in TABLES}
    session.autocommit = True
    with session.cursor() as on:
        on.execute(f"VACUUM (ANALYZE) {', '.join(counts)}")
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code."""
    try:
        sizes = sizes_of(arguments)
        began = time.perf_counter()
        session = connect()
        try:
            counts = load(session, sizes)
        finally:
            session.close()
    except LoadError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except psycopg2.Error as error:
        sys.stderr.write(f"Nothing was loaded: {str(error).strip()}\n")
        return 1
    lines = [f"{name:<34}{rows:>12,}" for name, rows in (*counts.items(), ("rows in all", sum(counts.values())))]
    sys.stdout.write("\n".join([*lines, f"{'seconds':<34}{time.perf_counter() - began:>12.1f}", ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
