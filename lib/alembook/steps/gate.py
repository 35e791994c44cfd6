"""What must be true before a step changes the database: nobody is waited for, and a protected target has its way back.

The steps ask, not the runner alone: a notebook that papermill or a person runs obeys too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from alembook import archive, config, errors
from alembook.postgres import activity, identity
from alembook.postgres import connection as connections
from alembook.project.plan import Plan, Stage
from alembook.steps import before, dumps
from alembook.steps.runbook import Book, receipt_stem
from alembook.verdict import Check, Grade, Outcome

_LISTED = 5


def judge(book: Book) -> tuple[Check, ...]:
    """Returns what a protected target asks for before it is changed, each judged; nothing for another target or a copy.

    Raises:
        errors.Waiting: a stage before this one ends in a hold that nobody released.
        errors.ProtectedTarget: the target's name was not confirmed.
    """
    if book.is_rehearsal:
        return ()
    plan = book.plan()
    for stage in plan.stages[: book.stage - 1]:
        require_released(book.folder, plan, stage)
    if not book.target.protected:
        return ()
    require_confirmed(book.target, book.confirmed, book.folder.run_id)
    with connections.closing(book.connect()) as connection:
        server = identity.read(connection)
    emergency = book.folder.stated(archive.EMERGENCY)
    found = [*_backup(book, plan, server), *_rehearsal(book, plan, server.server_time)]
    return book.with_waivers([_in_emergency(check, emergency[-1]) if emergency else check for check in found])


def nothing_is_dumped(book: Book) -> Check:
    """Judges whether a dump goes on in the target now, ours or another's: no revision begins behind its locks."""
    with connections.closing(book.connect()) as connection:
        found = activity.dumps(connection)
    return Check(
        name="nothing dumps the database now",
        outcome=Outcome.FAILED if found else Outcome.PASSED,
        expected="no dump",
        found="; ".join(found) or "no dump",
        why="it keeps a lock on every table until it ends: an ALTER TABLE waits for it, and everybody else behind that."
        if found
        else "",
        next=f"Wait until it has ended, or end it; then `alembook run --run {book.folder.run_id}`." if found else "",
    )


def require_confirmed(target: config.Target, confirmed: str, run_id: str) -> None:
    """Does nothing when the target is not protected, or its name was typed.

    Raises:
        errors.ProtectedTarget: says what to type.
    """
    if not target.protected or confirmed == target.name:
        return
    raise errors.ProtectedTarget(
        f"{target.name} is protected, and its name was not confirmed.",
        why=f"--confirm says {confirmed!r}." if confirmed else "nothing may change it before somebody typed its name.",
        next=f"`alembook run --run {run_id} --confirm {target.name}`; a notebook takes it as its parameter `confirm`.",
    )


def require_released(folder: archive.RunFolder, plan: Plan, stage: Stage) -> None:
    """Does nothing when a stage ends in no hold, or people released it.

    Raises:
        errors.Waiting: says what is to be done, and how to go on.
    """
    if not stage.hold or stage.number in {each["stage"] for each in folder.stated(archive.RELEASE)}:
        return
    following = [revision for each in plan.stages[stage.number :] for revision in each.revisions]
    raise errors.Waiting(
        f"Run {folder.run_id} waits at the hold '{stage.hold}', after stage {stage.number} of {len(plan.stages)}.",
        why=f"the application must be ready for what follows: {', '.join(following) or 'the next backfills'}.",
        next=f"Do what the hold says ({stage.hold}). Then `alembook continue {folder.run_id} --confirm TEXT`, with a "
        f"text that says what was done, and `alembook run --run {folder.run_id}`.",
    )


def is_old(taken_at: str, now: datetime, limit: timedelta) -> bool:
    """Says whether an instant, ISO 8601, lies further back than a limit."""
    return now - _instant(taken_at) > limit


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _backup(book: Book, plan: Plan, server: identity.Identity) -> list[Check]:
    """Judges the run's backup: of this database, where the plan begins, proven, and young when the change begins."""
    receipt = book.folder.receipt(receipt_stem("backup"))
    wrong = [*_wrong_backup(receipt, plan, server), *damage(book.target, receipt)]
    limit = timedelta(minutes=book.target.backup.max_age_minutes)
    proven = Check(
        name="a backup of this database at this revision is proven",
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        expected=f"one of {server.database} at {', '.join(plan.start) or 'base'}, restored and compared",
        found="; ".join(wrong) or f"of {receipt['taken_at'] if receipt else ''}",
        next=_other_way_back(book) if wrong else "",
    )
    if receipt is None or before.is_taken(book):
        return [proven]
    old = is_old(receipt["taken_at"], server.server_time, limit)
    return [
        proven,
        Check(
            name=f"the backup is not older than {book.target.backup.max_age_minutes} minutes",
            outcome=Outcome.FAILED if old else Outcome.PASSED,
            expected=f"{book.target.backup.max_age_minutes} minutes or less, at the dump's snapshot",
            found=f"taken at {receipt['taken_at']}; it is {server.server_time:%Y-%m-%d %H:%M:%S%z}",
            next=f"`alembook run --run {book.folder.run_id} --only backup` makes a fresh one." if old else "",
        ),
    ]


def _other_way_back(book: Book) -> str:
    """Returns what to do where the backup is no way back; once the change began, no other one can be made."""
    if before.is_taken(book):
        return "Put the dump back from a copy of it: a rollback by restore needs it, and no other one can be made now."
    return f"`alembook run --run {book.folder.run_id} --only backup`."


def damage(target: config.Target, receipt: Mapping[str, Any] | None) -> list[str]:
    """Returns what is wrong with a backup's files on disk, in words; the largest are not read again."""
    if receipt is None or not receipt.get("folder"):
        return []
    wrong = dumps.wrong(target.folder / receipt["folder"], receipt, limit_bytes=dumps.QUICK_BYTES)
    more = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
    return [f"gone or changed on disk: {', '.join(wrong[:_LISTED])}{more}"] if wrong else []


def _wrong_backup(receipt: Mapping[str, Any] | None, plan: Plan, server: identity.Identity) -> list[str]:
    """Returns what is wrong with a backup as the way back, in words."""
    if receipt is None:
        return ["there is none in this run"]
    wrong = [] if receipt["outcome"] == Outcome.PASSED.value else [f"it is {receipt['outcome']}"]
    place = receipt.get("server", {})
    mine = server.fixed()
    other = [name for name in ("system_identifier", "database_oid") if place.get(name) != mine[name]]
    wrong += ["it is of another database"] if other else []
    rows = receipt.get("version_rows")
    if rows is not None and sorted(rows) != sorted(plan.start):
        wrong.append(f"it was taken at {', '.join(rows) or 'base'}")
    if receipt.get("proof", {}).get("outcome") != Outcome.PASSED.value:
        wrong.append("it was not proven by restoring it")
    return wrong


def _rehearsal(book: Book, plan: Plan, now: datetime) -> list[Check]:
    receipt = book.folder.receipt("rehearsal")
    days = book.target.rehearsal_max_age_days
    again = f"`alembook run --run {book.folder.run_id} --only rehearse`."
    wrong = ""
    if receipt is None:
        wrong = "there is no rehearsal in this run"
    elif receipt["outcome"] != Outcome.PASSED.value:
        wrong = f"the rehearsal is {receipt['outcome']}"
    elif receipt.get("plan_hash") != plan.hash:
        wrong = f"another plan was rehearsed: {str(receipt.get('plan_hash', ''))[:12]}"
    rehearsed = Check(
        name="this plan was rehearsed",
        outcome=Outcome.FAILED if wrong else Outcome.PASSED,
        expected=f"a rehearsal of plan {plan.hash[:12]} that PASSED",
        found=wrong or "PASSED",
        next=again if wrong else "",
    )
    if receipt is None or before.is_taken(book):
        return [rehearsed]
    old = is_old(receipt["ended_at"], now, timedelta(days=days))
    return [
        rehearsed,
        Check(
            name=f"the rehearsal is not older than {days} days",
            outcome=Outcome.FAILED if old else Outcome.PASSED,
            expected=f"{days} days or less",
            found=f"it ended at {receipt['ended_at']}",
            next=again if old else "",
        ),
    ]


def _in_emergency(check: Check, emergency: Mapping[str, Any]) -> Check:
    """Returns the check as an emergency lets it stand: ages and the rehearsal do not hold it up, the backup does."""
    if check.outcome is Outcome.PASSED or check.name.startswith("a backup"):
        return check
    why = f"emergency: {emergency['reason']} ({emergency['by']}, {emergency['at']})"
    return Check(
        name=check.name,
        grade=Grade.SHOULD,
        outcome=check.outcome,
        expected=check.expected,
        found=check.found,
        why=why,
        next="Rehearse it afterwards, and have the emergency looked at.",
    )
