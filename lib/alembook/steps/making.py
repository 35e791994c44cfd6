"""Making a backup: by pg_dump under one exported snapshot, or by a program of the operator's; not proven yet."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alembook import errors
from alembook.archive.manifest import sha256
from alembook.postgres import beside, identity, needs, tools
from alembook.postgres import connection as connections
from alembook.snapshots import measurement
from alembook.steps import before, elsewhere, proving, whole
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

_GLOBALS = "globals.sql"
_TABLE = re.compile(r"dumping contents of table ")
_COMPLAINT = re.compile(r"\b(error|fatal|warning):", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was made and not proven yet.

    Attributes:
        folder: of the dump, or what a program of the operator's left there.
        original: what the database was at its instant.
        needs: what it uses that a server must have.
        server: whose database.
        method: what tells this way of making backups from another.
        name: what a program of the operator's calls it; "" for a dump.
        facts: for the receipt.
        oids: oid -> "schema.table" of the tables that were counted in a dump's snapshot; those of extensions,
            which make their own rows again, are left to the comparison with the copy.
    """

    folder: Path
    original: whole.Whole
    needs: needs.Needs
    server: identity.Identity
    method: str
    name: str
    facts: Mapping[str, Any]
    oids: Mapping[int, str] = field(default_factory=dict)


def dump(book: Book, folder: Path) -> Made:
    """Dumps the target into a folder, and says what it was at that instant.

    Raises:
        errors.ToolMissing: no pg_dump or pg_restore of the server's version.
        errors.BackupFailed: pg_dump failed.
        errors.QueryFailed: a table could not be counted.
    """
    with connections.closing(book.connect()) as connection:
        server = identity.read(connection)
        program = tool(book, "pg_dump", server.version_num)
        tool(book, "pg_restore", server.version_num)
        with measurement.snapshot(connection) as snapshot:
            needed, original = needs.read(connection), whole.measure(book, book.plan(), connection, book.connect)
            oids = measurement.oids(connection, before.names(original.found), of_extensions=False)
            book.event(
                "dump_started", folder=folder.name, jobs=book.target.backup.jobs, tables=len(original.found.tables)
            )
            done = proving.Counter(book, "dump_progress", folder)
            result = tools.dump(
                program,
                book.database,
                folder,
                jobs=book.target.backup.jobs,
                snapshot=snapshot,
                application_name=book.application_name,
                on_line=lambda line: _told(book, done, line),
            )
            done.end()
        original = replace(original, after=beside.positions(connection))
    left_out = _globals(book, server, folder)
    return Made(
        folder=folder,
        original=original,
        needs=needed,
        server=server,
        method=f"pg_dump {program.major}, directory, {result.compression}",
        name="",
        facts={
            **_facts(book, folder, original, server),
            "dump_seconds": round(result.seconds, 3),
            "pg_dump": program.version,
            "compression": result.compression,
            "globals": left_out or f"{_GLOBALS}, without passwords",
        },
        oids=oids,
    )


def _told(book: Book, done: proving.Counter, line: str) -> None:
    if _TABLE.search(line):
        done.add()
    elif _COMPLAINT.search(line):
        book.event("dump_says", text=line)


def by_command(book: Book, folder: Path) -> Made:
    """Lets the operator's program make the backup, after a measurement: its instant is the program's own.

    Raises:
        errors.BackupFailed: it made none.
        errors.QueryFailed: a table could not be counted.
    """
    with connections.closing(book.connect()) as connection:
        server = identity.read(connection)
        with measurement.snapshot(connection):
            needed, original = needs.read(connection), whole.measure(book, book.plan(), connection, book.connect)
        book.event("dump_started", folder=folder.name, jobs=0, tables=len(original.found.tables))
        made = elsewhere.make(book, folder)
        original = replace(original, after=beside.positions(connection))
    command = elsewhere.method(book.target.backup.command or "")
    return Made(
        folder=folder,
        original=original,
        needs=needed,
        server=server,
        method=command,
        name=made.said,
        facts={**_facts(book, folder, original, server), "dump_seconds": round(made.seconds, 3), "backup": made.said},
    )


def _facts(book: Book, folder: Path, original: whole.Whole, server: identity.Identity) -> dict[str, Any]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(max_workers=2) as pool:
        hashes = dict(zip((str(path.relative_to(folder)) for path in files), pool.map(sha256, files), strict=True))
    return {
        "folder": shown(book, folder),
        "taken_at": original.found.taken_at.isoformat(),
        "rows": int(original.found.tables["rows"].sum()),
        "tables": len(original.found.tables),
        "size_bytes": proving.size_bytes(folder),
        "server": server.fixed(),
        "version_rows": original.versions,
        "fingerprint": original.fingerprint.digest,
        "sha256": hashes,
    }


def _globals(book: Book, server: identity.Identity, folder: Path) -> str:
    """Saves roles and tablespaces beside the dump, and returns why not; "" when it did."""
    try:
        program = tool(book, "pg_dumpall", server.version_num)
    except errors.ToolMissing as error:
        return f"not saved: {error.what}"
    said = tools.dump_globals(program, book.database, folder / _GLOBALS, application_name=book.application_name)
    return f"not saved: {said}" if said else ""


def judge(book: Book, made: Made) -> list[Check]:
    """Judges a backup by what was read back from its folder, and by which database it is of."""
    plan = book.plan()
    planned, found = dict(plan.server), made.server.fixed()
    names = ("system_identifier", "database_oid", "database")
    is_planned = all(planned.get(name) == found[name] for name in names)
    right = Check(
        name="the backup is of the planned database",
        outcome=Outcome.PASSED if is_planned else Outcome.FAILED,
        expected=f"{planned.get('database')}, oid {planned.get('database_oid')}",
        found=f"{found['database']}, oid {found['database_oid']}",
        why="" if is_planned else "the target's address leads elsewhere than when the plan was made.",
        next="" if is_planned else "Begin a new run.",
    )
    return [right, _judge_start(made, plan.start), *([] if made.name else _judge_dump(book, made))]


def _judge_start(made: Made, start: Collection[str]) -> Check:
    """Judges whether a backup was taken where the plan begins: one of any other point is no way back."""
    rows = made.original.versions or ()
    is_there = sorted(rows) == sorted(start)
    return Check(
        name="the backup is of where the plan begins",
        outcome=Outcome.PASSED if is_there else Outcome.FAILED,
        expected=", ".join(start) or "base",
        found=", ".join(rows) or "base",
        why="" if is_there else "somebody moved the database since the run was planned.",
        next="" if is_there else "Begin a new run.",
    )


def _judge_dump(book: Book, made: Made) -> list[Check]:
    """Judges a dump by what was read back from its folder. That of an empty database has no entry."""
    entries = tools.table_of_contents(tool(book, "pg_restore", made.server.version_num), made.folder)
    return [*_judge_contents(made.oids, entries, made.facts["sha256"]), _judge_globals(made.facts["globals"])]


def _judge_globals(said: str) -> Check:
    is_saved = said.startswith(_GLOBALS)
    return Check(
        name="roles and tablespaces are saved beside the dump",
        grade=Grade.MAY,
        outcome=Outcome.PASSED if is_saved else Outcome.UNVERIFIED,
        expected=f"{_GLOBALS}, without passwords",
        found=said,
        next="" if is_saved else "Have an administrator save them: pg_dumpall --globals-only.",
    )


def _judge_contents(
    counted: Mapping[int, str], entries: Sequence[tools.Entry], hashes: Mapping[str, str]
) -> list[Check]:
    dumped = {entry.oid for entry in entries if entry.kind == "TABLE DATA"}
    missing = sorted(counted[oid] for oid in counted.keys() - dumped)
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


def shown(book: Book, path: Path) -> str:
    """Returns a path as the receipt has it: from the folder of ``alembook.toml``."""
    return str(path.relative_to(book.target.folder) if path.is_relative_to(book.target.folder) else path)


def tool(book: Book, name: str, version_num: int) -> tools.Tool:
    """Returns a client program that fits the target's server. Raises as ``tools.find``."""
    return tools.find(
        name, server_version_num=version_num, database=book.database, postgres_bin=book.target.postgres_bin
    )
