"""Restoring a dump into an empty database, without what would act on other servers from there.

Left out: subscriptions (dropping the copy's would drop the original's replication slot), publications, event triggers
(they run somebody's code at every revision), user mappings (with them a foreign server is reached under its password;
without them it cannot be). Foreign servers and tables are restored: nothing can be read through them.

Source: PostgreSQL manual, reference pages of pg_restore, CREATE SUBSCRIPTION, CREATE USER MAPPING.
"""

from __future__ import annotations

import contextlib
import queue
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2.extensions

from alembook import config, errors, process
from alembook.config.redaction import Redactor
from alembook.postgres import cluster, contents, tools
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database

#: Kinds of entries that are not restored.
LEFT_OUT = (
    "SUBSCRIPTION",
    "SUBSCRIPTION TABLE",
    "PUBLICATION",
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "EVENT TRIGGER",
    "USER MAPPING",
)
_ABOUT = ("COMMENT", "SECURITY LABEL", "ACL")
#: What pg_restore may say without harm: name -> its text. Anything else fails the restore.
_HARMLESS = {
    "a comment on an extension is its owner's": re.compile(r"ERROR:  must be owner of extension "),
    "a setting this server does not know": re.compile(r"ERROR:  unrecognized configuration parameter \"\w+_timeout\""),
    "a materialized view over a foreign table stays empty": re.compile(r"ERROR:  user mapping not found for "),
}
_ERROR = re.compile(r"^pg_restore: error: ")
_IGNORED = re.compile(r"^pg_restore: warning: errors ignored on restore: (\d+)")
#: Not from the line's beginning: several processes write to one stream.
_FINISHED = re.compile(r"\bfinished item \d+ TABLE DATA (?P<table>.*)$")
_KEPT_ERRORS = 200
#: What ANALYZE is for, largest first, each name quoted; a partitioned table's statistics come from its partitions.
_TABLES = """
    SELECT c.oid::regclass::text
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
       AND n.nspname !~ '^pg_'
     ORDER BY pg_relation_size(c.oid) DESC
"""

#: Its sessions wait for each other; they write whatever the role's or the database's default is. It sets the rest.
_SESSIONS = {"idle_session_timeout": "0", "default_transaction_read_only": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore was.

    Attributes:
        seconds: from start to end of pg_restore.
        analyze_seconds: what ANALYZE took afterwards.
        argv: its arguments; they hold no secret.
        left_out: entries that were not restored, "SUBSCRIPTION orders_to_search".
        harmless: what pg_restore said and does no harm, by name, with its number.
    """

    seconds: float
    analyze_seconds: float
    argv: tuple[str, ...]
    left_out: tuple[str, ...]
    harmless: dict[str, int]


@dataclass(slots=True)
class _Told:
    """What pg_restore has said so far, its errors kept."""

    redactor: Redactor
    on_table: Callable[[str], None]
    errors: list[str] = field(default_factory=list)
    ignored: int = 0

    def take(self, stream: str, line: str) -> None:
        if stream != "stderr":
            return
        if match := _FINISHED.search(line):
            self.on_table(match["table"])
        elif match := _IGNORED.match(line):
            self.ignored = int(match[1])
        elif _ERROR.match(line) and len(self.errors) < _KEPT_ERRORS:
            self.errors.append(self.redactor.clean(line))

    def harmless(self) -> dict[str, int]:
        """Returns the errors that are known to do no harm, by name, with their number."""
        names = [name for line in self.errors for name, pattern in _HARMLESS.items() if pattern.search(line)]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    def harmful(self) -> list[str]:
        """Returns the other errors."""
        return [line for line in self.errors if not any(pattern.search(line) for pattern in _HARMLESS.values())]


def restore(
    tool: tools.Tool,
    folder: Path,
    database: Database,
    *,
    jobs: int,
    application_name: str,
    with_rights: bool = False,
    left_out: Sequence[str] = LEFT_OUT,
    on_table: Callable[[str], None] = lambda _table: None,
) -> Restored:
    """Restores a dump into an empty database, and analyzes it.

    Args:
        tool: pg_restore.
        folder: a dump in directory format.
        database: empty; its role becomes the owner of everything, unless ``with_rights``.
        jobs: connections that restore at once.
        application_name: what ``pg_stat_activity`` shows.
        with_rights: restore owners and granted rights too: the server must have the roles.
        left_out: kinds of entries that are not restored, with what is said about them.
        on_table: called with "schema table owner", as pg_restore writes it, after each table's rows.

    Raises:
        errors.RestoreFailed: pg_restore failed, or said what is not known to be harmless.
        errors.BackupFailed: the dump's table of contents cannot be read.
        errors.QueryFailed: ANALYZE failed.
    """
    entries = tools.table_of_contents(tool, folder)
    skipped = [entry for entry in entries if _is_left_out(entry, left_out)]
    told = _Told(Redactor(database.password), on_table)
    with tempfile.TemporaryDirectory(prefix="alembook-restore-") as scratch:
        listed = Path(scratch, "list")
        listed.write_text(_use_list(entries, skipped), encoding="utf-8")
        argv = _argv(tool, folder, database, jobs=jobs, listed=listed, with_rights=with_rights)
        finished = process.run(
            argv,
            environment=config.child_environment(
                {**database.environment(_SESSIONS), "PGAPPNAME": application_name, "LC_ALL": "C"}
            ),
            on_line=told.take,
            death_signal=signal.SIGTERM,
        )
    _require_harmless(finished, told, database, folder)
    return Restored(
        seconds=finished.seconds,
        analyze_seconds=analyze(database, application_name=application_name, jobs=jobs),
        argv=finished.argv,
        left_out=tuple(f"{entry.kind} {entry.name}" for entry in skipped),
        harmless=told.harmless(),
    )


def analyze(database: Database, *, application_name: str, jobs: int = 1) -> float:
    """Gives the planner the statistics that a dump does not carry. Returns the seconds it took.

    Args:
        database: restored.
        application_name: what ``pg_stat_activity`` shows.
        jobs: tables analyzed at the same time.
    """
    began = time.monotonic()
    with connections.closing(connections.connect(database, application_name=application_name)) as connection:
        tables = connections.tuples(connection, _TABLES)
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    for (table,) in tables:
        todo.put(table)

    def drain(_number: int) -> None:
        opened = connections.connect(database, application_name=application_name, may_write=True)
        with connections.closing(opened) as connection:
            connections.execute(connection, "SET lock_timeout = 0")
            with contextlib.suppress(queue.Empty):
                while True:
                    connections.execute(connection, f"ANALYZE {todo.get_nowait()}")

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        list(pool.map(drain, range(min(jobs, len(tables)))))
    return time.monotonic() - began


def _is_left_out(entry: contents.Entry, kinds: Iterable[str]) -> bool:
    return any(entry.kind == kind or (entry.kind in _ABOUT and entry.name.startswith(f"{kind} ")) for kind in kinds)


def _use_list(entries: Iterable[contents.Entry], skipped: Sequence[contents.Entry]) -> str:
    """Returns the list for ``pg_restore --use-list``: what is left out stands there as a comment."""
    without = {entry.id for entry in skipped}
    return "".join(f"{';' if entry.id in without else ''}{entry.line}\n" for entry in entries)


def _argv(
    tool: tools.Tool, folder: Path, database: Database, *, jobs: int, listed: Path, with_rights: bool
) -> list[str]:
    name = psycopg2.extensions.make_dsn(dbname=database.dbname)  # a name may look like a connection string
    argv = [str(tool.path), f"--dbname={name}", f"--jobs={jobs}", f"--use-list={listed}", "--no-password", "--verbose"]
    rights = [] if with_rights else ["--no-owner", "--no-acl", "--no-security-labels", "--no-tablespaces"]
    return [*argv, *rights, str(folder)]


def _require_harmless(finished: process.Finished, told: _Told, database: Database, folder: Path) -> None:
    """Refuses a restore unless it went through, or every error it counted itself is known to be harmless."""
    if finished.exit_code == 0:
        return
    known = sum(told.harmless().values())
    if finished.exit_code == 1 and told.ignored and told.ignored == known and not told.harmful():
        return
    ended = f"signal {-finished.exit_code}" if finished.exit_code < 0 else f"exit code {finished.exit_code}"
    said = "\n".join(told.harmful()[:20]) or Redactor(database.password).clean(cluster.last_lines(finished.stderr))
    raise errors.RestoreFailed(
        f"The dump in {folder} could not be restored.",
        why=f"pg_restore ended with {ended}.",
        next="Do not rely on this backup before the cause below is found: a damaged file, a full disk or a missing "
        "right on the scratch server. Then make the backup again.",
        state=f"the database {database.dbname} is half restored; what was dumped is unchanged.",
        evidence={"pg_restore said": said} if said else {},
    )
