"""``alembook run``: a whole run of a target, or what is left of one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from alembook import archive, config, errors
from alembook.cli import options
from alembook.cli.terminal import console, show_table
from alembook.runner import run as runs
from alembook.runner import tasks
from alembook.runner.progress import Progress
from alembook.runner.sitting import Asked, Result


class Step(StrEnum):
    """The steps by name, as the command line takes them."""

    INSPECT = "inspect"
    BACKUP = "backup"
    REHEARSE = "rehearse"
    UPGRADE = "upgrade"
    BACKFILL = "backfill"
    VERIFY = "verify"


def run(
    target: options.Target = "",
    to: Annotated[str, typer.Option(help="The revision to go to.", metavar="REV")] = "head",
    run_id: Annotated[str, typer.Option("--run", help="Go on with this run.", metavar="RUN")] = "",
    only: Annotated[Step | None, typer.Option(help="Run just this step.", metavar="STEP")] = None,
    first: Annotated[Step | None, typer.Option("--from", help="Begin at this step.", metavar="STEP")] = None,
    through: Annotated[Step | None, typer.Option(help="Stop after this step.", metavar="STEP")] = None,
    through_stage: Annotated[int, typer.Option(help="Stop after this stage.", min=0, metavar="N")] = 0,
    change_id: Annotated[str, typer.Option(help="The ticket this run belongs to.", metavar="ID")] = "",
    confirm: Annotated[str, typer.Option(help="The target's name, for a protected one.", metavar="NAME")] = "",
    waive: Annotated[list[str] | None, typer.Option(help="Let this check stand as it is.", metavar="CHECK")] = None,
    reason: Annotated[str, typer.Option(help="Why it may; it goes into the record.", metavar="TEXT")] = "",
    emergency: Annotated[str, typer.Option(help="Why there is no time to prepare; recorded.", metavar="REASON")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Inspect, and show what would be done.")] = False,
    config_file: options.Config = None,
) -> int:
    """Take a target to a revision: inspect, back up, rehearse, upgrade, backfill, verify.

    Stops at the first closed gate; --run goes on there.
    """
    if only and (first or through):
        raise errors.UsageError(
            "--only cannot be combined with --from or --through.",
            why="it names the one step to run.",
            next="Use --only STEP, or --from and --through.",
        )
    if (only or first) and (only or first) != "inspect" and not run_id:
        raise errors.UsageError(
            f"--{'only' if only else 'from'} {only or first} needs --run RUN.",
            why="a new run begins at inspect, which freezes its plan.",
            next="`alembook runs` lists the runs.",
        )
    configuration = config.load(config_file)
    asked = Asked(
        target=_target(configuration, target, run_id),
        to=to,
        run=run_id,
        first=str(only or first or ""),
        last=str(only or through or ""),
        through_stage=through_stage,
        dry_run=dry_run,
        change_id=change_id,
        confirm=confirm,
        waive=tuple(waive or ()),
        reason=reason,
        emergency=emergency,
    )
    return conduct(configuration, asked)


def _target(configuration: config.Configuration, target: str, run_id: str) -> str:
    """Returns the target's name: a run that is gone on with knows its own."""
    if target or not run_id:
        return configuration.target(target).name
    return archive.find(configuration.archive.path, run_id).target


def abandon(
    run_id: Annotated[str, typer.Argument(help="A run's id or a unique part of it.", metavar="RUN")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the record.", metavar="TEXT")],
    config_file: options.Config = None,
) -> None:
    """Give up a run that stopped, after looking where the database stands; the database stays as it is."""
    result = runs.abandon(config.load(config_file), run_id, reason)
    console().print(f"run     {result.folder.run_id} is given up.", markup=False)
    if result.put_right:
        console().print(f"left    {result.put_right}", markup=False, soft_wrap=True)
    console().print(f"state   {result.standing}", markup=False, soft_wrap=True)


def conduct(configuration: config.Configuration, asked: Asked) -> int:
    """Runs what was asked for, shows how it ended, returns the exit code."""
    return show(runs.execute(configuration, asked, Progress()), dry_run=asked.dry_run)


def show(result: Result, *, dry_run: bool = False) -> int:
    """Shows how a run ended, and returns the exit code. Raises what stopped it."""
    console().print()
    show_table(result.steps, columns=["notebook", "verdict", "seconds"], empty="no runbook was run")
    console().print(f"\nrun     {result.folder.run_id}", markup=False)
    console().print(f"state   {result.standing}", markup=False, soft_wrap=True)
    console().print(f"record  {result.folder.path}", markup=False, soft_wrap=True)
    console().print(f"anchor  {result.digest} (unsigned)", markup=False, soft_wrap=True)
    if dry_run and result.error is None:
        _show_list(result)
    if result.error:
        raise result.error
    return 0


def _show_list(result: Result) -> None:
    plan = tasks.plan_of(result.folder)
    receipt = result.folder.receipt("plan") or {}
    found = [{**each, "what": each["found"] or each["operation"]} for each in receipt["findings"]]
    console().print("\nFound in the pending revisions (the page says why, and the safe way):")
    show_table(found, columns=["grade", "revision", "rule", "table", "what", "lock"], empty="nothing")
    rows = [
        {"order": number, "runbook": task.name, "applies": ", ".join(tasks.content_of(plan, task))}
        for number, task in enumerate(tasks.planned(plan), start=1)
    ]
    console().print("\nWould run:")
    show_table(rows, columns=["order", "runbook", "applies"], empty="nothing: the database is where it was asked to be")
