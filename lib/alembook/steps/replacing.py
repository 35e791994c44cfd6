"""The way back by restore: a copy of the backup takes the place of the live database, which is kept under a dated name.

1. A copy is restored beside it and held against the backup.
2. What was written since is counted, and people accept that it is lost.
3. The copy gets what the live one has of its own: settings, rights, comment.
4. The live one is closed, its sessions end; what was written meanwhile is counted again.
5. Both are renamed in one transaction. Until then everything can be undone, and is when anything fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import obstacles, own, session, swap, writes
from alembook.postgres.connection import Connection, Database
from alembook.project import state
from alembook.snapshots import additions, pair
from alembook.steps import copying, losses, undone, whole
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book
from alembook.verdict import Check, Gate, Grade, Outcome

STEM = "swap"
_NAME = "SELECT datname FROM pg_database WHERE oid = %(oid)s"


@dataclass(slots=True, kw_only=True)
class Outcomes:
    """What a way back came to, gathered on its way.

    Attributes:
        checks: judged.
        lost: what is lost.
        kept: what was kept where, name -> text.
        left_out: what the copy lacks on purpose.
        ended: sessions that were ended in the live database, "pid 17 (api, app)".
        error: what stopped it, or whom it waits for.
        is_changed: the database was changed.
    """

    checks: list[Check] = field(default_factory=list)
    lost: list[losses.Loss] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    ended: list[str] = field(default_factory=list)
    spans: pd.DataFrame | None = None
    error: errors.AlembookError | None = None
    is_changed: bool = False

    @property
    def is_stopped(self) -> bool:
        """Says whether it goes no further."""
        return self.error is not None or not Gate(checks=tuple(self.checks)).is_open


def restore(book: Book, rolled: Rolled, *, accept: str) -> Outcomes:
    """Puts a copy of the run's backup in the place of the database; a failure is in what is returned.

    Args:
        book: of the rollback.
        rolled: the run that is taken back.
        accept: the tables whose loss was accepted.
    """
    done = Outcomes()
    told = book.folder.receipt(STEM)
    try:
        if told and _is_swapped(book, swap.Swap.from_json(told)):
            done.checks.append(_found_swapped(swap.Swap.from_json(told)))
            _after(book, rolled, swap.Swap.from_json(told), done)
        else:
            _replace(book, rolled, done, accept=accept)
    except errors.AlembookError as error:
        done.error = error
    return done


def _is_swapped(book: Book, wanted: swap.Swap) -> bool:
    with swap.elsewhere(book.database, wanted) as connection:
        return swap.standing(connection, wanted) is swap.Standing.SWAPPED


def _replace(book: Book, rolled: Rolled, done: Outcomes, *, accept: str) -> None:
    with connections.closing(book.connect()) as connection:
        name = str(connections.scalar(connection, "SELECT current_database()"))
        found = obstacles.read(connection, name)
        done.checks += [*obstacles.checks(found, grade=Grade.MUST), obstacles.room(connection, grade=Grade.MUST)]
    if done.is_stopped or found.elsewhere is None:
        return
    place = book.database.with_dbname(found.elsewhere)
    with connections.closing(
        connections.connect(place, application_name=book.application_name, may_write=True)
    ) as elsewhere:
        live = _own(elsewhere, name)
        copy = copying.copy(book, rolled, elsewhere, live)
        done.checks += copy.checks
        done.left_out = copy.left_out
        if done.is_stopped:
            copying.drop(book, elsewhere, copy.database.dbname)
            return
        done.kept["the copy"] = copy.database.dbname
        wrote = _writes(book)
        _lose(book, rolled, copy.database, done, accept=accept)
        if done.is_stopped:
            return
        _carry_over(elsewhere, live, copy.database.dbname, done)
        if done.is_stopped:
            return
        kept = swap.free_name(elsewhere, name, "failed", datetime.now(UTC))
        wanted = swap.Swap(
            live=name,
            live_oid=live.oid,
            restored=copy.database.dbname,
            restored_oid=copy.oid,
            kept=kept,
            elsewhere=found.elsewhere,
        )
        book.folder.write_receipt(STEM, wanted.to_json())
        _swap(book, rolled, elsewhere, wanted, done, wrote=wrote, accept=accept)
    if not done.is_stopped:
        _after(book, rolled, wanted, done)


def _own(elsewhere: Connection, name: str) -> own.Own:
    found = own.read(elsewhere, name)
    assert found is not None  # noqa: S101 - we are connected to it
    return found


def _writes(book: Book) -> writes.Look:
    with connections.closing(book.connect()) as connection:
        return writes.look(connection)


def _lose(book: Book, rolled: Rolled, copy: Database, done: Outcomes, *, accept: str) -> None:
    """Counts what was written since the backup, and asks whether people accept that it is lost."""

    def there() -> Connection:
        return connections.connect(copy, application_name=book.application_name, read_only=True)

    compared = pair.compare(book.connect, there, limit=losses.LIMIT)
    book.folder.write_table("compared", compared.tables)
    with connections.closing(book.connect()) as live, connections.closing(there()) as here:
        for connection in (live, here):  # large objects are read inside a transaction
            connections.execute(connection, "BEGIN")
        added = additions.read(live, here)
        done.lost = [*losses.between(book, rolled, compared, added), *losses.beside_tables(live, here)]
    done.lost += undone.by_others(book, rolled, whole.read(rolled.book, rolled.backup or {}))
    done.checks.append(losses.check(done.lost, accept))
    waits = f"The database {copy.dbname} is ready beside the live one; nothing was swapped."
    done.error = losses.waiting(book, rolled, done.lost, accept, state=waits)


def _carry_over(elsewhere: Connection, live: own.Own, copy: str, done: Outcomes) -> None:
    """Gives the copy what the live database has of its own; the live one is untouched by it."""
    why = ""
    try:
        own.carry_over(elsewhere, live, copy)
    except errors.QueryFailed as error:
        why = f"{error.what} {error.why}"
    differing = [] if why else live.differences(_own(elsewhere, copy))
    done.checks.append(
        Check(
            name="the copy has the settings, rights and comment of the live database",
            outcome=Outcome.FAILED if why or differing else Outcome.PASSED,
            expected=f"{len(live.settings)} settings, {len(live.rights)} rights",
            found="; ".join(differing) or ("not given" if why else "the same"),
            why=why,
            next="Have a role do it that may: an owner with CREATEROLE and ADMIN on these roles, or a superuser."
            if why or differing
            else "",
        )
    )


def _swap(
    book: Book,
    rolled: Rolled,
    elsewhere: Connection,
    wanted: swap.Swap,
    done: Outcomes,
    *,
    wrote: writes.Look,
    accept: str,
) -> None:
    """Closes the live database, looks whether it was written to since, and renames both; undone when anything fails."""
    later: list[losses.Loss] = []
    spare = book.connect()
    book.let_go()
    try:
        book.event("closing", **wanted.to_json())
        done.ended = swap.close(elsewhere, wanted, spare=spare.info.backend_pid)
        book.event("closed", ended=done.ended)
        later = losses.since(wrote, writes.look(spare), ours=book.target.ledger)
        spare.close()
        done.checks += obstacles.in_the_way(obstacles.read(elsewhere, wanted.live))
        if not (done.is_stopped or losses.open_ones(later, accept)):
            swap.exchange(elsewhere, wanted)
            done.is_changed = True
            book.event("swapped", **wanted.to_json())
    except errors.AlembookError as error:
        done.error = error
    finally:
        spare.close()
        found = swap.Standing.SWAPPED if done.is_changed else _undo(book, elsewhere, wanted)
    _late(book, rolled, later, done, accept=accept, state=swap.sentence(found, wanted))
    if not done.is_changed:
        _say(done, found, swap.sentence(found, wanted))


def _late(book: Book, rolled: Rolled, later: list[losses.Loss], done: Outcomes, *, accept: str, state: str) -> None:
    """Adds what was written between comparison and closing to what is lost, and asks for what nobody accepted yet."""
    if not later:
        return
    book.event("written_meanwhile", tables={each.table: each.written for each in later})
    done.error = done.error or losses.waiting(book, rolled, later, accept, state=state)
    done.lost = losses.joined(done.lost, later)
    done.checks = [check for check in done.checks if check.name != losses.ACCEPTED]
    done.checks.append(losses.check(done.lost, accept))


def _undo(book: Book, elsewhere: Connection, wanted: swap.Swap) -> swap.Standing | None:
    """Opens the live database again, also when the connection that closed it is gone; returns where the swap stands."""
    found = swap.opened(book.database, wanted, elsewhere)
    if found is swap.Standing.BEFORE:
        book.event("opened_again", database=wanted.live)
    elif found is None:
        book.event("left_closed", database=wanted.live)
    return found


def _say(done: Outcomes, found: swap.Standing | None, state: str) -> None:
    """Says in the error what the attempt left; one that only waits must not hide a database that is closed."""
    if found is None and not isinstance(done.error, errors.StepFailed):
        done.error = errors.RollbackFailed(
            "The swap was given up, and the database could not be opened again.",
            why=done.error.what if done.error else "a check FAILED, and then the server did not answer.",
            next="Open it as said above, or run the same rollback again.",
        )
    if isinstance(done.error, errors.StepFailed):
        done.error.state = state


def _after(book: Book, rolled: Rolled, wanted: swap.Swap, done: Outcomes) -> None:
    """Looks at the database that now has the live name, while no other run may begin."""
    done.is_changed = True
    done.kept.pop("the copy", None)
    done.kept["the dump"] = str((rolled.backup or {}).get("folder", ""))
    with connections.closing(book.connect()) as connection, ExitStack() as stack:
        if not session.holds(connection, book.session):  # the swap ended the session that held the run's locks
            name = f"alembook {book.folder.run_id} after"
            stack.enter_context(session.hold(book.database, application_name=name))
        rows = state.read(connection, rolled.plan.version_table, rolled.plan.version_table_schema)
        oid = connections.scalar(connection, "SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
        if name := connections.scalar(connection, _NAME, {"oid": wanted.live_oid}):
            done.kept["the failed database"] = name
            done.kept["dropped by"] = f"DROP DATABASE {swap.quoted(name)}, when nobody needs it any more"
    done.checks += [
        _is("the live name leads to the copy", oid == wanted.restored_oid, str(wanted.restored_oid), str(oid)),
        _is(
            "the database is where the run began",
            sorted(rows or ()) == sorted(rolled.plan.start),
            rolled.start,
            ", ".join(rows or ()) or "base",
        ),
    ]


def _found_swapped(wanted: swap.Swap) -> Check:
    return Check(
        name="both databases are renamed",
        outcome=Outcome.PASSED,
        expected=f"{wanted.live} is the copy, {wanted.kept} is kept",
        found="so it is: an earlier sitting was cut off after it",
    )


def _is(name: str, is_so: bool, expected: str, found: str) -> Check:
    outcome = Outcome.PASSED if is_so else Outcome.FAILED
    return Check(name=name, outcome=outcome, expected=expected, found=found)


def advice(left_out: Sequence[str]) -> list[dict[str, Any]]:
    """Returns what a restore leaves out on purpose, with what to do: kind, name, what to do."""
    rows = []
    for entry in left_out:
        kind = next((kind for kind in sorted(_ADVICE, key=len, reverse=True) if entry.startswith(kind)), "")
        rows.append(
            {"kind": kind, "name": entry[len(kind) :].strip(), "what to do": _ADVICE.get(kind, "Make it anew.")}
        )
    return rows


_ADVICE = {
    "SUBSCRIPTION": "CREATE SUBSCRIPTION anew, with a slot of its own: the old one's position is past the backup.",
    "PUBLICATION": "CREATE PUBLICATION anew; its readers begin again with a copy of the tables.",
    "EVENT TRIGGER": "CREATE EVENT TRIGGER anew, by a superuser.",
    "USER MAPPING": "CREATE USER MAPPING anew, with its password.",
}
