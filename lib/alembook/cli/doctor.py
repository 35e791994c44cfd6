"""``alembook doctor``: what is missing, and how to get it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from alembook.cli import options
from alembook.cli.terminal import console, show_json, show_table
from alembook.runner import health
from alembook.verdict import Gate, sentence, worst_first

_Target = Annotated[str, typer.Option("--target", "-t", help="Look at this target too.", metavar="TARGET")]


def doctor(target: _Target = "", json: options.Json = False, config_file: options.Config = None) -> int:
    """Say what is missing on this machine, or for a target, and how to get it. Changes nothing."""
    checks = health.examine(config_file, target)
    if json:
        show_json([asdict(check) for check in checks])
    else:
        rows = [{**asdict(check), "outcome": check.outcome.value} for check in worst_first(checks)]
        show_table(rows, columns=["outcome", "grade", "name", "found"], empty="nothing was examined")
        for check in worst_first(checks):
            if check.next:
                console().print(f"\n{sentence(check)}\n  next: {check.next}", markup=False, soft_wrap=True)
    gate = Gate(checks=tuple(checks))
    return 0 if gate.is_open else 3
