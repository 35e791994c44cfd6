"""A desk whose run has its plan, and backups made there by the step itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alembook import archive
from alembook.postgres import scratch
from alembook.postgres.embedded import Server
from alembook.steps import backup, inspection, making
from alembook.steps.backup import Backup
from alembook.steps.making import Made
from alembook.verdict import Check, Outcome
from tests.steps.conftest import Desk

BESIDE = '[targets.demo.rehearsal]\nscratch = "file:database-url"\n'


def planned(desk: Desk, more: str = BESIDE, *, keys: str = "") -> Desk:
    """Begins a run, freezes its plan, and returns the desk.

    Args:
        desk: at the first revision.
        more: tables that are added to its alembook.toml.
        keys: keys that are added to the target's table.
    """
    file = desk.folder / "alembook.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('project = "project"\n', f'project = "project"\n{keys}') + more, encoding="utf-8")
    begun = archive.begin(desk.folder / "runs", "demo", to="head")
    with desk.book("inspect", folder=begun) as book:
        inspection.inspect(book, to="head")
    return desk


def made(desk: Desk, **options: Any) -> Backup:
    """Returns the receipt of a backup of the latest run."""
    with desk.book("backup") as book:
        return backup.make(book, **options)


def folder_of(desk: Desk, receipt: Backup) -> Path:
    """Returns where the dump of a receipt lies."""
    return desk.folder / str(receipt.facts["folder"])


def closed(receipt: Backup) -> dict[str, Check]:
    """Returns the must checks that are not PASSED, by name."""
    return {check.name: check for check in receipt.gate.closed_by}


def copies(desk: Desk) -> list[str]:
    """Returns the scratch databases of the desk's runs."""
    return [
        each.name
        for place in scratch.existing(desk.target())
        for each in scratch.find(place)
        if each.run_id in {run.run_id for run in archive.runs(desk.folder / "runs", "demo")}
    ]


@contextlib.contextmanager
def cleared(desk: Desk, server: Server) -> Iterator[Desk]:
    """Yields a desk and drops its scratch databases afterwards."""
    yield desk
    for place in scratch.existing(desk.target()):
        for each in scratch.find(place):
            if each.run_id in {run.run_id for run in archive.runs(desk.folder / "runs", "demo")}:
                scratch.drop(each)


def after_the_dump(monkeypatch: pytest.MonkeyPatch, damage: Callable[[Made], object]) -> None:
    """Lets something happen between the dump and its proof."""
    real = making.dump

    def damaged(*arguments: Any) -> Made:
        result = real(*arguments)
        damage(result)
        return result

    monkeypatch.setattr(making, "dump", damaged)


def is_green(receipt: Backup) -> bool:
    """Says whether a backup would let the run go on."""
    return receipt.gate.outcome is Outcome.PASSED
