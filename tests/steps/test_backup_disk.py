"""A disk that is full in the middle of a dump, and in the middle of a restore."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from alembook.steps import dumps
from tests.runs.conftest import environment
from tests.steps.backups import planned
from tests.steps.conftest import Desk

MEGABYTE = 1024 * 1024
SCRIPT = """
import json, sys
from pathlib import Path
from alembook import archive, config, errors
from alembook.postgres import embedded, scratch
from alembook.steps import backup
from alembook.steps.runbook import Book
folder = Path(sys.argv[1])
target = config.load(folder / "alembook.toml").target("demo")
book = Book(step="backup", stage=0, target=target, folder=archive.runs(folder / "runs", "demo")[-1])
try:
    gate = backup.make(book).gate
    said = {"outcome": gate.outcome, "closed_by": [[check.name, check.why] for check in gate.closed_by]}
except errors.BackupFailed as error:
    left = [path.name for path in (folder / "backups/demo").iterdir()]
    said = {"outcome": "raised", "state": error.state, "text": str(error), "left": left}
print(json.dumps(said))
embedded.Server(scratch.folder(target), 18).stop()
"""
MOUNT = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && shift && exec "$@"'
LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""
Confined = Callable[[Path, int, int], Sequence[str]]


def small_files(_folder: Path, _disk_bytes: int, file_bytes: int) -> list[str]:
    """Returns what a command begins with to be refused a file beyond a size: the disk seems full there."""
    return [sys.executable, "-c", LIMIT, str(file_bytes)]


def small_disk(folder: Path, disk_bytes: int, file_bytes: int) -> list[str]:
    """Returns what a command begins with to have a small disk of its own in a folder.

    As root in a mount namespace, else in a user namespace too; where the machine allows neither, ``small_files``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["sh", "-c", MOUNT, str(disk_bytes), str(folder)]
    back = ["unshare", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
    for prefix in (["unshare", "--mount", *mount], ["unshare", "--user", "--map-root-user", "--mount", *mount, *back]):
        if os.geteuid() == 0 and "--user" in prefix:
            continue
        tried = subprocess.run([*prefix, "true"], check=False, capture_output=True)
        if tried.returncode == 0:
            return prefix
    return small_files(folder, disk_bytes, file_bytes)


def confined(desk: Desk, prefix: Sequence[str]) -> dict[str, Any]:
    """Makes a backup in a process that is confined, and returns what became of it."""
    command = [*prefix, sys.executable, "-c", SCRIPT, str(desk.folder)]
    done = subprocess.run(command, env=environment(), cwd=desk.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture
def large(desk: Desk) -> Desk:
    """Returns a desk with its plan and one table that gzip cannot make small."""
    desk.execute(
        "INSERT INTO heap SELECT n, string_agg(md5(n::text || m), '') "
        "FROM generate_series(1, 40000) AS n, generate_series(1, 20) AS m GROUP BY n"
    )
    return planned(desk, "")


@pytest.mark.parametrize("confine", [small_disk, small_files])
def test_a_disk_that_fills_during_the_dump(confine: Confined, large: Desk) -> None:
    """The dump fails with what pg_dump said; what it wrote is removed, and no good one is noted."""
    prefix = confine(large.folder / "backups", 2 * MEGABYTE, 2 * MEGABYTE)
    said = confined(large, prefix)
    assert (said["outcome"], said["left"]) == ("raised", [])
    assert said["state"] == "the unfinished dump was removed; the database is unchanged."
    assert "unshare" not in prefix or "No space left on device" in said["text"]
    assert large.run().receipt("backup") is None


@pytest.mark.parametrize("confine", [small_disk, small_files])
def test_a_disk_that_fills_during_the_restore(confine: Confined, large: Desk) -> None:
    """The backup is not proven, so the gate stays closed; the dump stays, and is not a good one."""
    said = confined(large, confine(large.folder / ".alembook/scratch", 60 * MEGABYTE, 20 * MEGABYTE))
    assert said["outcome"] in {"FAILED", "UNVERIFIED"}
    assert [name for name, _ in said["closed_by"]] == ["the backup was restored"]
    with large.book("backup") as book:
        assert [dump.is_good for dump in dumps.every(book)] == [False]
