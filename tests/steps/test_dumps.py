"""Which dumps on disk stay: the one just made, those a run may be taken back with, the last good ones."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from alembook import archive
from alembook.archive import Ending
from alembook.archive.manifest import sha256
from alembook.runner import tasks
from alembook.steps import dumps, gate
from alembook.verdict import Outcome
from tests.steps.conftest import Desk

START = "1a0000000041"
DAY = "2026112{}T010000Z-00000{}"


@pytest.fixture
def shelf(desk: Desk) -> Desk:
    """Returns a desk that keeps two dumps and has no run yet."""
    desk.configure(more="[targets.demo.backup]\nkeep = 2\n")
    for run in archive.runs(desk.folder / "runs", "demo"):
        run.path.rename(run.path.with_name(f".{run.run_id}"))
    return desk


def begun(desk: Desk, day: int, *stems: str, rolls_back: str = "") -> archive.RunFolder:
    """Returns a run of a day in November with a plan, and empty receipts of what else it did."""
    path = desk.folder / "runs/demo" / DAY.format(day, day)
    for part in ("events", "sql", "tables"):
        (path / part).mkdir(parents=True)
    (path / "request.json").write_text(json.dumps({"rolls_back": rolls_back}), encoding="utf-8")
    run = archive.RunFolder(path=path, target="demo", run_id=path.name)
    for stem in ("plan", *stems):
        run.write_receipt(stem, {"plan": {"start": [START]}})
    return run


def dumped(
    desk: Desk, run: archive.RunFolder, taken_at: str = "2026-11-20T01:00:00+00:00", *, database: str = "shop"
) -> str:
    """Makes a good dump of a run, of one file, prunes, and returns its name."""
    with desk.book("backup", folder=run) as book:
        folder = dumps.new(book)
        folder.mkdir(parents=True)
        (folder / "toc.dat").write_text("contents", encoding="utf-8")
        facts = {
            "folder": str(folder.relative_to(desk.folder)),
            "taken_at": taken_at,
            "sha256": {"toc.dat": sha256(folder / "toc.dat")},
            "size_bytes": 8,
            "version_rows": [START],
            "server": {"system_identifier": "7", "database": database},
        }
        dumps.note(book, folder, is_good=True, is_proven=False, facts=facts)
        dumps.prune(book, folder)
        run.write_receipt("backup", {"outcome": "PASSED", **facts})
    return folder.name


def left(desk: Desk) -> list[str]:
    """Returns the dumps that are there, by name."""
    return sorted(path.name for path in (desk.folder / "backups/demo").iterdir() if path.is_dir())


def test_the_dump_just_made_is_the_newest(shelf: Desk) -> None:
    """A run that began before the nightly ones makes its fresh backup after them; it stays, whatever the clock says."""
    prepared = begun(shelf, 1)
    nightly = [dumped(shelf, begun(shelf, day)) for day in (2, 3)]
    fresh = dumped(shelf, prepared, "2020-01-01T00:00:00+00:00")
    assert left(shelf) == sorted([nightly[1], fresh])
    last = dumped(shelf, begun(shelf, 4))
    assert left(shelf) == sorted([fresh, last])


def test_many_attempts_of_one_run(shelf: Desk) -> None:
    """The tenth is newer than the second, and no name is given twice, also where what had it was removed."""
    run = begun(shelf, 1)
    names = [dumped(shelf, run) for _ in range(11)]
    assert names == [run.run_id, *(f"{run.run_id}.a{n}" for n in range(2, 12))]
    assert left(shelf) == sorted(names[-2:])


def test_dumps_of_an_older_version_are_ordered_by_their_instant(shelf: Desk) -> None:
    """Their notes have no number: the server's clock tells, then the attempt."""
    run = begun(shelf, 5)
    instants = {f"{run.run_id}.a2": 7, f"{run.run_id}.a10": 7, DAY.format(6, 6): 3, DAY.format(7, 7): None}
    for name, hour in instants.items():
        folder = shelf.folder / "backups/demo" / name
        folder.mkdir(parents=True)
        if hour:
            told = {"is_good": True, "taken_at": f"2026-11-26T0{hour}:00:00+00:00"}
            folder.with_name(f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
    with shelf.book("backup", folder=run) as book:
        found = [dump.folder.name for dump in dumps.every(book)]
    assert found == [DAY.format(7, 7), DAY.format(6, 6), f"{run.run_id}.a2", f"{run.run_id}.a10"]


@pytest.mark.parametrize(
    ("stems", "outcome", "rolls_back", "stays"),
    [
        ((), "open", False, False),
        (("rehearsal",), "waiting", False, True),
        (("rehearsal", "before"), "interrupted", False, True),
        (("before", "verification"), "failed", False, True),
        (("rehearsal", "before"), "done", False, False),
        (("rehearsal", "before"), "abandoned", False, False),
        (("rehearsal", "before"), "done", True, True),
    ],
    ids=["only a backup", "prepared", "cut off", "verify FAILED", "done", "given up", "done, and being taken back"],
)
def test_what_a_run_needs_stays(
    stems: tuple[str, ...], outcome: str, rolls_back: bool, stays: bool, shelf: Desk
) -> None:
    """The backup a run may still be taken back with is there, however many came after it; its superseded one is not."""
    run = begun(shelf, 1, *stems)
    superseded, needed = dumped(shelf, run), dumped(shelf, run)
    archive.close(run, Ending(outcome=outcome, exit_code=0))
    if rolls_back:
        begun(shelf, 2, rolls_back=run.run_id)
    later = [dumped(shelf, begun(shelf, day)) for day in (3, 4, 5)]
    assert left(shelf) == sorted([*([needed] if stays else []), *later[-2:]])
    assert superseded not in left(shelf)


def test_a_dump_with_a_file_gone_is_no_good_one(shelf: Desk) -> None:
    """It does not count among those that are kept: the last whole one stays."""
    whole, damaged = (dumped(shelf, begun(shelf, day)) for day in (1, 2))
    (shelf.folder / "backups/demo" / damaged / "toc.dat").unlink()
    last = dumped(shelf, begun(shelf, 3))
    assert left(shelf) == sorted([whole, damaged, last])


@pytest.mark.parametrize("is_killed", [False, True], ids=["a file cannot be removed", "killed on the way"])
def test_a_dump_removed_in_part(is_killed: bool, shelf: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no good one any more, is not among what was removed, and is tried again next time."""
    old = dumped(shelf, begun(shelf, 1))
    last = dumped(shelf, begun(shelf, 2))

    def refuses(_folder: Path) -> None:
        raise KeyboardInterrupt if is_killed else PermissionError(13, "Permission denied")

    run = begun(shelf, 3)
    monkeypatch.setattr(shutil, "rmtree", refuses)
    with pytest.raises(KeyboardInterrupt) if is_killed else contextlib.nullcontext():
        dumped(shelf, run)
    with shelf.book("backup", folder=run) as book:
        assert {dump.folder.name: dump.is_good for dump in dumps.every(book)}[old] is False
        if not is_killed:
            pruned = dumps.prune(book, shelf.folder / "backups/demo" / run.run_id)
            assert (pruned.gone, pruned.left) == ([], {old: "Permission denied"})
            assert (pruned.check().outcome, pruned.check().why, pruned.check().next) == (
                Outcome.FAILED,
                f"{old} is removed in part: Permission denied",
                "Remove the rest by hand: it is no backup any more.",
            )
        monkeypatch.undo()
        assert dumps.prune(book, shelf.folder / "backups/demo" / last).gone == [old]
    assert not list((shelf.folder / "backups/demo").glob(f"{old}*"))


def test_dumps_of_another_database_neither_count_nor_go(shelf: Desk) -> None:
    """A target that led elsewhere for some nights does not lose the dumps of the database it is for."""
    mine = [dumped(shelf, begun(shelf, day)) for day in (1, 2)]
    other = [dumped(shelf, begun(shelf, day), database="staging") for day in (3, 4, 5)]
    assert left(shelf) == sorted([*mine, *other[1:]])
    last = dumped(shelf, begun(shelf, 6))
    assert left(shelf) == sorted([mine[1], *other[1:], last])


def _gone(folder: Path) -> None:
    (folder / "toc.dat").unlink()


def _changed(folder: Path) -> None:
    (folder / "toc.dat").write_text("CONTENTS", encoding="utf-8")


@pytest.mark.parametrize("damage", [_gone, _changed])
def test_a_dump_that_is_not_there_is_made_again(damage: Any, shelf: Desk) -> None:
    """A backup whose files are gone or changed is not current, until the change began; the gate says which."""
    run = begun(shelf, 1)
    folder = shelf.folder / "backups/demo" / dumped(shelf, run, "2126-11-20T01:00:00+00:00")
    task = tasks.Task(step="backup")
    assert tasks.is_current(run, shelf.target(), task)
    assert gate.damage(shelf.target(), run.receipt("backup")) == []
    damage(folder)
    assert not tasks.is_current(run, shelf.target(), task)
    assert gate.damage(shelf.target(), run.receipt("backup")) == ["gone or changed on disk: toc.dat"]
    run.write_receipt("before", {})
    assert tasks.is_current(run, shelf.target(), task)


def test_large_files_are_told_by_what_all_come_to(tmp_path: Path) -> None:
    """Where not all is read again, a size that is not what it was shows."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name} file", encoding="utf-8")
    receipt = {"sha256": {name: sha256(tmp_path / name) for name in ("a", "b")}, "size_bytes": 12}
    assert dumps.wrong(tmp_path, receipt, limit_bytes=6) == []
    (tmp_path / "b").write_text("b", encoding="utf-8")
    (tmp_path / "a").write_text("a file", encoding="utf-8")
    assert dumps.wrong(tmp_path, receipt, limit_bytes=6) == ["b"]
    (tmp_path / "b").write_text("b, longer", encoding="utf-8")
    assert dumps.wrong(tmp_path, receipt, limit_bytes=6) == ["one of the larger ones"]
