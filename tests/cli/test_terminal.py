"""What the terminal shows, and the exit codes commands end with."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from alembook import __version__, cli, errors, process
from alembook.cli import terminal
from tests.test_frame import ROOT

RUN = "20261122T120301Z-4f2a9c"


def test_a_table_is_not_cut_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A row is a line, whatever COLUMNS says: what is piped is read by programs."""
    row = {"run": RUN, "target": "a-target-with-a-long-name", "outcome": "done", "page": "/" + "x" * 100}
    terminal.show_table([row], columns=list(row), empty="no runs")
    title, line, *rest = capsys.readouterr().out.splitlines()
    assert (line.split(), rest) == (list(row.values()), [])
    assert title.split() == list(row)


def test_a_terminal_has_its_own_width(tmp_path: Path) -> None:
    """At a terminal a table keeps to it, and verdicts have colour."""
    text = (
        "from alembook.cli import terminal\n"
        "terminal.show_table([{'a': 'x' * 50, 'b': 'FAILED'}], columns=['a', 'b'], empty='')"
    )
    main, side = pty.openpty()
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT / "lib"), "COLUMNS": "40", "TERM": "xterm"}
    with process.start([sys.executable, "-c", text], environment=environment, stdout=side, stderr=2) as running:
        os.close(side)
        assert running.wait(60) == 0
    seen = os.read(main, 65536).decode()
    os.close(main)
    assert "\x1b[1;31mFAILED\x1b[0m" in seen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 40


def test_values_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers have separators and stand to the right, yes and no are words, nothing is nothing, markup is text."""
    rows = [
        {"n": 1_234_567, "flag": True, "what": "[bold]x[/bold]", "none": None},
        {"n": 1, "flag": False, "what": "[/]", "none": 0.5},
    ]
    terminal.show_table(rows, columns=["n", "flag", "what", "none"], empty="")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "        n  flag  what            none",
        "1,234,567  yes   [bold]x[/bold]",
        "        1  no    [/]             0.5",
    ]


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a sentence."""
    terminal.show_table([], columns=["run"], empty="no runs yet")
    assert capsys.readouterr().out == "no runs yet\n"


def test_facts(capsys: pytest.CaptureFixture[str]) -> None:
    """A pair a line."""
    terminal.show_facts({"run": RUN, "exit_code": None, "pinned": False, "page": "/" + "x" * 150})
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["run", RUN],
        ["exit_code"],
        ["pinned", "no"],
        ["page", "/" + "x" * 150],
    ]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs: whole, unescaped letters, times and paths as text."""
    value = {"a": "ö" * 300, "at": datetime(2026, 11, 22, tzinfo=UTC), "path": Path("/x")}
    terminal.show_json(value)
    out = capsys.readouterr().out
    assert "ö" in out
    assert json.loads(out) == {"a": "ö" * 300, "at": "2026-11-22 00:00:00+00:00", "path": "/x"}


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """Returns a command line of the test's own in the place of ours."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    monkeypatch.setattr(cli, "app", app)
    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigurationError("It is wrong.", why="[red]so[/red]", next="x" * 300), 2),
        (errors.CheckFailed("It is wrong."), 3),
        (errors.CheckUnverified("It is wrong."), 4),
        (errors.StepFailed("It is wrong.", state="half", evidence={"it said": "a\nb"}), 5),
        (errors.TargetBusy("It is wrong."), 6),
        (errors.Waiting("It is wrong."), 7),
        (errors.Stopped("It is wrong.", exit_code=143), 143),
    ],
    ids=lambda value: str(value)[:20] if isinstance(value, int) else type(value).__name__,
)
def test_an_error_is_its_text_and_its_code(
    command: typer.Typer, capsys: pytest.CaptureFixture[str], error: errors.AlembookError, code: int
) -> None:
    """On stderr, line by line as it is written, never wrapped, never read as markup; nothing on stdout."""

    @command.command()
    def fail() -> None:
        raise error

    assert cli.execute([]) == code
    assert capsys.readouterr() == ("", f"{error}\n")


def test_a_fault_of_ours(command: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not of the tree ends with 1, and shows what to report."""

    @command.command()
    def fail() -> None:
        raise ZeroDivisionError("by [zero]")

    assert cli.execute([]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(
        "Alembook itself failed: ZeroDivisionError.\n"
        "  why:  this is a fault of the program, not of your project.\n"
        "  next: Report it with the lines below; `alembook show` says where a run under way stands.\n"
        "  traceback:\n"
        "    Traceback (most recent call last):\n"
    )
    assert shown.endswith("    ZeroDivisionError: by [zero]\n")


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (typer.Abort(), 130), (BrokenPipeError(), 0), (typer.Exit(3), 3)]
)
def test_other_ends(command: typer.Typer, capsys: pytest.CaptureFixture[str], error: BaseException, code: int) -> None:
    """Ctrl-C, a reader who has seen enough, a code of its own: no text."""

    @command.command()
    def stop() -> None:
        raise error

    assert cli.execute([]) == code
    assert capsys.readouterr() == ("", "")


def test_a_command_gives_its_code(command: typer.Typer) -> None:
    """What a command returns is the exit code; nothing is 0."""

    @command.command()
    def judge(code: int) -> int | None:
        return code or None

    assert [cli.execute([text]) for text in ("0", "4")] == [0, 4]
    with pytest.raises(SystemExit) as caught:
        cli.main(["4"])
    assert caught.value.code == 4


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["migrate"], "No such command 'migrate'."),
        (["runs", "--all"], "No such option: --all"),
        (["embedded", "status", "--major", "x"], "Invalid value for '--major': Input should be a valid integer"),
    ],
)
def test_a_command_that_is_not_one(capsys: pytest.CaptureFixture[str], arguments: list[str], what: str) -> None:
    """Usage is 2, and says what is wrong and where to look."""
    assert cli.execute(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(what)
    assert err.endswith("\n  next: `alembook --help` lists what there is.\n")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The package's own."""
    assert cli.execute(["--version"]) == 0
    assert capsys.readouterr().out == f"alembook {__version__}\n"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has a line, and the exit codes stand below."""
    assert cli.execute(["--help"]) == 0
    out = capsys.readouterr().out
    for verb in ("demo", "run", "runs", "show", "doctor", "lab", "embedded"):
        assert re.search(rf"^.{{0,4}}{verb} +\w", out, re.MULTILINE)
    assert "6 target busy" in " ".join(out.split())


def test_a_bare_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was asked: that is usage."""
    assert cli.execute([]) == 2
    assert "Usage: alembook" in capsys.readouterr().out
