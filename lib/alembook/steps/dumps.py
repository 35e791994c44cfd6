"""The dumps of a target on disk: which of them are good, and which are no longer kept.

Each dump is a folder ``<directory>/<target>/<run_id>``; beside it ``<run_id>.json`` says what became of it. One without
that file was not finished: its run was killed.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembook import archive
from alembook.archive import atomic
from alembook.steps.runbook import Book, receipt_stem
from alembook.verdict import Outcome

_RUN_IDS = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z-*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """One dump.

    Attributes:
        folder: where it lies.
        is_good: its gate was open.
        is_proven: it was itself restored and compared.
    """

    folder: Path
    is_good: bool
    is_proven: bool


def new(book: Book) -> Path:
    """Returns where this attempt's dump goes: never a folder that is there already, nor the name of one that was."""
    root = _root(book)
    names = (root / f"{book.folder.run_id}{'' if n == 1 else f'.a{n}'}" for n in range(1, 10_000))
    return next(path for path in names if not path.exists() and not _note(path).exists())


def before_the_change(folder: archive.RunFolder, start: Collection[str]) -> dict[str, Any] | None:
    """Returns the receipt of a run's last backup that PASSED and was taken where its plan begins; None without one.

    Args:
        folder: of the run.
        start: the version rows where its plan begins.
    """
    receipts = [archive.read_json(path) for path in folder.attempts(receipt_stem("backup"), ".json")]
    fit = [
        each
        for each in receipts
        if each["outcome"] == Outcome.PASSED.value and sorted(each["version_rows"] or ()) == sorted(start)
    ]
    return fit[-1] if fit else None


def every(book: Book) -> list[Dump]:
    """Returns the dumps of a target, oldest first."""
    return [_read(path) for path in sorted(_root(book).glob(_RUN_IDS)) if path.is_dir()]


def note(folder: Path, *, is_good: bool, is_proven: bool, facts: Mapping[str, Any]) -> None:
    """Writes beside a dump what became of it. Raises as ``atomic.write_json``."""
    atomic.write_json(_note(folder), {"is_good": is_good, "is_proven": is_proven, **facts})


def no_longer_kept(dumps: Sequence[Dump], keep: int) -> list[Dump]:
    """Returns the dumps that may go: those older than the last ``keep`` good ones, the last proven one excepted.

    Without a good one, none may go.

    Args:
        dumps: oldest first.
        keep: how many good ones stay, one at least.
    """
    good = [place for place, dump in enumerate(dumps) if dump.is_good][-keep:]
    proven = [place for place, dump in enumerate(dumps) if dump.is_good and dump.is_proven][-1:]
    return [dump for place, dump in enumerate(dumps[: good[0]]) if place not in proven] if good else []


def prune(book: Book) -> list[str]:
    """Removes the dumps that are no longer kept, and returns their names."""
    gone = no_longer_kept(every(book), book.target.backup.keep)
    for dump in gone:
        shutil.rmtree(dump.folder, ignore_errors=True)
        if not dump.folder.exists():
            _note(dump.folder).unlink(missing_ok=True)
    return [dump.folder.name for dump in gone]


def _root(book: Book) -> Path:
    return book.target.backup.directory / book.target.name


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _read(folder: Path) -> Dump:
    path = _note(folder)
    found = archive.read_json(path) if path.exists() else {}
    return Dump(folder=folder, is_good=bool(found.get("is_good")), is_proven=bool(found.get("is_proven")))
