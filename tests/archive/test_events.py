"""Events are on disk when ``write`` returns, and readable whatever became of their writer."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import time
from pathlib import Path

import pytest

from alembook import errors, process
from alembook.archive import events
from alembook.archive.events import Events
from tests.archive.test_atomic import FULL, limited, without_rights
from tests.test_frame import ROOT

WRITER = """
import sys, time
from pathlib import Path
from alembook.archive.events import Events
events = Events(Path(sys.argv[1]))
for number in range(3):
    events.write("batch", number=number)
events._stream.write('{"at": "2026", "event": "ba')
events._stream.flush()
Path(sys.argv[1]).with_name("ready").touch()
time.sleep(100)
"""


def names(path: Path) -> list[str]:
    """Returns the events of a file by name."""
    return [event["event"] for event in events.read(path)]


def test_an_event_is_one_line_with_its_time(tmp_path: Path) -> None:
    """Time in UTC, name, and the fields in their order; the folder is made."""
    path = tmp_path / "events/runner.jsonl"
    with Events(path) as writer:
        writer.write("step_started", step="inspect", seconds=0.5)
        found = list(events.read(path))
    assert [list(event) for event in found] == [["at", "event", "step", "seconds"]]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found[0]["at"])
    assert path.read_text(encoding="utf-8").count("\n") == 1


def test_events_are_appended(tmp_path: Path) -> None:
    """A later sitting goes on in the same file."""
    for sitting in ("first", "second"):
        with Events(tmp_path / "a.jsonl") as writer:
            writer.write(sitting)
        writer.close()
    assert names(tmp_path / "a.jsonl") == ["first", "second"]


@pytest.mark.parametrize("text", ["a\nb\r\nc", "\u2028\u2029\x85\x0b\x0c", "ö 漢 \x00", os.fsdecode(b"a\xff"), '"\\'])
def test_any_text_stays_on_its_line(tmp_path: Path, text: str) -> None:
    """Nothing that a statement or a message may hold breaks the file in two."""
    with Events(tmp_path / "a.jsonl") as writer:
        writer.write("statement", sql=text)
        writer.write("next")
    assert [event.get("sql") for event in events.read(tmp_path / "a.jsonl")] == [text, None]


def test_a_missing_file_has_no_events(tmp_path: Path) -> None:
    """A writer that never began has said nothing, and nobody writes."""
    assert names(tmp_path / "a.jsonl") == []
    assert not events.has_writer(tmp_path / "a.jsonl")


def test_a_killed_writer(tmp_path: Path) -> None:
    """While it lives it is seen; after SIGKILL its events are there, the line it was cut off in is left out."""
    path = tmp_path / "a.jsonl"
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT / "lib")}
    argv = [sys.executable, "-c", WRITER, str(path)]
    with process.start(argv, environment=environment, stdout=tmp_path / "log") as running:
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready").exists():
            assert running.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert events.has_writer(path)
        os.kill(running.pid, signal.SIGKILL)
        running.wait(10)
    assert not events.has_writer(path)
    assert [event["number"] for event in events.read(path)] == [0, 1, 2]


@pytest.mark.parametrize("cut", [b'{"event": "c', '{"event": "ö'.encode()[:-1], b"{", b'{"event": "c"}'])
def test_going_on_after_a_cut_line(tmp_path: Path, cut: bytes) -> None:
    """The cut line, in the middle of a character even, is dropped; what follows is whole."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"event": "a"}\n{"event": "b"}\n' + cut)
    assert names(path) == ["a", "b"]
    with Events(path) as writer:
        writer.write("d")
    assert names(path) == ["a", "b", "d"]


def test_a_file_that_only_began(tmp_path: Path) -> None:
    """A first line that was cut off leaves an empty file."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"event"')
    Events(path).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize("damage", [b"garbage\n", b"\xff\n"])
def test_a_damaged_file(tmp_path: Path, damage: bytes) -> None:
    """A whole line that is no JSON was not written by us."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"event": "a"}\n' + damage + b'{"event": "c"}\n')
    with pytest.raises(errors.ArchiveFailed) as caught:
        names(path)
    assert caught.value.exit_code == 5
    assert str(caught.value) == (
        "a.jsonl is damaged at line 2.\n"
        "  why:  it is not JSON; something other than Alembook wrote there.\n"
        "  next: Restore the file from a copy of the archive."
    )


def test_a_full_disk(tmp_path: Path) -> None:
    """The event is not on disk, and that is said at once, not when the file is closed."""
    path = tmp_path / "a.jsonl"
    path.symlink_to("/dev/full")
    writer = Events(path)
    with pytest.raises(errors.ArchiveFailed) as caught:
        writer.write("statement")
    assert caught.value.exit_code == 5
    assert str(caught.value) == FULL.format(folder=tmp_path, name="a.jsonl", cause="No space left on device")
    with pytest.raises(errors.ArchiveFailed):
        writer.close()
    writer.close()


def test_room_again_after_a_full_disk(tmp_path: Path) -> None:
    """The line that did not fit is cut; the next sitting goes on behind the last whole one."""
    path = tmp_path / "a.jsonl"
    writer = Events(path)
    writer.write("first")
    with limited(200):
        with pytest.raises(errors.ArchiveFailed):
            writer.write("second", sql="x" * 1000)
        with pytest.raises(errors.ArchiveFailed):
            writer.close()
    assert path.stat().st_size == 200
    assert names(path) == ["first"]
    with Events(path) as again:
        again.write("third")
    assert names(path) == ["first", "third"]


def test_rights_that_are_missing() -> None:
    """A folder that cannot be written is one of our errors."""
    with without_rights() as folder, pytest.raises(errors.ArchiveFailed) as caught:
        Events(folder / "a.jsonl")
    assert str(caught.value) == (
        f"The archive cannot be written: {folder}.\n"
        "  left: the record ends before this file.\n"
        "  why:  writing a.jsonl gave: Permission denied.\n"
        "  next: Correct archive.path in alembook.toml or the rights of that folder."
    )


def test_looking_needs_no_rights() -> None:
    """Who may only read the archive sees what is in it, and whether somebody writes."""
    with without_rights() as folder:
        assert stat.S_IMODE((folder / "kept").stat().st_mode) == 0o444
        assert not events.has_writer(folder / "kept")


def test_looking_takes_nothing_from_a_writer(tmp_path: Path) -> None:
    """Asked again and again, the answer stays, and the writer goes on."""
    path = tmp_path / "a.jsonl"
    with Events(path) as writer:
        assert [events.has_writer(path) for _ in range(3)] == [True, True, True]
        writer.write("a")
    assert not events.has_writer(path)
    assert names(path) == ["a"]
