"""The commands in the README of the reference project, run as they stand there."""

from __future__ import annotations

import re
import shlex
import sys

from tests.migrations.project import FOLDER, Project, program

PLACE = "postgresql://user@host/name"


def commands(block: int) -> list[str]:
    """Returns the lines of a block of commands."""
    blocks = re.findall(
        r"^```\n(.*?)^```$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line for line in blocks[block].splitlines() if line]


def run(project: Project, line: str) -> str:
    """Runs a line of the README and returns what it printed."""
    url = project.database.url().replace("+psycopg2", "")
    words = [word.replace(PLACE, url).replace("migrations/", f"{project.folder}/") for word in shlex.split(line)]
    variables = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    name, *arguments = words[len(variables) :]
    argv = {"alembic": [sys.executable, "-m", "alembic"], "python": [sys.executable]}[name]
    done = program(*argv, *arguments, **variables)
    assert done.returncode == 0, line + done.stderr
    return done.stdout + done.stderr


def test_alembic_commands(copied: Project) -> None:
    """Upgrade, autogenerate, check and --sql work as the README writes them."""
    printed = [run(copied, line) for line in commands(0)]
    assert [text for text in printed if "No changes in schema detected" in text] == [printed[1]]
    assert "No new upgrade operations detected." in printed[2]
    assert "CREATE TABLE provider_credentials" in printed[3]


def test_loading(copied: Project) -> None:
    """The loader is called as the README writes it, at a hundredth of the size."""
    upgrade, load = commands(1)
    run(copied, upgrade)
    printed = run(copied, load.replace("100000", "1000").replace("20000", "200"))
    assert re.search(r"^rows in all +2,643$", printed, re.MULTILINE)
