"""Step backup: ``pg_dump`` under one exported snapshot, hashed, its table of contents read back, its rows counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alembook import display
from alembook.archive.manifest import sha256
from alembook.postgres import connection as connections
from alembook.postgres import identity, tools
from alembook.snapshots import measurement
from alembook.steps import before
from alembook.steps.receipt import Receipt
from alembook.steps.runbook import Book
from alembook.verdict import Check, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Receipt):
    """Receipt of a backup.

    Attributes:
        tables: one row per table of the dump's own snapshot, as ``measurement.Measurement.tables``.
    """

    tables: pd.DataFrame

    def counted(self) -> display.Html:
        """Returns the rows and sizes of the dumped tables, largest first."""
        return display.table(self.tables.sort_values("size_bytes", ascending=False), limit=25)

    def sizes(self) -> display.Plot | display.Html:
        """Returns the largest tables as a plot."""
        return display.sizes(self.tables)


def preview(book: Book) -> display.Html:
    """Returns what ``make`` will do: the program, the folder, the number of jobs. Nothing is written."""
    with connections.closing(book.connect()) as connection:
        tool = _tool(book, "pg_dump", identity.read(connection).version_num)
    return display.facts(
        {
            "program": f"pg_dump {tool.version}",
            "into": _shown(book, _folder(book)),
            "jobs": book.target.backup.jobs,
            "snapshot": "one, exported; the counts below are counted in it",
        }
    )


def make(book: Book) -> Backup:
    """Makes a backup and returns its receipt.

    Raises:
        errors.ToolMissing: no pg_dump of the server's version.
        errors.BackupFailed: pg_dump failed, or the disk is full; what it wrote is removed or named.
        errors.SessionLost: the run's locks are gone.
    """
    if book.dry_run:
        return Backup.of(book.skipped(), tables=pd.DataFrame(columns=list(measurement.DTYPES)))
    book.require_session()
    folder = _folder(book)
    with connections.closing(book.connect()) as connection:
        server = identity.read(connection)
        dump = _tool(book, "pg_dump", server.version_num)
        with measurement.snapshot(connection) as snapshot:
            found = before.measure(book, connection)
            book.event("dump_started", folder=folder.name, jobs=book.target.backup.jobs, tables=len(found.tables))
            result = tools.dump(
                dump,
                book.database,
                folder,
                jobs=book.target.backup.jobs,
                snapshot=snapshot,
                application_name=book.application_name,
                on_line=lambda line: book.event("dump_says", text=line),
            )
    entries = tools.table_of_contents(_tool(book, "pg_restore", server.version_num), folder)
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    before.write(book, "backup", found)
    receipt = book.finish(
        _judge(found.tables, entries, hashes),
        {
            "folder": _shown(book, folder),
            "taken_at": found.taken_at.isoformat(),
            "rows": int(found.tables["rows"].sum()),
            "tables": len(found.tables),
            "size_bytes": size_bytes,
            "dump_seconds": round(result.seconds, 3),
            "pg_dump": dump.version,
            "server": server.fixed(),
            "sha256": hashes,
        },
    )
    return Backup.of(receipt, tables=found.tables)


def _folder(book: Book) -> Path:
    """Returns where this attempt's dump goes: never a folder that is there already."""
    root = book.target.backup.directory / book.target.name
    names = (root / f"{book.folder.run_id}{'' if n == 1 else f'.a{n}'}" for n in range(1, 10_000))
    return next(path for path in names if not path.exists())


def _shown(book: Book, path: Path) -> str:
    return str(path.relative_to(book.target.folder) if path.is_relative_to(book.target.folder) else path)


def _tool(book: Book, name: str, version_num: int) -> tools.Tool:
    return tools.find(
        name, server_version_num=version_num, database=book.database, postgres_bin=book.target.postgres_bin
    )


def _judge(tables: pd.DataFrame, entries: Sequence[tools.Entry], hashes: dict[str, str]) -> list[Check]:
    """Judges a dump by what was read back from its folder. That of an empty database has no entry, and one file."""
    dumped = {f"{entry.schema}.{entry.name}" for entry in entries if entry.kind == "TABLE DATA"}
    counted = {f"{schema}.{table}" for schema, table in zip(tables["schema"], tables["table"], strict=True)}
    missing = sorted(counted - dumped)
    return [
        Check(
            name="the dump's table of contents was read back",
            outcome=Outcome.PASSED if entries or not counted else Outcome.FAILED,
            expected="entries" if counted else "none: no table was counted",
            found=f"{len(entries):,} entries",
            next="" if entries or not counted else "Make the backup again; look at the disk it is on.",
        ),
        Check(
            name="every counted table is in the dump",
            outcome=Outcome.FAILED if missing else Outcome.PASSED,
            expected=f"{len(counted):,} tables",
            found=f"{len(counted) - len(missing):,} tables"
            + (f"; missing: {', '.join(missing[:10])}" if missing else ""),
            next="Give the role the right to read them, or exclude them in [verify]." if missing else "",
        ),
        Check(
            name="the dump's files are hashed",
            outcome=Outcome.PASSED if len(hashes) > len(counted) else Outcome.FAILED,
            expected="SHA-256 of every file",
            found=f"{len(hashes):,} files",
        ),
    ]
