"""Driving a project: look at it, or apply revisions, in a child process with the project's own interpreter."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from alembook import config, errors
from alembook.postgres import catalog
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.postgres.session import Session
from alembook.project import description, ledger, location
from alembook.project.conversation import Event
from alembook.project.description import Description
from alembook.project.work import OnEvent, Work

__all__ = ["Description", "Guard", "Models", "Part", "Rendered", "compare", "describe", "render", "upgrade"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What must not be found inside a revision's transaction, after its table was locked.

    Attributes:
        name: of the backfill that had to complete it.
        table: of the rows, "table" or "schema.table".
        pending: SQL condition of a row that is not complete.
    """

    name: str
    table: str
    pending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The SQL of a revision's upgrade.

    ``error`` says why it could not be written to its end; "" when it could.
    """

    sql: str
    error: str = ""


class Part(NamedTuple):
    """A part of the structure that only the models have, or only the database.

    Attributes:
        table: "orders" or "app.orders", as the models name it.
        kind: "table", "column", "index" or "constraint".
        name: of the part; "" for a table.
        side: "models" or "database": where it is.
    """

    table: str
    kind: str
    name: str
    side: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """How the project's models stand to the database, by Alembic's own comparison.

    Attributes:
        differences: a sentence each, sorted; () when they agree, or when it could not be judged.
        structural: those of them about a table, column, index, constraint or foreign key that is on one side only, in
            which Alembic does not err by nature: by their sentence.
        why: the reason it could not be judged; "" when it was.
    """

    differences: tuple[str, ...] = ()
    structural: Mapping[str, Part] = field(default_factory=dict)
    why: str = ""


def describe(target: config.Target, database: Database, session: Session, *, log: OnEvent) -> Description:
    """Returns the project's revisions and where its env.py leads. Nothing is created, in no database.

    Args:
        target: with the project.
        database: the target's.
        session: the run's, held by somebody.
        log: gets every event, the project's output included.

    Raises:
        errors.ConfigurationError: there is no project where the target says.
        errors.WrongDatabase: env.py connected elsewhere.
        errors.ProjectFailed: the project could not be loaded or run, or took longer than ``check_timeout_s``.
        errors.SessionLost: nobody holds the session any more.
    """
    found = [
        description.read(event, target, location.find(target))
        for event in _look(target, database, session, {"verb": "describe"}, log)
        if event["event"] == "described"
    ]
    return found[0]


def _look(
    target: config.Target, database: Database, session: Session, request: Mapping[str, Any], log: OnEvent
) -> list[Event]:
    """Returns what an agent told that only looks: every connection of the project is read-only."""
    told = []
    work = Work(target, database, session, name=f"alembook {target.name} look", on_event=log)
    limit_s = target.limits.check_timeout_s
    with work.begun(location.find(target), request, {"default_transaction_read_only": "on"}) as events:
        for event in events:
            if event is not None:
                told.append(event)
            elif work.seconds() > limit_s:
                raise work.too_slow(limit_s)
    work.conclude(is_done=work.has_finished)
    return told


def render(
    target: config.Target, database: Database, session: Session, *, revisions: Sequence[str], log: OnEvent
) -> dict[str, Rendered]:
    """Returns the SQL that revisions would send, by Alembic's offline mode; nothing is executed.

    Args:
        target: and the others, as ``describe``, which also raises the same.
        database: the target's.
        session: the run's.
        log: gets every event.
        revisions: ids of those whose source calls nothing but Alembic and SQLAlchemy: their ``upgrade`` is called.
    """
    request = {"verb": "sql", "revisions": list(revisions)}
    told = _look(target, database, session, request, log) if revisions else ()
    return {
        event["revision"]: Rendered(sql=event["sql"], error=event["error"] or "")
        for event in told
        if event["event"] == "rendered"
    }


def compare(
    target: config.Target, database: Database, session: Session, *, log: OnEvent, is_behind: bool = False
) -> Models:
    """Returns how the project's models differ from the database, as ``alembic check`` would: nothing is written.

    It can be judged only where every head is applied, env.py has a ``target_metadata`` and writes nothing of its own.

    Args:
        target: and the others, as ``describe``.
        database: the target's.
        session: the run's.
        log: gets every event.
        is_behind: compare also where revisions are not applied: what they will do counts as differences.

    Raises:
        errors.ConfigurationError, errors.WrongDatabase, errors.SessionLost: as ``describe``. A project that fails is
            an answer: ``why`` says how.
    """
    request = {"verb": "compare", "ledger": target.ledger, "is_behind": is_behind}
    try:
        told = _look(target, database, session, request, log)
    except errors.ProjectFailed as error:
        return Models(why=error.what.removesuffix("."))
    [found] = [event for event in told if event["event"] == "compared"]
    structural = {text: Part(*place) for text, *place in found["structural"]}
    return Models(differences=tuple(sorted(found["differences"])), structural=structural, why=found["why"])


def _closes_at(target: config.Target) -> float | None:
    """Returns when the open maintenance window closes, seconds since 1970; None when none is open, or none is set."""
    text = target.limits.window
    closes = config.Window.parse(text).closes_at(datetime.now(UTC)) if text else None
    return closes.timestamp() if closes else None


def upgrade(
    target: config.Target,
    database: Database,
    session: Session,
    *,
    revisions: Sequence[str],
    direction: str = "up",
    guards: Mapping[str, Sequence[Guard]],
    run_id: str,
    on_event: OnEvent,
    is_rehearsal: bool = False,
    rehearsed: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    invalid: Sequence[str] | None = None,
) -> None:
    """Applies revisions, or takes them back: exactly these in this order, each in a commit of its own.

    Args:
        target: with the project, its limits and its ledger.
        database: the target's.
        session: the run's, held by somebody.
        revisions: ids.
        direction: "up", or "down" to run their downgrades.
        guards: revision -> what must be complete before it.
        run_id: for the ledger, and the name of the agent's connections: "alembook RUN_ID agent".
        on_event: gets every event as it comes: connected, revision_started, statement, blocked, retry,
            part_committed, revision_committed, guard_failed, failed, output, finished; transaction: the server's id of
            each attempt.
        is_rehearsal: the database is a copy; the process sees ALEMBOOK_REHEARSAL=1, and tells what is locked and
            rewritten, with an event "rehearsed" for each revision.
        rehearsed: revision -> "sql" of its event "rehearsed", which it must keep to; one that is not in it is free.
        invalid: names of the indexes that were invalid before the run; None = those that are so now.

    Raises:
        errors.UpgradeFailed: a revision failed; ``state`` says what is applied, by the version table.
        errors.ProjectFailed: the project could not be loaded or run.
        errors.WrongDatabase, errors.SessionLost: as ``describe``.
        errors.AccessRefused: the ledger cannot be made.
    """
    if not revisions:
        return
    place, already = _prepared(target, database)
    work = Work(
        target, database, session, name=f"alembook {run_id} agent", on_event=on_event, is_rehearsal=is_rehearsal
    )
    work.note_invalid(already if invalid is None else invalid)
    order = {"revisions": list(revisions), "direction": direction, "run_id": run_id}
    _applied(work, place, {**order, **_conditions(target, guards, rehearsed, is_rehearsal=is_rehearsal)})


def _conditions(
    target: config.Target,
    guards: Mapping[str, Sequence[Guard]],
    rehearsed: Mapping[str, Sequence[Mapping[str, Any]]] | None,
    *,
    is_rehearsal: bool,
) -> dict[str, Any]:
    """Returns the part of a request that says how revisions are applied."""
    return {
        "verb": "upgrade",
        "guards": {revision: [asdict(guard) for guard in each] for revision, each in guards.items()},
        "limits": {**asdict(target.limits), "closes_at": None if is_rehearsal else _closes_at(target)},
        "ledger": target.ledger,
        "trace": is_rehearsal,
        "rehearsed": rehearsed or {},
    }


def _applied(work: Work, place: location.Location, request: Mapping[str, Any]) -> None:
    """Lets an agent apply what is asked for, and looks meanwhile who blocks it."""
    with work.begun(place, request, {}) as events:
        for event in events:
            if event is None:
                work.look_for_blockers()
    work.conclude(is_done=work.has_finished)


def _prepared(target: config.Target, database: Database) -> tuple[location.Location, list[str]]:
    """Returns where the project is, and which indexes are invalid, once the ledger its revisions write to is there."""
    place = location.find(target)
    with contextlib.closing(
        connections.connect(database, application_name="alembook ledger", may_write=True)
    ) as connection:
        if target.ledger:
            ledger.prepare(connection, target.ledger)
        return place, catalog.invalid_indexes(connection)
