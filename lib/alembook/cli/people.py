"""``alembook continue``: people release a hold."""

from __future__ import annotations

from typing import Annotated

import typer

from alembook import config
from alembook.cli import options
from alembook.cli.terminal import console
from alembook.runner import words


def release(
    run_id: Annotated[str, typer.Argument(help="A run's id or a unique part of it.", metavar="RUN")],
    confirm: Annotated[str, typer.Option(help="What was done; it goes into the record.", metavar="TEXT")],
    config_file: options.Config = None,
) -> None:
    """Release the hold a run waits at: what it waited for is done. `alembook run --run RUN` then goes on."""
    folder, hold = words.release(config.load(config_file), run_id, confirm)
    console().print(f"run     {folder.run_id}: the hold '{hold}' is released.", markup=False)
    console().print(f"next    alembook run --run {folder.run_id}", markup=False)
