"""A target: a named database with the project that owns its schema, and the policy for touching it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alembook import errors
from alembook.config import environment
from alembook.config.reading import Table, refuse_passwords

Kind = Literal["embedded", "env", "file", "service", "url"]
REFERENCE = "embedded: | env:NAME | file:PATH | service:NAME | a postgresql:// URL without a password"
_EMBEDDED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)?(@(?P<major>16|18))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a database's address is to be found; never the address with its password.

    Attributes:
        kind: embedded, env, file, service or url.
        value: variable, absolute path, service, URL; for embedded ``name@major``.
    """

    kind: Kind
    value: str

    def __str__(self) -> str:
        """Returns it as alembook.toml writes it."""
        return self.value if self.kind == "url" else f"{self.kind}:{self.value}"

    @property
    def embedded_name(self) -> str:
        """Returns the database's name on the embedded server."""
        return self.value.partition("@")[0]

    @property
    def embedded_major(self) -> int:
        """Returns the major version of the embedded server."""
        return int(self.value.partition("@")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of what a run may cost others. 0 means no limit, where it is allowed; window "" = at any time."""

    lock_timeout_ms: int = 2000
    lock_attempts: int = 10
    concurrent_lock_timeout_ms: int = 600_000
    statement_timeout_ms: int = 0
    check_timeout_s: int = 300
    window: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """How backups are made and kept."""

    directory: Path
    jobs: int = 4
    keep: int = 7
    proof: str = "this"
    proof_max_age_days: int = 30
    max_age_minutes: int = 60
    command: str | None = None
    proof_command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Which tables are verified and what may be shown of them."""

    scope: str = "touched"
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    workers: int = 2
    equality: str = "value"
    show_keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """How backfills are paced."""

    batch_ms: int = 200
    workers: int = 1
    max_set_aside: int = 0
    max_replication_lag_s: int = 10
    pause_when: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One ``[targets.NAME]``, paths absolute.

    Attributes:
        folder: of ``alembook.toml``.
        bind: which of a project's several databases it is: the section of the ini, or Flask-SQLAlchemy's bind key
            ("" for its default one); None when there is one.
        unavailable: keys the file sets whose feature this version lacks.
    """

    name: str
    folder: Path
    database: Reference
    direct: Reference | None
    project: Path
    python: Path | None
    working_directory: Path | None
    environment: Mapping[str, str]
    files: Mapping[str, str]
    flask_app: str | None
    alembic_args: tuple[str, ...]
    bind: str | None
    protected: bool
    approvals: int
    writers: str
    postgres_bin: Path | None
    ledger: str | None
    way_back: str
    scratch: Reference | None
    rehearsal_max_age_days: int
    limits: Limits
    backup: Backup
    verify: Verify
    backfill: Backfill
    unavailable: tuple[str, ...]

    @property
    def state_folder(self) -> Path:
        """Returns the folder of what belongs to this machine and not to the record: servers, keys."""
        return self.folder / ".alembook"

    def require_usable(self) -> None:
        """Does nothing when this version does everything the target's table asks for.

        Raises:
            errors.NotAvailableYet: the table sets a key whose feature comes later.
        """
        if self.unavailable:
            raise errors.NotAvailableYet(
                f"{self.name} sets {', '.join(self.unavailable)}, which this version understands and cannot do yet.",
                why="ignoring a policy in silence would be worse than stopping.",
                next=f"Remove {'it' if len(self.unavailable) == 1 else 'them'} from alembook.toml to go on without.",
            )


def read_reference(table: Table, key: str, text: str, folder: Path) -> Reference:
    """Returns the reference a string stands for.

    Raises:
        errors.ConfigurationError: none of the accepted forms.
    """
    kind, _, value = text.partition(":")
    if "://" in text:
        return Reference(kind="url", value=text)
    if kind == "embedded" and (found := _EMBEDDED.fullmatch(value)):
        return Reference(kind="embedded", value=f"{found['name'] or 'alembook'}@{found['major'] or 18}")
    if kind == "file" and value:
        return Reference(kind="file", value=str(folder / value))
    if kind in {"env", "service"} and value:
        return Reference(kind="env" if kind == "env" else "service", value=value)
    raise table.refuse(key, accepted=REFERENCE)


def reference(text: str) -> Reference:
    """Returns the reference a word of the command line stands for; files are found from the working directory.

    Raises:
        errors.UsageError: none of the accepted forms, or it carries a password.
    """
    place = Path("the command line")
    try:
        refuse_passwords({"reference": text}, file=place)
    except errors.ConfigurationError as error:
        raise errors.UsageError(
            "A reference on the command line carries a password.",
            why="every user of this machine can read it there, and shells keep it.",
            next="Move the URL to a variable or a file, and write env:NAME or file:PATH.",
        ) from error
    try:
        return read_reference(Table({}, file=place), "reference", text, Path.cwd())
    except errors.ConfigurationError as error:
        raise errors.UsageError(
            f"{text.partition(':')[0]}: is no reference to a database.",
            why=f"accepted: a target's name | {REFERENCE}.",
            next="Write one of these forms; env:NAME reads the URL from a variable.",
        ) from error


def resolve(reference: Reference) -> str:
    """Returns the connection string or URL a reference stands for, secrets included.

    Raises:
        errors.ConfigurationError: the variable or file is missing or empty.
        ValueError: for ``embedded:``, which has no string.
    """
    if reference.kind == "env":
        return environment.variable(reference.value)
    if reference.kind == "file":
        return _content(Path(reference.value))
    if reference.kind == "service":
        escaped = re.sub(r"([\\'])", r"\\\1", reference.value)
        return f"service='{escaped}'"
    if reference.kind == "url":
        return reference.value
    raise ValueError("an embedded database has no connection string; ask the embedded server")


def _content(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = f"the system says {error.strerror}" if isinstance(error, OSError) else "it is not UTF-8 text"
        raise errors.ConfigurationError(
            f"The file {path} cannot be read.",
            why=f"a reference in alembook.toml says file:{path.name}; {cause}.",
            next="Create it with the connection URL on one line, readable only by you (mode 0600).",
        ) from None  # the cause may repeat the secret
    if not text:
        raise errors.ConfigurationError(
            f"The file {path} is empty.",
            why=f"a reference in alembook.toml says file:{path.name}.",
            next="Write the connection URL into it, on one line.",
        )
    return text
