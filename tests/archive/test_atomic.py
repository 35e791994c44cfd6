"""Files are there whole or not at all: disk full, rights missing, killed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alembook import errors
from alembook.archive import atomic
from tests.test_process import IS_ROOT, NOBODY


@contextlib.contextmanager
def limited(size_bytes: int) -> Iterator[None]:
    """Lets no file of this process grow beyond a size: writing then gives EFBIG, as a full disk gives ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def without_rights() -> Iterator[Path]:
    """Yields a folder with the file ``kept``, where the process may not write for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix="alembook-rights-"))
    (folder / "kept").write_text("before", encoding="utf-8")
    (folder / "kept").chmod(0o444)
    folder.chmod(0o555)
    try:
        if IS_ROOT:  # whom no mode stops
            os.seteuid(NOBODY)
        yield folder
    finally:
        if IS_ROOT:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    """Folders are made, text is UTF-8, what was there before is replaced, and nothing else is left."""
    path = tmp_path / "runs/demo/receipt.json"
    assert atomic.write_text(path, "first") == path
    atomic.write_text(path, "grün")
    assert path.read_bytes() == "grün".encode()
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_what_the_umask_allows(tmp_path: Path) -> None:
    """A receipt is as readable as a file the user makes himself: auditors read it."""
    (tmp_path / "own").touch()
    atomic.write_text(tmp_path / "ours", "x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "own").stat().st_mode)


def test_json_keeps_its_order(tmp_path: Path) -> None:
    """Keys as given, times as text, letters as they are."""
    path = atomic.write_json(tmp_path / "a.json", {"b": "ö", "a": datetime(2026, 11, 22, tzinfo=UTC)})
    assert path.read_text(encoding="utf-8") == '{\n  "b": "ö",\n  "a": "2026-11-22 00:00:00+00:00"\n}\n'


def test_half_a_character_is_written(tmp_path: Path) -> None:
    """A file's name that is no UTF-8 stops no record, and is JSON."""
    path = atomic.write_json(tmp_path / "a.json", {"file": os.fsdecode(b"a\xff")})
    assert json.loads(path.read_text(encoding="utf-8")) == {"file": "a\udcff"}


FULL = (
    "The archive cannot be written: the disk of {folder} is full.\n"
    "  left: the record ends before this file; the database is as the last event says.\n"
    "  why:  writing {name} gave: {cause}.\n"
    "  next: Free space, then go on with `alembook run --run RUN`; what was recorded is intact."
)


@pytest.mark.parametrize("before", [None, "before"])
def test_a_full_disk_leaves_no_part_of_a_file(tmp_path: Path, before: str | None) -> None:
    """What was there before stays as it was; there is no half file and no temporary one."""
    path = tmp_path / "receipt.json"
    if before:
        path.write_text(before, encoding="utf-8")
    with pytest.raises(errors.ArchiveFailed) as caught, limited(1000):
        atomic.write_text(path, "x" * 100_000)
    assert caught.value.exit_code == 5
    assert str(caught.value) == FULL.format(folder=tmp_path, name="receipt.json", cause="File too large")
    assert {entry.name: entry.read_text(encoding="utf-8") for entry in tmp_path.iterdir()} == (
        {"receipt.json": before} if before else {}
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_or_quota_that_is_full(number: int) -> None:
    """Both are one thing for who must make room."""
    found = atomic.failed(Path("/runs/demo/a.json"), OSError(number, os.strerror(number)))
    assert str(found) == FULL.format(folder="/runs/demo", name="a.json", cause=os.strerror(number))


def test_rights_that_are_missing() -> None:
    """The folder is named; the file that was there is as it was."""
    with without_rights() as folder:
        with pytest.raises(errors.ArchiveFailed) as caught:
            atomic.write_text(folder / "kept", "after")
        found = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir()}
    assert caught.value.exit_code == 5
    assert found == {"kept": "before"}
    assert str(caught.value) == (
        f"The archive cannot be written: {folder}.\n"
        "  left: the record ends before this file.\n"
        "  why:  writing kept gave: Permission denied.\n"
        "  next: Correct archive.path in alembook.toml or the rights of that folder."
    )


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """An archive.path that is a file is one of our errors."""
    (tmp_path / "runs").touch()
    with pytest.raises(errors.ArchiveFailed) as caught:
        atomic.write_text(tmp_path / "runs/demo/a.json", "x")
    assert caught.value.why == "writing a.json gave: Not a directory."


class Interrupted:
    """A value that is interrupted while it is written."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


def test_an_interruption_leaves_no_part(tmp_path: Path) -> None:
    """Ctrl-C while writing, and nothing is there."""
    with pytest.raises(KeyboardInterrupt):
        atomic.write_json(tmp_path / "a.json", {"a": Interrupted()})
    assert list(tmp_path.iterdir()) == []
