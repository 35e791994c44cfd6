"""What people decide about a run: ``alembook continue`` releases a hold, ``alembook rollback`` takes it back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from alembook import config
from alembook.cli import options, run
from alembook.cli.terminal import console
from alembook.runner import rolling, words
from alembook.runner.progress import Progress


class Way(StrEnum):
    """The ways back, as the command line takes them."""

    DOWNGRADE = "downgrade"
    RESTORE = "restore"


def release(
    run_id: Annotated[str, typer.Argument(help="A run's id or a unique part of it.", metavar="RUN")],
    confirm: Annotated[str, typer.Option(help="What was done; it goes into the record.", metavar="TEXT")],
    config_file: options.Config = None,
) -> None:
    """Release the hold a run waits at: what it waited for is done. `alembook run --run RUN` then goes on."""
    folder, hold = words.release(config.load(config_file), run_id, confirm)
    console().print(f"run     {folder.run_id}: the hold '{hold}' is released.", markup=False)
    console().print(f"next    alembook run --run {folder.run_id}", markup=False)


def rollback(
    run_id: Annotated[str, typer.Argument(help="The run to take back: its id or a unique part.", metavar="RUN")],
    by: Annotated[Way, typer.Option(help="The way back.")],
    confirm: Annotated[str, typer.Option(help="The target's name, for a protected one.", metavar="NAME")] = "",
    accept_loss: Annotated[
        str, typer.Option(help="Tables that may lose what is named; * for any.", metavar="TABLES")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
    config_file: options.Config = None,
) -> int:
    """Take a run back, in a run of its own: by downgrade, or by restoring its backup beside the database and swapping.

    What is lost is named first; exit 7 until it is accepted. A rollback that was cut off goes on.
    """
    wanted = rolling.Wanted(run=run_id, way=by.value, confirm=confirm, accept_loss=accept_loss, dry_run=dry_run)
    return run.show(rolling.execute(config.load(config_file), wanted, Progress()))
