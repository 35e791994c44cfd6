"""The copy beside the live database: made from the run's backup, held against it, found again by the next command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg2 import sql

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres import identity, needs, own, restoring, swap
from alembook.postgres.connection import Connection, Database
from alembook.snapshots import measurement
from alembook.steps import before, dumps, making, whole
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.verdict import Check, Gate

_STEM = "copy"
_LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A restored copy of the run's backup, beside the live database.

    Attributes:
        database: where it is.
        oid: of the database.
        checks: what it was judged by.
        left_out: what is not in it on purpose, "EVENT TRIGGER x".
    """

    database: Database
    oid: int
    checks: tuple[Check, ...]
    left_out: tuple[str, ...]


def copy(book: Book, rolled: Rolled, elsewhere: Connection, live: own.Own) -> Copy:
    """Returns the copy: the one an earlier attempt made and held against the backup, else a new one.

    Args:
        book: of the rollback.
        rolled: the run that is taken back.
        elsewhere: to another database of the server.
        live: what the live database has of its own.

    Raises:
        errors.RollbackFailed: the run has no dump that can be restored, or pg_restore failed; no copy is left.
        errors.ToolMissing, errors.QueryFailed: as ``restoring.restore``.
    """
    told = book.folder.receipt(_STEM)
    if told and (found := own.read(elsewhere, told["database"])):
        if told.get("oid") == found.oid and told.get("checks"):
            checks = tuple(Check.from_json(check) for check in told["checks"])
            database = book.database.with_dbname(told["database"])
            return Copy(database=database, oid=found.oid, checks=checks, left_out=tuple(told["left_out"]))
        drop(book, elsewhere, told["database"])
    return _made(book, rolled, elsewhere, live)


def clear(connection: Connection, folder: archive.RunFolder) -> str:
    """Drops the copy that a rollback made and that took nobody's place; returns its name, "" when there is none.

    Args:
        connection: to another database of the server; it may write.
        folder: of the rollback.

    Raises:
        errors.QueryFailed: the server refused.
    """
    told = folder.receipt(_STEM)
    found = own.read(connection, told["database"]) if told else None
    if told is None or found is None or told.get("oid", found.oid) != found.oid:
        return ""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(told["database"]))
    connections.execute(connection, statement)
    return str(told["database"])


def drop(book: Book, elsewhere: Connection, name: str) -> None:
    """Drops a copy that is of no use. Raises ``errors.QueryFailed``."""
    connections.execute(elsewhere, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    book.event("copy_dropped", database=name)


def _made(book: Book, rolled: Rolled, elsewhere: Connection, live: own.Own) -> Copy:
    folder, then = dump(book, rolled), whole.read(rolled.book, rolled.backup or {})
    with connections.closing(book.connect()) as connection:
        needed = needs.read(connection)
        name = swap.free_name(connection, identity.read(connection).database, "restored", datetime.now(UTC))
    book.folder.write_receipt(_STEM, {"database": name})
    options = sql.SQL(" OWNER {}").format(sql.Identifier(live.owner))
    if live.tablespace != "pg_default":
        options += sql.SQL(" TABLESPACE {}").format(sql.Identifier(live.tablespace))
    connections.execute(elsewhere, needed.creation(name, major=needed.major) + options)
    revoke = sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
    connections.execute(elsewhere, revoke)
    database = book.database.with_dbname(name)
    book.event("copy_begun", database=name)
    try:
        restored = restoring.restore(
            making.tool(book, "pg_restore", needed.version_num),
            folder,
            database,
            jobs=book.target.backup.jobs,
            application_name=book.application_name,
            with_rights=True,
        )
        checks = tuple(_judged(book, rolled, then, database))
    except errors.RestoreFailed as error:
        drop(book, elsewhere, name)
        raise _not_restored(rolled, error) from error
    except BaseException:
        drop(book, elsewhere, name)
        raise
    made = own.read(elsewhere, name)
    oid = made.oid if made else 0
    if Gate(checks=checks).is_open:
        kept = {"database": name, "oid": oid, "left_out": list(restored.left_out)}
        book.folder.write_receipt(_STEM, {**kept, "checks": [_plain(check) for check in checks]})
    book.event("copy_made", database=name, seconds=round(restored.seconds, 3))
    return Copy(database=database, oid=oid, checks=checks, left_out=restored.left_out)


def _not_restored(rolled: Rolled, error: errors.RestoreFailed) -> errors.RollbackFailed:
    return errors.RollbackFailed(
        f"The backup of run {rolled.run_id} could not be restored beside the database.",
        why=f"{error.why} Its files are as they were made.",
        next="See below what it lacks: a right (have the role get it, or roll back as a superuser: inspect names what "
        "it needs), or room. Then the same command again.",
        state="nothing was swapped; the copy was dropped, and the database is open as it was.",
        evidence=error.evidence,
    )


def _plain(check: Check) -> dict[str, Any]:
    return {name: getattr(check, name) for name in check.__dataclass_fields__}


def dump(book: Book, rolled: Rolled) -> Path:
    """Returns the folder of the run's backup, every file as it was made.

    Raises:
        errors.RollbackFailed: there is none, it was made by another program, or a file is not what it was.
    """
    receipt = rolled.backup
    if receipt is None:
        raise _no_dump(rolled, f"the run made none that PASSED at {rolled.start}, where it began.")
    folder = Path(book.target.folder, receipt["folder"])
    if book.target.backup.command and not str(receipt.get("method", "")).startswith("pg_dump"):
        raise _no_dump(rolled, f"backup.command made it ({receipt.get('backup', '')}): only its maker restores it.")
    if wrong := dumps.wrong(folder, receipt):
        raise _no_dump(rolled, f"{len(wrong)} of its files are gone or changed: {', '.join(wrong[:_LISTED])}.")
    return folder


def _no_dump(rolled: Rolled, why: str) -> errors.RollbackFailed:
    return errors.RollbackFailed(
        f"Run {rolled.run_id} has no backup that can be restored.",
        why=why,
        next="Put the dump back from a copy of it, or roll back by downgrade, or restore by other means.",
        state="unchanged: nothing was swapped.",
    )


def _judged(book: Book, rolled: Rolled, then: whole.Whole, database: Database) -> list[Check]:
    """Holds a copy against what the backup's receipt and tables say of its snapshot."""

    def connect() -> Connection:
        return connections.connect(database, application_name=book.application_name, read_only=True)

    with connections.closing(connect()) as connection, measurement.snapshot(connection):
        found = whole.measure(book, rolled.plan, connection, connect, earlier=then.found.columns)
    now = found.keyed(before.key(rolled.book), before.lost_key(rolled.book))
    return whole.judge(then, now, next="Do not swap it in: find out what is missing on this server.")
