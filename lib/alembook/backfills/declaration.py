"""Declaring a backfill: ``backfills/<name>.py`` beside a project's ``versions/``.

    backfill = Backfill(
        name="provider_credentials",
        after="e8446f481c1e",
        before="0e154742a5fa",
        table="providers",
        key=("id",),
        pending="credential_id IS NULL AND encrypted_config IS NOT NULL",
        apply=SQL("UPDATE providers p SET credential_id = ... FROM batch WHERE p.id = batch.id"),
    )

What the SQL may rely on. One batch is one READ COMMITTED transaction:

1. ``batch``, a temporary table with exactly the key columns (same names, types and collations), holds the keys of the
   next pending rows; those rows of ``table`` are locked FOR NO KEY UPDATE, in key order. This is a statement of its
   own, so what follows sees the rows as they were locked, and no update of the application is lost.
2. Each statement of ``SQL(...)`` runs as written, in order, without parameters (``%`` is a plain ``%``). It touches
   only what belongs to the rows in ``batch``. The server refuses COMMIT, ROLLBACK and the like in it.
3. The progress row is written and the transaction commits, which also empties ``batch``.

Afterwards no row of the batch may be pending any more. Rows that still are, are stuck: the backfill fails and says how
many. A batch that is rolled back (lock timeout, deadlock, kill) is run again whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alembook import errors

#: What the code of a file may raise while it is executed, exit() included.
_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemExit,
    TypeError,
    ValueError,
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, init=False)
class SQL:
    """What a batch runs: one set-based statement, or several in order."""

    statements: tuple[str, ...]

    def __init__(self, *statements: str) -> None:
        object.__setattr__(self, "statements", statements)
        if not statements:
            raise _refused("SQL(...)", "one or more statements")
        for text in statements:
            _require_text("SQL(...)", text)


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the project that transforms a batch's rows. Understood here; a later version runs it.

    Attributes:
        function: "package.module:function".
    """

    function: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", str(self.function)):
            raise _refused("Call(...)", '"package.module:function"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A data migration that runs in batches while the application works.

    Attributes:
        name: small letters, digits and underscores; unique in the project.
        after: it runs when the database is at or past this revision.
        before: it is complete before this revision is applied, which begins a stage; "" when nothing depends on it.
        hold: people release the stage that follows (the reason, such as "deploy"); "" for none.
        table: "table" (found by search_path) or "schema.table".
        key: columns that tell rows apart and order them: NOT NULL, under one unique index.
        pending: SQL condition over the bare columns of ``table``; true for a row that is still to be done.
        apply: what is done with a batch.
        checks: statements to verify, as mappings: the keys of checks.toml plus "kind" (rows, changes, ...). They are
            kept as they are; ``snapshots.rules.declare`` reads them.
    """

    name: str
    after: str
    table: str
    key: tuple[str, ...]
    pending: str
    apply: SQL | Call
    before: str = ""
    hold: str = ""
    checks: tuple[Mapping[str, Any], ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("name", "after", "table", "pending"):
            _require_text(name, getattr(self, name))
        if not _NAME.fullmatch(self.name):
            raise _refused("name", "small letters, digits and underscores, a letter first, at most 63")
        for name in ("before", "hold"):
            object.__setattr__(self, name, _text_or_empty(name, getattr(self, name)))
        object.__setattr__(self, "key", _key(self.key))
        if not isinstance(self.apply, SQL | Call):
            raise _refused("apply", 'SQL("...") | Call("package.module:function")')
        object.__setattr__(self, "checks", _checks(self.checks))
        if self.hold and not self.before:
            raise _refused("hold", "a hold only together with `before`: it is the stage that follows that waits")

    @property
    def statements(self) -> tuple[str, ...]:
        """Returns the statements of a batch.

        Raises:
            errors.NotAvailableYet: the backfill calls a function of the project.
        """
        if isinstance(self.apply, SQL):
            return self.apply.statements
        raise errors.NotAvailableYet(
            f"The backfill {self.name} calls {self.apply.function}, which this version understands and cannot do yet.",
            why="functions of the project need its own interpreter for every batch.",
            next="Write it as SQL(...), or wait for a version that can.",
        )

    def digest(self) -> str:
        """Returns the SHA-256 of everything declared, hexadecimal; part of a progress row."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, default=str).encode()).hexdigest()


def _require_text(key: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _refused(key, "a string that is not empty")


def _text_or_empty(key: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _refused(key, "a string")
    return value


def _key(value: object) -> tuple[str, ...]:
    names = tuple(value) if isinstance(value, tuple | list) else ()
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        raise _refused("key", 'a tuple of different column names, such as ("id",)')
    return names


def _checks(value: object) -> tuple[Mapping[str, Any], ...]:
    entries = tuple(value) if isinstance(value, tuple | list) else (None,)
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise _refused("checks", 'a tuple of mappings, such as ({"kind": "none", "name": "...", "query": "..."},)')
    return entries


def _refused(key: str, accepted: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(
        f"A backfill's {key} cannot be used.", why=f"accepted: {accepted}.", next="Correct it in the backfill's file."
    )


def files(folder: Path) -> list[Path]:
    """Returns the files ``load`` reads: ``*.py`` whose name does not start with an underscore, by name."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def load(folder: Path) -> tuple[Backfill, ...]:
    """Returns the backfills a folder declares, by file name and in the order they stand there.

    Each file is executed in this interpreter and leaves no trace: nothing in ``sys.modules``, no ``__pycache__``. It
    holds one backfill named as the file, or several.

    Args:
        folder: ``backfills`` beside ``versions``; one that does not exist declares none.

    Raises:
        errors.ConfigurationError: a file cannot be executed, declares nothing or something that cannot be used, or two
            backfills share a name; says file, line and what is accepted.
    """
    found = [(path, backfill) for path in files(folder) for backfill in _declared_in(path)]
    places: dict[str, Path] = {}
    for path, backfill in found:
        if backfill.name in places:
            raise errors.ConfigurationError(
                f"Two backfills are named {backfill.name}: in {places[backfill.name].name} and in {path.name}.",
                why="progress is kept by name.",
                next="Rename one of them, and its file.",
            )
        places[backfill.name] = path
    return tuple(backfill for _, backfill in found)


def _declared_in(path: Path) -> list[Backfill]:
    values = _executed(path).values()
    found = list({id(value): value for value in values if isinstance(value, Backfill)}.values())
    if not found:
        raise errors.ConfigurationError(
            f"{path} declares no backfill.",
            why="it has no module-level value that is a Backfill.",
            next="Write `backfill = Backfill(...)`, or begin the file's name with an underscore.",
        )
    if len(found) == 1 and found[0].name != path.stem:
        raise errors.ConfigurationError(
            f"{path} declares the backfill {found[0].name}.",
            why="a file's only backfill is named as the file, so that it can be found.",
            next=f"Name the file {found[0].name}.py, or the backfill {path.stem}.",
        )
    return found


def _executed(path: Path) -> dict[str, Any]:
    try:
        return runpy.run_path(str(path), run_name="alembook_backfill")
    except errors.ConfigurationError as error:
        raise errors.ConfigurationError(
            f"{path}, line {_line(error, path)}: {error.what}", why=error.why, next=error.next
        ) from error
    except _FAULTS as error:
        raise errors.ConfigurationError(
            f"{path}, line {_line(error, path)}: the file cannot be executed.",
            why=f"{type(error).__name__}: {error}.",
            next="Correct the file; it runs in Alembook's interpreter and needs only alembook.backfills.",
        ) from error


def _line(error: BaseException, path: Path) -> int | str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or "?"
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or "?" for frame in reversed(list(frames)) if frame.filename == str(path)), "?")
