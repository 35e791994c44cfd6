"""The dumps of a target on disk: which of them are good, and which are no longer kept.

Each dump is a folder ``<directory>/<target>/<run_id>``, a further one of the same run ``<run_id>.a2``; beside it
``<run_id>.json`` says what became of it. One without that file was not finished: its run was killed.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembook import archive, errors
from alembook.archive import atomic
from alembook.archive.manifest import sha256
from alembook.steps.runbook import Book, receipt_stem
from alembook.verdict import Check, Grade, Outcome

_NAME = re.compile(r"(\d{8}T\d{6}Z-[0-9a-f]{6})(?:\.a(\d+))?")
#: So much of a dump is read again where it must be quick, bytes; its smallest files first.
QUICK_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """One dump.

    Attributes:
        folder: where it lies.
        is_good: its gate was open, and every file of it is there.
        is_proven: it was itself restored and compared.
        number: counts the dumps of a target, whatever its clock says; 0 for one that was not finished.
        taken_at: its instant by the server's clock, ISO 8601; "" for one that was not finished.
        attempt: of its run, from 1.
        database: which one it is of, "server/name"; "" for one that was not finished.
    """

    folder: Path
    is_good: bool
    is_proven: bool
    number: int = 0
    taken_at: str = ""
    attempt: int = 1
    database: str = ""


def new(book: Book) -> Path:
    """Returns where this attempt's dump goes: never a folder that is there already, nor the name of one that was."""
    root, told = _root(book), {Path(str(each.get("folder", ""))).name for each in _receipts(book.folder)}
    names = (root / f"{book.folder.run_id}{'' if n == 1 else f'.a{n}'}" for n in range(1, 10_000))
    return next(path for path in names if not (path.exists() or _note(path).exists() or path.name in told))


def before_the_change(folder: archive.RunFolder, start: Collection[str]) -> dict[str, Any] | None:
    """Returns the receipt of a run's last backup that PASSED and was taken where its plan begins; None without one.

    Args:
        folder: of the run.
        start: the version rows where its plan begins.
    """
    fit = [
        each
        for each in _receipts(folder)
        if each["outcome"] == Outcome.PASSED.value and sorted(each["version_rows"] or ()) == sorted(start)
    ]
    return fit[-1] if fit else None


def _receipts(folder: archive.RunFolder) -> list[dict[str, Any]]:
    return [archive.read_json(path) for path in folder.attempts(receipt_stem("backup"), ".json")]


def wrong(folder: Path, receipt: Mapping[str, Any], *, limit_bytes: int | None = None) -> list[str]:
    """Returns the files of a dump that are gone or are not what they were when it was made, by name.

    Args:
        folder: of the dump.
        receipt: of the backup; it has the SHA-256 of each file.
        limit_bytes: so much is read, the smallest files first; None reads all of them.
    """
    hashes: Mapping[str, str] = receipt.get("sha256") or {}
    gone = [name for name in hashes if not (folder / name).is_file()]
    sizes = {name: (folder / name).stat().st_size for name in hashes if name not in gone}
    changed, read = [], 0
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        read += sizes[name]
        if limit_bytes is not None and read > limit_bytes:
            break
        changed += [name] if sha256(folder / name) != hashes[name] else []
    if not gone and not changed and sum(sizes.values()) != receipt.get("size_bytes", sum(sizes.values())):
        changed = ["one of the larger ones"]
    return sorted([*gone, *changed])


def every(book: Book) -> list[Dump]:
    """Returns the dumps of a target, oldest first; those that were not finished before all others."""
    found = [_read(path) for path in _root(book).glob("*") if path.is_dir() and _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda dump: (dump.number, dump.taken_at, dump.folder.name[:23], dump.attempt))


def note(book: Book, folder: Path, *, is_good: bool, is_proven: bool, facts: Mapping[str, Any]) -> None:
    """Writes beside a dump what became of it. Raises as ``atomic.write_json``."""
    number = 1 + max((dump.number for dump in every(book)), default=0)
    atomic.write_json(_note(folder), {"is_good": is_good, "is_proven": is_proven, "number": number, **facts})


def no_longer_kept(dumps: Sequence[Dump], keep: int, needed: Collection[str] = ()) -> list[Dump]:
    """Returns the dumps that may go: those older than the last ``keep`` good ones, the last proven one excepted.

    Without a good one, none may go.

    Args:
        dumps: oldest first.
        keep: how many good ones stay, one at least.
        needed: names of dumps that stay besides.
    """
    good = [place for place, dump in enumerate(dumps) if dump.is_good][-keep:]
    proven = [place for place, dump in enumerate(dumps) if dump.is_good and dump.is_proven][-1:]
    older = [dump for place, dump in enumerate(dumps[: good[0]]) if place not in proven] if good else []
    return [dump for dump in older if dump.folder.name not in needed]


def needed(root: Path, target: str) -> Iterator[str]:
    """Yields the names of the dumps that a run may still have to be taken back with, whatever their age.

    Those of a run that was prepared, or began to change the database, and has not ended; and those of a run that is
    being taken back. A run that only makes a backup needs it no longer than any other.

    Args:
        root: the archive.
        target: name of the target.
    """
    runs = archive.runs(root, target)
    going = [run for run in runs if not archive.is_ended(run)]
    taken_back = {run.request().get("rolls_back") for run in going}
    begun = {run.run_id for run in going if run.receipt("before") or run.receipt(receipt_stem("rehearse"))}
    for run in runs:
        plan = run.receipt(receipt_stem("inspect")) if run.run_id in taken_back | begun else None
        receipt = before_the_change(run, plan["plan"]["start"]) if plan else None
        if receipt is not None:
            yield Path(receipt["folder"]).name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was no longer kept.

    Attributes:
        gone: names of the dumps that were removed.
        left: name of a dump of which something is still there -> why; it is no good one any more.
    """

    gone: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    def check(self) -> Check:
        """Returns whether all of it is gone."""
        return Check(
            name="what is no longer kept was removed",
            grade=Grade.SHOULD,
            outcome=Outcome.FAILED if self.left else Outcome.PASSED,
            expected=", ".join([*self.gone, *self.left]) or "nothing",
            found=", ".join(self.gone) or "nothing",
            why="; ".join(f"{name} is removed in part: {why}" for name, why in self.left.items()),
            next="Remove the rest by hand: it is no backup any more." if self.left else "",
        )


def prune(book: Book, made: Path) -> Pruned:
    """Removes the dumps that are no longer kept; one that cannot be removed whole is no good one from then on.

    Those of another database, to which the target led at another time, neither count nor go.

    Args:
        book: of the step.
        made: the dump just made, which stays.
    """
    stay, done = {made.name, *needed(book.folder.path.parent.parent, book.target.name)}, Pruned()
    mine = ("", _read(made).database)
    for dump in no_longer_kept([each for each in every(book) if each.database in mine], book.target.backup.keep, stay):
        if why := _remove(dump.folder):
            done.left[dump.folder.name] = why
        else:
            done.gone.append(dump.folder.name)
    return done


def _remove(folder: Path) -> str:
    """Removes a dump, then its note, and returns why not; "" when both are gone."""
    path = _note(folder)
    try:
        if path.exists():  # killed on the way, or refused a file, it is known to be no good one
            atomic.write_json(path, {**archive.read_json(path), "is_good": False, "is_proven": False})
        shutil.rmtree(folder)
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"{error.strerror}"
    except errors.ArchiveFailed as error:
        return error.why
    return ""


def _root(book: Book) -> Path:
    return book.target.backup.directory / book.target.name


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _read(folder: Path) -> Dump:
    path, name = _note(folder), _NAME.fullmatch(folder.name)
    found = archive.read_json(path) if path.exists() else {}
    server = found.get("server")
    is_whole = all((folder / each).is_file() for each in found.get("sha256", {}))
    return Dump(
        folder=folder,
        is_good=bool(found.get("is_good")) and is_whole,
        is_proven=bool(found.get("is_proven")),
        number=int(found.get("number", 0)),
        taken_at=str(found.get("taken_at", "")),
        attempt=int((name and name[2]) or 1),
        database=f"{server['system_identifier']}/{server['database']}" if server else "",
    )
