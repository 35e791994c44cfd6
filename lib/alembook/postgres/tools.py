"""PostgreSQL's client programs: find one that fits the server, dump a database, read a dump's table of contents.

A program must be of the server's major version or newer. Secrets reach it through its environment, never through its
arguments, which any user of the machine can read.

Source: PostgreSQL manual, reference pages of pg_dump and pg_restore.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg2.extensions

from alembook import config, errors, process
from alembook.config.redaction import Redactor
from alembook.postgres import cluster, contents
from alembook.postgres.connection import Database

_VERSION = re.compile(r"\([^)]+\) (\d+)(?:\.(\d+))?")
_NEEDS_SSL = frozenset({"require", "verify-ca", "verify-full"})
_ENGLISH = {"LC_ALL": "C"}

Entry = contents.Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A client program.

    Attributes:
        name: "pg_dump".
        path: absolute.
        version: "18.4".
        version_num: 180004, counted as the server's ``server_version_num``.
    """

    name: str
    path: Path
    version: str
    version_num: int

    @property
    def major(self) -> int:
        """Returns 18 for 18.4."""
        return self.version_num // 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpResult:
    """What a dump was.

    Attributes:
        seconds: from start to end of pg_dump.
        argv: its arguments; they hold no secret.
        version: of pg_dump.
        compression: method and level, as given to ``--compress``.
    """

    seconds: float
    argv: tuple[str, ...]
    version: str
    compression: str


def find(name: str, *, server_version_num: int, database: Database, postgres_bin: Path | None) -> Tool:
    """Returns a client program that fits the server.

    Looked for in ``postgres_bin`` alone when that is set; else in PATH, then among the embedded PostgreSQL's, which
    have no SSL and so serve a unix socket or loopback only.

    Args:
        name: pg_dump, pg_restore, psql or pg_dumpall.
        server_version_num: 180004.
        database: decides about the embedded ones.
        postgres_bin: folder of the programs.

    Raises:
        errors.ToolMissing: there is none, or only older ones than the server.
    """
    major = server_version_num // 10_000
    seen = []
    for path in _candidates(name, major, database, postgres_bin):
        tool = _tool(name, path)
        if tool is not None and tool.major >= major:
            return tool
        seen.append(f"{path} is {tool.version}" if tool else f"{path} does not say its version")
    raise _missing(name, major, seen, database, postgres_bin)


def _candidates(name: str, major: int, database: Database, postgres_bin: Path | None) -> Iterator[Path]:
    if postgres_bin is not None:
        if (postgres_bin / name).exists():
            yield postgres_bin / name
        return
    found = shutil.which(name, path=config.child_environment().get("PATH"))
    if found:
        yield Path(found).absolute()
    if _is_without_ssl(database):
        for embedded in (candidate for candidate in cluster.majors() if candidate >= major):
            try:
                yield cluster.binaries(embedded) / name
            except errors.ToolMissing:
                continue


def _is_without_ssl(database: Database) -> bool:
    return database.is_local() and database.parameters.get("sslmode", "prefer") not in _NEEDS_SSL


def _tool(name: str, path: Path) -> Tool | None:
    """Returns the program at a path by what it says of itself, or None when it says nothing; asked once."""
    try:
        found = path.stat()
    except OSError:
        return None
    return _asked(name, path, (found.st_ino, found.st_size, found.st_mtime_ns))


@cache
def _asked(name: str, path: Path, _file: tuple[int, int, int]) -> Tool | None:
    try:
        finished = process.run([str(path), "--version"], environment=config.child_environment(_ENGLISH), timeout_s=30)
    except errors.ToolMissing:
        return None
    match = _VERSION.search(finished.stdout)
    if finished.exit_code != 0 or match is None:
        return None
    major, minor = int(match[1]), int(match[2] or 0)
    version = match[1] if match[2] is None else f"{major}.{minor}"
    return Tool(name=name, path=path, version=version, version_num=major * 10_000 + minor)


def _missing(
    name: str, major: int, seen: Iterable[str], database: Database, postgres_bin: Path | None
) -> errors.ToolMissing:
    where = str(postgres_bin) if postgres_bin else "PATH"
    found = "; ".join(seen) or f"there is none in {where}"
    closed = (
        "" if postgres_bin or _is_without_ssl(database) else " The embedded ones have no SSL and are for local use."
    )
    return errors.ToolMissing(
        f"No {name} fits a server of PostgreSQL {major}.",
        why=f"it must be of version {major} or newer, and {found}.{closed}",
        next=f"Install it (Debian: postgresql-client-{major}; conda-forge: postgresql={major}), or set postgres_bin of "
        "the target to the folder that has it.",
    )


def compression(tool: Tool) -> str:
    """Returns the best compression this pg_dump offers for a dump that must be quick: ``zstd:1``, or gzip.

    It is asked, not guessed from its version: builds leave methods out. pg_dump judges the option before it connects,
    and is sent nowhere.
    """
    probe = ["--format=plain", "--compress=zstd:1", "--file=/dev/null", "--host=/dev/null", "--no-password"]
    finished = process.run([str(tool.path), *probe], environment=config.child_environment(_ENGLISH), timeout_s=30)
    if "connection to server" in finished.stderr:
        return "zstd:1"
    return "gzip:1" if tool.major >= 16 else "1"


def dump(
    tool: Tool,
    database: Database,
    directory: Path,
    *,
    jobs: int,
    snapshot: str,
    application_name: str,
    on_line: Callable[[str], None] | None = None,
    lock_timeout_ms: int = 60_000,
) -> DumpResult:
    """Dumps a database into a folder, by several jobs that all see one exported snapshot.

    Importing the snapshot proves the database: the server refuses one exported in another database. Readers and writers
    go on; only what wants an ACCESS EXCLUSIVE lock waits. Texts are dumped in the database's own encoding, as they lie
    there: what SQL_ASCII holds could not be converted.

    Args:
        tool: pg_dump.
        database: whole; whoever exported the snapshot must stay in that transaction until this returns.
        directory: made by pg_dump (mode 0700), so it must not be there; a dump that fails is removed.
        jobs: tables dumped at the same time; pg_dump opens one connection more.
        snapshot: as ``pg_export_snapshot()`` returned it.
        application_name: what ``pg_stat_activity`` shows.
        on_line: called with each line pg_dump says, one for each object, the password replaced.
        lock_timeout_ms: how long pg_dump waits for a lock on a table at its start.

    Raises:
        errors.BackupFailed: pg_dump failed; its last lines are the evidence, ``state`` says what is left on disk.
    """
    _require_absent(directory)
    where = {name: value for name, value in database.environment().items() if name != "PGCLIENTENCODING"}
    chosen = compression(tool)
    argv = [str(tool.path), "--format=directory", f"--file={directory}", f"--jobs={jobs}", f"--snapshot={snapshot}"]
    argv += [f"--compress={chosen}", f"--lock-wait-timeout={lock_timeout_ms}", "--no-password", "--verbose"]
    try:
        finished = process.run(
            argv,
            environment=config.child_environment({**where, "PGAPPNAME": application_name, **_ENGLISH}),
            on_line=lambda _stream, line: on_line(Redactor(database.password).clean(line)) if on_line else None,
            death_signal=signal.SIGTERM,  # pg_dump then cancels its queries
        )
    except BaseException:
        _remove(directory)
        raise
    if finished.exit_code != 0:
        raise _dump_failed(finished, database, directory)
    return DumpResult(seconds=finished.seconds, argv=finished.argv, version=tool.version, compression=chosen)


def dump_globals(tool: Tool, database: Database, file: Path, *, application_name: str) -> str:
    """Writes the server's roles and tablespaces, without passwords, into a file. Returns why not; "" when it did.

    Args:
        tool: pg_dumpall.
        database: any of the server.
        file: made; none is left when the role may not read them.
        application_name: what ``pg_stat_activity`` shows.
    """
    argv = [str(tool.path), "--globals-only", "--no-role-passwords", "--no-password", f"--file={file}"]
    named = psycopg2.extensions.make_dsn(dbname=database.dbname) if database.dbname else ""
    finished = process.run(
        [*argv, *([f"--dbname={named}"] if named else [])],
        environment=config.child_environment({**database.environment(), "PGAPPNAME": application_name, **_ENGLISH}),
        death_signal=signal.SIGTERM,
    )
    if finished.exit_code == 0:
        return ""
    file.unlink(missing_ok=True)
    said = _from_error_on(Redactor(database.password).clean(finished.stderr)).splitlines()
    return said[0] if said else f"pg_dumpall ended with exit code {finished.exit_code}"


def _require_absent(directory: Path) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        is_there = directory.exists()
    except OSError as error:
        raise errors.BackupFailed(
            f"The folder for the dump, {directory.parent}, could not be made.",
            why=f"{error.strerror}.",
            next="Point `backup.directory` of the target at a folder that can be written.",
            state="nothing was written.",
        ) from error
    if is_there:
        raise errors.BackupFailed(
            f"{directory} is there already.",
            why="a dump goes into a folder of its own, so that no older one is mixed with it or lost.",
            next="Choose another folder.",
            state="the folder is as it was.",
        )


def _dump_failed(finished: process.Finished, database: Database, directory: Path) -> errors.BackupFailed:
    said = _from_error_on(Redactor(database.password).clean(finished.stderr))
    ended = f"signal {-finished.exit_code}" if finished.exit_code < 0 else f"exit code {finished.exit_code}"
    return errors.BackupFailed(
        f"pg_dump of {database.dbname or 'the database'} failed.",
        why=f"it ended with {ended}.",
        next="Correct what it says below, and make the backup again.",
        state=_remove(directory),
        evidence={"pg_dump said": said} if said else {},
    )


def _remove(directory: Path) -> str:
    """Removes an unfinished dump, which is of no use to anybody, and says what is left on disk."""
    if not directory.exists():
        return "no file was written; the database is unchanged."
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        return f"part of an unfinished dump is left in {directory}; the database is unchanged."
    return "the unfinished dump was removed; the database is unchanged."


def _from_error_on(text: str) -> str:
    """Returns a program's words from its first error on; its last lines when it names none."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if re.search(r"\b(error|fatal):", line, re.I)), None)
    return cluster.last_lines(text) if first is None else "\n".join(lines[first : first + 20])


def table_of_contents(tool: Tool, directory: Path) -> tuple[contents.Entry, ...]:
    """Returns what a dump holds, in the order it would be restored.

    Args:
        tool: pg_restore.
        directory: a dump in directory format.

    Raises:
        errors.BackupFailed: pg_restore cannot read it.
    """
    lines: list[str] = []
    finished = process.run(
        [str(tool.path), "--list", str(directory)],
        environment=config.child_environment(_ENGLISH),
        on_line=lambda stream, line: lines.append(line) if stream == "stdout" else None,
        kept_lines=200,
    )
    if finished.exit_code != 0:
        raise errors.BackupFailed(
            f"The dump in {directory} cannot be read.",
            why=f"pg_restore --list ended with exit code {finished.exit_code}.",
            next="Do not rely on this backup: make another one.",
            state="the dump is as it was.",
            evidence={"pg_restore said": cluster.last_lines(finished.stderr)},
        )
    return contents.parse([line for line in lines if line and not line.startswith(";")])
