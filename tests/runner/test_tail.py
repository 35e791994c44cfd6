"""What an agent tells reaches the operator while the cell still runs."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from typing import Any

import pytest

from alembook.runner.tail import Tail, sentence

BLOCKED = {
    "event": "blocked",
    "revision": "3c",
    "pid": 7,
    "application": "nightly report",
    "user": "ann",
    "state": "idle in transaction",
    "since": "2026-11-25T12:00:00Z",
    "query": "SELECT count(*) FROM t WHERE name = ?",
}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            BLOCKED,
            "3c waits for pid 7 (nightly report, ann), idle in transaction since 2026-11-25T12:00:00Z: "
            "SELECT count(*) FROM t WHERE name = ?",
        ),
        (
            {"event": "retry", "revision": "3c", "sqlstate": "55P03", "wait_ms": 412},
            "3c was rolled back (55P03) and is tried again in 0.4 s",
        ),
        ({"event": "revision_started", "revision": "3c", "attempt": 1}, "3c begins"),
        ({"event": "revision_started", "revision": "3c", "attempt": 2}, ""),
        ({"event": "revision_committed", "revision": "3c", "seconds": 1.25}, "3c is committed, 1.2 s"),
        ({"event": "statement", "sql": "SELECT 1"}, ""),
    ],
)
def test_each_event_has_its_line(event: dict[str, Any], said: str) -> None:
    """Who is waited for, what is tried again, what begins and ends; nothing of the rest."""
    assert sentence(event) == said


def test_lines_are_shown_as_they_come(tmp_path: Path) -> None:
    """From where the file ended, whole lines only, and the last ones when the notebook is over."""
    path = tmp_path / "40_upgrade.s1.agent.jsonl"
    path.write_text(json.dumps({"event": "revision_started", "revision": "old", "attempt": 1}) + "\n")
    shown: queue.Queue[str] = queue.Queue()
    with Tail(path, shown.put, every_s=0.01), path.open("a", encoding="utf-8") as stream:
        line = json.dumps(BLOCKED) + "\n"
        stream.write(line[:20])
        stream.flush()
        stream.write(line[20:])
        stream.flush()
        assert shown.get(timeout=30).startswith("3c waits for pid 7")
        stream.write(json.dumps({"event": "revision_committed", "revision": "3c", "seconds": 1.0}) + "\n")
    assert shown.get(timeout=30) == "3c is committed, 1.0 s"
    assert shown.empty()


def test_a_file_that_never_comes_is_no_error(tmp_path: Path) -> None:
    """A notebook without an agent tells nothing."""
    shown: list[str] = []
    with Tail(tmp_path / "none.jsonl", shown.append, every_s=0.01):
        pass
    assert shown == []
