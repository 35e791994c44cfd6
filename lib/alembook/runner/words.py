"""What people say about a run: a confirmation, a waiver, an emergency, the release of a hold. Each is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembook import archive, config, errors
from alembook.runner.sitting import Asked
from alembook.runner.tasks import PREPARING, plan_of
from alembook.steps.runbook import STEPS
from alembook.verdict import Check, Outcome


def require_confirmed(target: config.Target, asked: Asked) -> None:
    """Does nothing when what is asked for changes nothing, or a protected target's name was typed.

    A protected target is changed by a run that was prepared: in a sitting of its own, unless it is an emergency.

    Raises:
        errors.ProtectedTarget: says what to type.
    """
    if asked.confirm and asked.confirm != target.name:
        raise errors.ProtectedTarget(
            f"--confirm {asked.confirm} is not the name of the target.",
            why=f"this would change {target.name}, and its name is what confirms that.",
            next=f"Type --confirm {target.name} if that is the database you mean.",
        )
    if not target.protected or asked.dry_run or asked.last in PREPARING:
        return
    if not asked.confirm:
        raise errors.ProtectedTarget(
            f"{target.name} is protected, and its name was not confirmed.",
            why="nothing may change it before somebody typed its name.",
            next=_both_sittings(target, asked.run or "RUN"),
        )
    if not asked.run and not asked.emergency:
        raise errors.ProtectedTarget(
            f"{target.name} is protected: its run is prepared first.",
            why="people look at the plan and at its rehearsal before anything is changed.",
            next=f"{_both_sittings(target, 'RUN')} Or give --emergency REASON.",
        )


def require_no_rollback(folder: archive.RunFolder) -> None:
    """Does nothing when a run may go on: it is no rollback, and was not rolled back.

    Raises:
        errors.UsageError: it is, or it was.
    """
    asked, stated = folder.request(), folder.stated(archive.ROLLED_BACK)
    if asked.get("rolls_back"):
        raise errors.UsageError(
            f"Run {folder.run_id} is a rollback.",
            why=f"it takes back run {asked['rolls_back']} by {asked['way']}.",
            next=f"`alembook rollback {asked['rolls_back']} --by {asked['way']}` goes on with it.",
        )
    if stated:
        raise errors.UsageError(
            f"Run {folder.run_id} was rolled back.",
            why=f"run {stated[-1]['rolled_back_by']} did it by {stated[-1]['way']}, at {stated[-1]['at']}.",
            next=f"Begin a new run: `alembook run -t {folder.target}`.",
        )


def _both_sittings(target: config.Target, run_id: str) -> str:
    return (
        f"Prepare: `alembook run -t {target.name} --through rehearse`. "
        f"In the window: `alembook run --run {run_id} --confirm {target.name}`."
    )


def record(folder: archive.RunFolder, asked: Asked) -> None:
    """Writes an emergency and the waivers into the run's record.

    Raises:
        errors.UsageError: a check of that name is not there, or is PASSED, or no reason was given.
    """
    for name in asked.waive:
        _require_waivable(folder, name)
    for name in asked.waive:
        folder.state(archive.WAIVER, check=name, reason=asked.reason)
    if asked.emergency:
        folder.state(archive.EMERGENCY, reason=asked.emergency)


def require_reasons(asked: Asked) -> None:
    """Does nothing when every waiver has its run and its reason.

    Raises:
        errors.UsageError: one has not.
    """
    if asked.waive and not asked.run:
        raise errors.UsageError(
            "--waive needs --run RUN.",
            why="a check is waived after somebody saw that it is not PASSED, and why.",
            next="Begin the run; when a gate is closed, waive the check it names in that run.",
        )
    if bool(asked.waive) != bool(asked.reason.strip()):
        raise errors.UsageError(
            "--waive CHECK and --reason TEXT go together.",
            why="a waiver says which check may stand as it is, and why; both go into the record.",
            next="Give both.",
        )


def _require_waivable(folder: archive.RunFolder, name: str) -> None:
    found = {check.name: check for check in _checks(folder)}
    standing = [check.name for check in found.values() if check.outcome is not Outcome.PASSED]
    if name in standing:
        return
    raise errors.UsageError(
        f"Run {folder.run_id} has no check {name!r} to waive." if name not in found else f"{name!r} is PASSED.",
        why=f"not PASSED are: {'; '.join(standing)}." if standing else "every check of the run is PASSED.",
        next="Name one of them, exactly as it is written.",
    )


def _checks(folder: archive.RunFolder) -> Iterator[Check]:
    """Yields the checks of the latest receipt of each step."""
    for _, stem in STEPS.values():
        stages = {path.name.split(".")[1] for path in folder.path.glob(f"{stem}.s*.json")}
        for name in [f"{stem}.{stage}" for stage in sorted(stages)] or [stem]:
            receipt: dict[str, Any] = folder.receipt(name) or {}
            yield from map(Check.from_json, receipt.get("checks", []))


def release(configuration: config.Configuration, run_id: str, text: str) -> tuple[archive.RunFolder, str]:
    """Releases the hold a run waits at; returns the run and the hold's name.

    Raises:
        errors.UnknownRun: there is no such run, or it was not inspected.
        errors.UsageError: it waits at no hold, has ended, or the text is empty.
        errors.ArchiveFailed: it cannot be recorded.
    """
    folder = archive.find(configuration.archive.path, run_id)
    if not text.strip():
        raise errors.UsageError(
            "--confirm needs a text.", why="it says what was done, and goes into the record.", next="Say what was done."
        )
    plan = plan_of(folder)
    released = {each["stage"] for each in folder.stated(archive.RELEASE)}
    held = [
        stage for stage in plan.stages if stage.hold and stage.number not in released and _is_reached(folder, stage)
    ]
    if not held or archive.is_ended(folder):
        raise errors.UsageError(
            f"Run {folder.run_id} waits at no hold.",
            why="it has ended." if archive.is_ended(folder) else _holds(plan, released),
            next=f"`alembook show {folder.run_id}` says where it stands.",
        )
    folder.state(archive.RELEASE, stage=held[0].number, hold=held[0].hold, text=text)
    return folder, str(held[0].hold)


def _is_reached(folder: archive.RunFolder, stage: Any) -> bool:
    """Says whether everything of a stage is done."""
    stems = [f"upgrade.s{stage.number}"] if stage.revisions else []
    stems += [f"backfill.s{stage.number}"] if stage.backfills else []
    receipts = [folder.receipt(stem) for stem in stems]
    return all(receipt is not None and receipt["outcome"] == Outcome.PASSED.value for receipt in receipts)


def _holds(plan: Any, released: set[int]) -> str:
    ahead = [f"'{stage.hold}' after stage {stage.number}" for stage in plan.stages if stage.hold]
    if not ahead:
        return "its plan has none."
    return f"its plan has {', '.join(ahead)}; {'none' if not released else len(released)} released, none is reached."
