"""A run's folder, ``<archive>/<target>/<run_id>/``: its names, and who may write what where."""

from __future__ import annotations

import getpass
import json
import re
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from alembook import __version__, errors
from alembook.archive import atomic, events
from alembook.config.redaction import Redactor

#: Statements about a run that are made after it came to a stop, by kind.
ROLLED_BACK = "rolled-back"
RELEASE, WAIVER, EMERGENCY = "release", "waiver", "emergency"
_STATEMENTS = "approvals"
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """One run's folder. Receipts and notebooks are never overwritten: a second attempt is ``<stem>.a2``.

    Attributes:
        path: the folder, absolute.
        target: name of the target.
        run_id: ``20261122T120301Z-4f2a9c``.
        redactor: takes the target's password out of everything that is written here.
    """

    path: Path
    target: str
    run_id: str
    redactor: Redactor = field(default=Redactor(), compare=False)

    def attempt_path(self, stem: str, suffix: str) -> Path:
        """Returns the first free name: ``stem + suffix``, then ``stem.a2 + suffix``, ..."""
        names = (self.path / f"{stem}{'' if n == 1 else f'.a{n}'}{suffix}" for n in range(1, 10_000))
        return next(path for path in names if not path.exists())

    def attempts(self, stem: str, suffix: str) -> list[Path]:
        """Returns the attempts that are there, oldest first."""
        pattern = re.compile(re.escape(stem) + r"(\.a(\d+))?" + re.escape(suffix))
        found = [(int(match[2] or 1), path) for path in self.path.iterdir() if (match := pattern.fullmatch(path.name))]
        return [path for _, path in sorted(found)]

    def write_receipt(self, stem: str, value: Mapping[str, Any]) -> Path:
        """Writes a step's receipt, ``<stem>.json`` or its next attempt. Raises as ``atomic.write_json``."""
        return self._write(self.attempt_path(stem, ".json"), atomic.as_json(value))

    def receipt(self, stem: str) -> dict[str, Any] | None:
        """Returns the latest attempt's receipt, or None when there is none.

        Raises:
            errors.ArchiveFailed: it is not readable or not JSON.
        """
        found = self.attempts(stem, ".json")
        return read_json(found[-1]) if found else None

    def events(self, writer: str) -> events.Events:
        """Returns the open event file of a writer ("runner", "40_upgrade.s1.kernel")."""
        return events.Events(self.path / "events" / f"{writer}.jsonl", self.redactor)

    def events_of(self, writer: str) -> Iterator[Mapping[str, Any]]:
        """Yields a writer's events in order."""
        return events.read(self.path / "events" / f"{writer}.jsonl")

    def write_table(self, name: str, frame: pd.DataFrame) -> Path:
        """Writes ``tables/<name>.csv`` or its next attempt."""
        return self._write(self.attempt_path(f"tables/{name}", ".csv"), frame.to_csv(index=False))

    def write_sql(self, name: str, text: str) -> Path:
        """Writes ``sql/<name>.sql``."""
        return self._write(self.path / "sql" / f"{name}.sql", text)

    def within(self, stem: str, *, run_id: str = "") -> RunFolder:
        """Returns a new folder in this one with the same parts, for a rehearsal: ``<stem>``, then ``<stem>.a2``, ...

        Args:
            stem: of its name.
            run_id: what its sessions and ledger rows go by; the run's own id when it is not given.
        """
        path = self.attempt_path(stem, "")
        try:
            for part in ("events", "sql", "tables"):
                (path / part).mkdir(parents=True)
        except OSError as error:
            raise atomic.failed(path, error) from error
        return replace(self, path=path, run_id=run_id or self.run_id)

    def _write(self, path: Path, text: str) -> Path:
        return atomic.write_text(path, self.redactor.clean(text))

    def request(self) -> dict[str, Any]:
        """Returns what was asked for when the run began."""
        return read_json(self.path / "request.json")

    def state(self, kind: str, **said: Any) -> Path:
        """Writes a later statement about the run, a file of its own: no file that is there is touched.

        Each holds who, when, the SHA-256 of the manifest as it is now and that of the statement before it.

        Args:
            kind: ``RELEASE``, ``WAIVER``, ``EMERGENCY`` or ``ROLLED_BACK``.
            **said: JSON values.

        Raises:
            errors.ArchiveFailed: it could not be written.
        """
        earlier, manifest = self._statements(), self.path / "manifest.json"
        chained = {
            "manifest": atomic.sha256(manifest) if manifest.exists() else "",
            "previous": atomic.sha256(earlier[-1]) if earlier else "",
        }
        who = {"at": events.now(), "by": operator(), "on": socket.gethostname()}
        text = atomic.as_json({"statement": kind, "run_id": self.run_id, **said, **who, **chained})
        return self._write(self.path / _STATEMENTS / f"{len(earlier) + 1:03d}-{kind}.json", text)

    def stated(self, kind: str) -> list[dict[str, Any]]:
        """Returns the later statements of a kind, oldest first."""
        return [read_json(path) for path in self._statements() if path.stem.endswith(f"-{kind}")]

    def _statements(self) -> list[Path]:
        return sorted((self.path / _STATEMENTS).glob("[0-9][0-9][0-9]-*.json"))

    def manifest(self) -> dict[str, Any] | None:
        """Returns the change record, or None while the run has not come to a stop."""
        path = self.path / "manifest.json"
        return read_json(path) if path.exists() else None

    def is_worked_on(self) -> bool:
        """Says whether a living process writes events into this run."""
        return any(events.has_writer(path) for path in (self.path / "events").glob("*.jsonl"))


def read_json(path: Path) -> dict[str, Any]:
    """Returns a JSON object from a file of the archive.

    Raises:
        errors.ArchiveFailed: not readable or not JSON.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise errors.ArchiveFailed(
            f"{path} cannot be read.", why=f"{error}.", next="Restore the file from a copy of the archive."
        ) from error


def begin(root: Path, target: str, *, to: str, change_id: str = "", **more: str) -> RunFolder:
    """Creates a run's folder with the record of the request and returns it.

    Args:
        root: the archive.
        target: name of the target.
        to: the revision that was asked for, as it was written.
        change_id: the ticket, as it was written.
        **more: what else was asked for; a rollback says the run it takes back and by which way.

    Raises:
        errors.ArchiveFailed: the folder cannot be made.
    """
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    folder = RunFolder(path=root / target / run_id, target=target, run_id=run_id)
    unborn = folder.path.with_name(f".{run_id}")  # a run that is listed has its request
    asked = {"to": to, "change_id": change_id, **more, "by": operator(), "on": socket.gethostname()}
    request = {"run_id": run_id, "target": target, **asked, "at": events.now(), "alembook": __version__}
    try:
        for part in ("events", "sql", "tables"):
            (unborn / part).mkdir(parents=True)
        atomic.write_json(unborn / "request.json", request)
        unborn.rename(folder.path)
    except OSError as error:
        raise atomic.failed(folder.path, error) from error
    return folder


def operator() -> str:
    """Returns who is at work: the name of the system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a user without a name"


def runs(root: Path, target: str | None = None) -> list[RunFolder]:
    """Returns the runs of the archive, oldest first; of one target when it is given."""
    folders = [path for path in root.glob(f"{target or '*'}/*") if path.is_dir() and _RUN_ID.fullmatch(path.name)]
    found = [RunFolder(path=path, target=path.parent.name, run_id=path.name) for path in folders]
    return sorted(found, key=lambda folder: (folder.run_id, folder.target))


def find(root: Path, run_id: str, target: str | None = None) -> RunFolder:
    """Returns a run by its id, a unique part of it, or ``latest``.

    Raises:
        errors.UnknownRun: there is none, or several.
    """
    known = runs(root, target)
    found = known[-1:] if run_id == "latest" else [folder for folder in known if run_id and run_id in folder.run_id]
    if len(found) != 1:
        raise errors.UnknownRun(
            f"There is no run {run_id!r} in the archive." if not found else f"{run_id!r} names {len(found)} runs.",
            why=f"{root} holds {len(known)} runs" + (f" of {target}." if target else "."),
            next="`alembook runs` lists them.",
        )
    return found[0]
