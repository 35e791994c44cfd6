"""``alembook.toml``: found, read, typed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from alembook import errors
from alembook.config.reading import Table, refuse_passwords
from alembook.config.target import REFERENCE, Backfill, Backup, Limits, Reference, Target, Verify, read_reference
from alembook.config.window import FORM, Window

NAME = "alembook.toml"
#: What a target may be called: its runs lie in a folder of that name.
_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

#: Fields whose feature comes later, by table: anything but the default is refused when the target is used.
_LATER = {
    "backup": (),
    "verify": (),
    "backfill": ("workers", "max_set_aside", "max_replication_lag_s", "pause_when"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where runs are kept.

    Attributes:
        path: a local folder, absolute.
    """

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """A whole ``alembook.toml``."""

    path: Path
    archive: Archive
    targets: Mapping[str, Target]

    @property
    def folder(self) -> Path:
        """Returns the folder relative paths start at."""
        return self.path.parent

    def target(self, name: str) -> Target:
        """Returns a target by name.

        Raises:
            errors.ConfigurationError: there is none of that name.
        """
        if name not in self.targets:
            raise errors.ConfigurationError(
                f"{NAME} has no target {name!r}." if name else f"{NAME}: no target was named.",
                why=f"{self.path} defines: {', '.join(self.targets) or 'none'}.",
                next="Name one of them, or add a [targets.NAME] table.",
            )
        return self.targets[name]


def find(start: Path) -> Path:
    """Returns the nearest ``alembook.toml`` in a folder or above it.

    Raises:
        errors.ConfigurationError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / NAME).is_file():
            return folder / NAME
    raise errors.ConfigurationError(
        f"There is no {NAME} in {start} or above it.",
        why="it names the targets and where the archive is.",
        next="Go to the folder that has one, or pass --config FILE.",
    )


def load(path: Path | None = None) -> Configuration:
    """Returns the configuration.

    Args:
        path: the file; None finds it from the working directory upward.

    Raises:
        errors.ConfigurationError: no file, not TOML, an unknown key, a wrong type, a password in it.
    """
    file = find(Path.cwd()) if path is None else path.absolute()
    values = _parse(file)
    refuse_passwords(values, file=file)
    top = Table(values, file=file)
    archive = _archive(top.table("archive"), top.table("signing"), file.parent)
    tables = top.tables("targets")
    for name in tables:
        if not _TARGET.fullmatch(name):
            accepted = "a name of letters, digits, . _ and -, a letter or digit first"
            raise top.refuse(f"targets.{name}", accepted=accepted)
    targets = {name: _target(name, table, file.parent) for name, table in tables.items()}
    top.finish()
    return Configuration(path=file, archive=archive, targets=targets)


def _parse(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.ConfigurationError(
            f"{file} cannot be read.", why=f"{error}.", next="Pass --config FILE with a file that exists."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise errors.ConfigurationError(
            f"{file.name} is not valid TOML.",
            why=f"{error}.",
            next=f"Correct {file}; a name can be defined only once.",
        ) from error


def _archive(archive: Table, signing: Table, folder: Path) -> Archive:
    path = archive.text("path", "runs") or "runs"
    if "://" in path:
        raise errors.NotAvailableYet(
            f"{NAME}: archive.path is a URL, which this version understands and cannot do yet.",
            why="a record that is not written where the file says would be lost.",
            next='Use a folder, for instance path = "runs".',
        )
    key, signers = signing.text("key"), signing.text("allowed_signers")
    archive.finish()
    signing.finish()
    if key or signers:
        name = "key" if key else "allowed_signers"
        raise errors.NotAvailableYet(
            f"{NAME}: signing.{name} is set, which this version understands and cannot do yet.",
            why="a run believed to be signed and not signed would be worse than an unsigned one.",
            next="Remove it; runs are then marked as unsigned.",
        )
    return Archive(path=folder / path)


def _target(name: str, table: Table, folder: Path) -> Target:
    limits, backup, rehearsal, verify, backfill = (
        table.table(key) for key in ("limits", "backup", "rehearsal", "verify", "backfill")
    )
    policies = _backup(backup, folder), _verify(verify), _backfill(backfill)
    target = Target(
        name=name,
        folder=folder,
        database=read_reference(table, "database", table.required("database", REFERENCE), folder),
        direct=_reference(table, "direct", folder),
        project=folder / table.required("project", "the folder of alembic.ini, the ini, or a pyproject.toml"),
        python=_path(table, "python", folder),
        working_directory=_path(table, "working_directory", folder),
        environment=table.mapping("environment"),
        files=table.mapping("files"),
        flask_app=table.text("flask_app"),
        alembic_args=table.texts("alembic_args"),
        bind=table.text("bind"),
        protected=table.flag("protected", default=False),
        approvals=table.number("approvals", 0),
        writers=table.text("writers", "running", choices=("running", "stopped")) or "running",
        postgres_bin=_path(table, "postgres_bin", folder),
        ledger=table.text_or_false("ledger", "alembook"),
        way_back=table.text("way_back", "restore", choices=("downgrade", "restore", "external")) or "restore",
        scratch=_reference(rehearsal, "scratch", folder),
        rehearsal_max_age_days=rehearsal.number("max_age_days", 14, at_least=1),
        limits=_limits(limits),
        backup=policies[0],
        verify=policies[1],
        backfill=policies[2],
        unavailable=_unavailable(table, policies),
    )
    for each in (table, limits, backup, rehearsal, verify, backfill):
        each.finish()
    return target


def _unavailable(table: Table, policies: Iterable[Any]) -> tuple[str, ...]:
    """Returns the keys that ask for a feature this version lacks."""
    later = ["approvals"] if table.number("approvals", 0) else []
    for policy in policies:
        part = type(policy).__name__.lower()
        defaults = {field.name: field.default for field in fields(policy)}
        later += [f"{part}.{name}" for name in _LATER[part] if getattr(policy, name) != defaults[name]]
    return tuple(later)


def _reference(table: Table, key: str, folder: Path) -> Reference | None:
    text = table.text(key)
    return None if text is None else read_reference(table, key, text, folder)


def _path(table: Table, key: str, folder: Path) -> Path | None:
    text = table.text(key)
    return folder / text if text else None


def _limits(table: Table) -> Limits:
    default = Limits()
    return Limits(
        lock_timeout_ms=table.number("lock_timeout_ms", default.lock_timeout_ms, at_least=1),
        lock_attempts=table.number("lock_attempts", default.lock_attempts, at_least=1),
        concurrent_lock_timeout_ms=table.number(
            "concurrent_lock_timeout_ms", default.concurrent_lock_timeout_ms, at_least=1
        ),
        statement_timeout_ms=table.number("statement_timeout_ms", default.statement_timeout_ms),
        check_timeout_s=table.number("check_timeout_s", default.check_timeout_s, at_least=1),
        window=_window(table),
    )


def _window(table: Table) -> str:
    text = table.text("window", "") or ""
    try:
        return Window.parse(text).text if text else ""
    except ValueError as error:
        raise table.refuse("window", accepted=FORM, found=text) from error


def _backup(table: Table, folder: Path) -> Backup:
    return Backup(
        directory=folder / (table.text("directory", "backups") or "backups"),
        jobs=table.number("jobs", 4, at_least=1),
        keep=table.number("keep", 7, at_least=1),
        proof=table.text("proof", "this", choices=("this", "recent")) or "this",
        proof_max_age_days=table.number("proof_max_age_days", 30, at_least=1),
        max_age_minutes=table.number("max_age_minutes", 60, at_least=1),
        command=table.text("command"),
        proof_command=table.text("proof_command"),
    )


def _verify(table: Table) -> Verify:
    return Verify(
        scope=table.text("scope", "touched", choices=("touched", "all")) or "touched",
        include=table.texts("include", ("*",)),
        exclude=table.texts("exclude"),
        workers=table.number("workers", 2, at_least=1),
        equality=table.text("equality", "value", choices=("value", "text")) or "value",
        show_keys=table.flag("show_keys", default=False),
    )


def _backfill(table: Table) -> Backfill:
    return Backfill(
        batch_ms=table.number("batch_ms", 200, at_least=10),
        workers=table.number("workers", 1, at_least=1),
        max_set_aside=table.number("max_set_aside", 0),
        max_replication_lag_s=table.number("max_replication_lag_s", 10, at_least=1),
        pause_when=table.text("pause_when"),
    )
