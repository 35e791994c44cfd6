"""What is missing on this machine, or for a target: each thing looked at is a check."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from alembook import config, errors
from alembook.config import shipped
from alembook.postgres import connection as connections
from alembook.postgres import embedded, identity, needs, reach, scratch, session, tools
from alembook.project import driver
from alembook.steps import left
from alembook.verdict import Check, Grade, Outcome

_OLDEST_SERVER = 140000


def examine(config_file: Path | None, target: str) -> list[Check]:
    """Returns what was looked at. Nothing is changed; an embedded server is started when the target is one.

    Args:
        config_file: the alembook.toml; None finds it.
        target: name of a target; "" looks at the machine only.

    Raises:
        errors.ConfigurationError: the target does not exist.
    """
    found = [
        _tried("Python 3.11 or newer", platform.python_version),
        _tried("runbooks", lambda: str(len(list(shipped.runbooks(Path.cwd()).glob("*.ipynb"))))),
        _tried("embedded PostgreSQL", lambda: str(embedded.binaries(18).name), grade=Grade.MAY),
        _program("ssh-keygen", "signing needs OpenSSH's ssh-keygen", Grade.MAY),
        _program("git", "plans record commit and changes with git", Grade.SHOULD),
    ]
    try:
        configuration = config.load(config_file)
    except errors.ConfigurationError as error:
        return [*found, _failed("alembook.toml", error, Grade.MUST if config_file or target else Grade.SHOULD)]
    found.append(_passed("alembook.toml", f"{len(configuration.targets)} targets"))
    found.append(_tried("the archive can be written", lambda: _writable(configuration.archive.path)))
    return found + (_target(configuration, configuration.target(target)) if target else [])


def _passed(name: str, found: str, grade: Grade = Grade.MUST) -> Check:
    return Check(name=name, outcome=Outcome.PASSED, grade=grade, found=found)


def _failed(name: str, error: errors.AlembookError, grade: Grade) -> Check:
    return Check(
        name=name,
        outcome=Outcome.FAILED,
        grade=grade,
        found="missing",
        why=f"{error.what} {error.why}",
        next=error.next,
    )


def _tried(name: str, look: Callable[[], str], *, grade: Grade = Grade.MUST) -> Check:
    try:
        return _passed(name, look(), grade)
    except errors.AlembookError as error:
        return _failed(name, error, grade)


def _program(name: str, why: str, grade: Grade) -> Check:
    path = shutil.which(name, path=config.child_environment().get("PATH"))
    if path:
        return _passed(name, path, grade)
    return Check(
        name=name, outcome=Outcome.FAILED, grade=grade, found="not on the PATH", why=why, next=f"Install {name}."
    )


def _writable(folder: Path) -> str:
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return str(folder)
    except OSError as error:
        raise errors.ArchiveFailed(
            f"{nearest} cannot be written.",
            why=f"{error.strerror}.",
            next="Correct archive.path in alembook.toml or the rights of that folder.",
        ) from error


def _target(configuration: config.Configuration, target: config.Target) -> list[Check]:
    """Looks at a target: keys, server, locks, tools, project."""
    checks = [_tried("this version can do what the target asks for", lambda: _usable(target))]
    try:
        database = reach.database(target)
        with connections.closing(
            connections.connect(database, application_name="alembook doctor", read_only=True)
        ) as connection:
            server = identity.read(connection)
    except errors.AlembookError as error:
        return [*checks, _failed("the database answers", error, Grade.MUST)]
    checks.append(_passed("the database answers", f"PostgreSQL {server.version}, {database.label()}"))
    checks.append(
        Check(
            name="PostgreSQL 14 or newer",
            outcome=Outcome.PASSED if server.version_num >= _OLDEST_SERVER else Outcome.FAILED,
            found=server.version,
        )
    )
    for name in ("pg_dump", "pg_restore"):
        checks.append(_tried(name, partial(_tool, target, database, server, name)))
    checks.append(_tried("a backup can be restored", partial(_scratch, target, database), grade=Grade.SHOULD))
    checks.append(left.check(target, configuration.archive.path))
    return [*checks, _tried("the project can be loaded and leads to this database", lambda: _project(target, database))]


def _usable(target: config.Target) -> str:
    target.require_usable()
    return "yes"


def _tool(target: config.Target, database: connections.Database, server: identity.Identity, name: str) -> str:
    return tools.find(
        name, server_version_num=server.version_num, database=database, postgres_bin=target.postgres_bin
    ).version


def _scratch(target: config.Target, database: connections.Database) -> str:
    look = connections.connect(database, application_name="alembook doctor", read_only=True)
    with connections.closing(look) as connection:
        return scratch.tried(target, needs.read(connection)).label()


def _project(target: config.Target, database: connections.Database) -> str:
    with session.hold(database, application_name="alembook doctor session") as held:
        found = driver.describe(target, database, held.session, log=lambda _event: None)
    return f"{len(found.revisions)} revisions, heads {', '.join(found.heads)}"
