"""The copy beside the live database: made from the run's backup, held against it, found again by the next command."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from psycopg2 import sql

from alembook import archive, errors
from alembook.archive.manifest import sha256
from alembook.postgres import connection as connections
from alembook.postgres import fingerprint, identity, needs, own, restoring, swap
from alembook.postgres.connection import Connection, Database
from alembook.project import state
from alembook.snapshots import copies, evidence, measurement
from alembook.steps import before, making, proving
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.verdict import Check, Gate, Outcome

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
        errors.RollbackFailed: the run has no dump that can be restored.
        errors.RestoreFailed, errors.ToolMissing, errors.QueryFailed: as ``restoring.restore``.
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
    folder = dump(book, rolled)
    with connections.closing(book.connect()) as connection:
        needed = needs.read(connection)
        name = swap.name_of(identity.read(connection).database, "restored", datetime.now(UTC))
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
        checks = tuple(_judged(book, rolled, database))
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


def _plain(check: Check) -> dict[str, Any]:
    return {name: getattr(check, name) for name in check.__dataclass_fields__}


def dump(book: Book, rolled: Rolled) -> Path:
    """Returns the folder of the run's backup, every file as it was made.

    Raises:
        errors.RollbackFailed: there is none, it was made by another program, or a file is not what it was.
    """
    receipt = rolled.backup
    if receipt is None or receipt["outcome"] != Outcome.PASSED.value:
        raise _no_dump(rolled, "the run made none that PASSED.")
    folder = Path(book.target.folder, receipt["folder"])
    if book.target.backup.command and not str(receipt.get("method", "")).startswith("pg_dump"):
        raise _no_dump(rolled, f"backup.command made it ({receipt.get('backup', '')}): only its maker restores it.")
    wrong = [name for name, digest in receipt["sha256"].items() if not _is_same(folder / name, digest)]
    if wrong:
        raise _no_dump(rolled, f"{len(wrong)} of its files are gone or changed: {', '.join(wrong[:_LISTED])}.")
    return folder


def _is_same(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _no_dump(rolled: Rolled, why: str) -> errors.RollbackFailed:
    return errors.RollbackFailed(
        f"Run {rolled.run_id} has no backup that can be restored.",
        why=why,
        next="Put the dump back from a copy of it, or roll back by downgrade, or restore by other means.",
        state="unchanged: nothing was swapped.",
    )


def _judged(book: Book, rolled: Rolled, database: Database) -> list[Check]:
    """Holds a copy against what the backup's receipt and tables say of its snapshot."""

    def connect() -> Connection:
        return connections.connect(database, application_name=book.application_name, read_only=True)

    then, receipt, folder = _then(rolled), rolled.backup or {}, rolled.book.folder
    key = before.key(rolled.book)
    with connections.closing(connect()) as connection, measurement.snapshot(connection):
        found = proving.measured(book, connection, connect, then.columns)
        versions = state.read(connection, rolled.plan.version_table, rolled.plan.version_table_schema)
        schema = fingerprint.read(connection)
    now = measurement.Measurement(
        taken_at=found.taken_at,
        snapshot=found.snapshot,
        tables=found.tables,
        columns=evidence.keyed(found.columns, key),
        sequences=found.sequences,
        apart=found.apart,
        unread={**found.unread, **({} if key else _unkeyed(rolled, found))},
        left_out=found.left_out,
    )
    objects = pd.read_csv(folder.path / "tables" / _last(folder.path, "fingerprint"), keep_default_na=False)
    wanted = fingerprint.Fingerprint(objects=dict(zip(objects["object"], objects["definition"], strict=True)))
    differing = [each.sentence() for each in wanted.differences(schema, without=fingerprint.NOT_RESTORED)]
    return [
        *copies.judge(then, now),
        _same("the copy has the version rows", sorted(receipt["version_rows"] or ()), sorted(versions or ())),
        Check(
            name="the copy has the schema",
            outcome=Outcome.FAILED if differing else Outcome.PASSED,
            expected=f"{len(wanted.objects):,} objects",
            found=f"{len(differing):,} differ" if differing else "the same",
            why="; ".join(differing[:_LISTED]),
            next="Do not swap it in: find out what is missing on this server." if differing else "",
        ),
    ]


def _then(rolled: Rolled) -> measurement.Measurement:
    """Returns what was measured in the backup's snapshot, from the record."""
    tables, receipt = rolled.book.folder.path / "tables", rolled.backup or {}
    return measurement.Measurement(
        taken_at=datetime.fromisoformat(receipt["taken_at"]),
        snapshot="",
        tables=measurement.read_csv(tables / _last(rolled.book.folder.path, "backup")),
        columns=measurement.read_csv(
            tables / _last(rolled.book.folder.path, "backup_columns"), measurement.COLUMN_DTYPES
        ),
        sequences=measurement.read_csv(
            tables / _last(rolled.book.folder.path, "backup_sequences"), measurement.SEQUENCE_DTYPES
        ),
        apart={},
        unread={},
        left_out={},
    )


def _last(folder: Path, name: str) -> str:
    """Returns the file of a table's last attempt."""
    pattern = re.compile(re.escape(name) + r"(\.a(\d+))?\.csv")
    found = [
        (int(match[2] or 1), path.name)
        for path in (folder / "tables").iterdir()
        if (match := pattern.fullmatch(path.name))
    ]
    if not found:
        raise errors.ArchiveFailed(
            f"tables/{name}.csv is not in the record of the run.",
            why="the copy cannot be held against the backup without it.",
            next="Restore the run's folder from a copy of the archive.",
            state="unchanged: nothing was swapped.",
        )
    return max(found)[1]


def _unkeyed(rolled: Rolled, found: measurement.Measurement) -> Mapping[str, str]:
    names = [f"{row['schema']}.{row['table']}" for row in found.tables.to_dict("records")]
    return dict.fromkeys(names, before.lost_key(rolled.book))


def _same(name: str, expected: list[str], found: list[str]) -> Check:
    return Check(
        name=name,
        outcome=Outcome.PASSED if expected == found else Outcome.FAILED,
        expected=", ".join(expected) or "none",
        found=", ".join(found) or "none",
    )
