"""How a run shows how far it is."""

from __future__ import annotations

import io
import re
import time

from rich.console import Console

from alembook.runner.progress import Progress


def shown(*, is_terminal: bool, heartbeat_s: float = 10.0, wait_s: float = 0.0) -> str:
    """Returns what is shown of a run of two notebooks."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=100, _environ={"TERM": "xterm"}, color_system=None)
    with Progress(console, heartbeat_s=heartbeat_s) as progress:
        progress.notebook_started("10_inspect")
        progress.cell(3, 9, "Look [bold]here[/bold]")
        time.sleep(wait_s)
        progress.notebook_ended("10_inspect", "PASSED", 0.5)
        progress.notebook_started("60_verify")
        progress.cell(1, 9, "Where am I")
        progress.notebook_ended("60_verify", "FAILED", 83.4)
    return stream.getvalue()


def test_away_from_a_terminal_every_line_has_its_time() -> None:
    """Start and end of each notebook, one line each, nothing else."""
    lines = shown(is_terminal=False).splitlines()
    assert [re.sub(r"^\d\d:\d\d:\d\dZ  ", "", line) for line in lines] == [
        "10_inspect  started",
        "10_inspect  PASSED  0.5 s",
        "60_verify  started",
        "60_verify  FAILED  1 min 23 s",
    ]


def test_away_from_a_terminal_a_long_notebook_says_it_goes_on() -> None:
    """A heartbeat names the cell, its heading as it is written, and the time so far."""
    beats = [line for line in shown(is_terminal=False, heartbeat_s=0.1, wait_s=0.35).splitlines() if "cell" in line]
    assert 2 <= len(beats) <= 4
    assert re.fullmatch(r"\d\d:\d\d:\d\dZ  10_inspect  cell 3/9 Look \[bold\]here\[/bold\], 0\.\d s", beats[0])


def test_at_a_terminal_each_notebook_has_one_line() -> None:
    """What stays at the end is a line per notebook with its verdict."""
    text = shown(is_terminal=True)
    rest = text[text.rindex("10_inspect") :]
    assert re.search(r"10_inspect\s+3/9\s+0\.5 s\s+PASSED", rest)
    assert re.search(r"60_verify\s+1/9\s+1 min 23 s\s+FAILED", rest)


def test_an_end_without_a_start_is_shown_too() -> None:
    """A notebook that could not begin still has its line."""
    stream = io.StringIO()
    with Progress(Console(file=stream, force_terminal=False)) as progress:
        progress.cell(1, 2, "nothing yet")
        progress.notebook_ended("40_upgrade.s1", "STOPPED", 2.0)
    assert stream.getvalue().endswith("40_upgrade.s1  STOPPED  2.0 s\n")


def test_what_happens_in_a_cell_is_said() -> None:
    """A note is a line of its own away from a terminal, and stands in the notebook's line at one."""
    for is_terminal in (False, True):
        stream = io.StringIO()
        console = Console(
            file=stream, force_terminal=is_terminal, width=100, _environ={"TERM": "xterm"}, color_system=None
        )
        with Progress(console) as progress:
            progress.notebook_started("40_upgrade.s1")
            progress.cell(4, 9, "Upgrade")
            progress.note("3c waits for pid 7 (report, ann), idle in transaction since 12:00: SELECT ?")
        assert "3c waits for pid 7 (report, ann), idle in transaction" in stream.getvalue()
