"""Driving a project: look at it, or apply revisions, in a child process with the project's own interpreter."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alembook import config, errors
from alembook.config.redaction import Redactor
from alembook.postgres import connection as connections
from alembook.postgres import session as sessions
from alembook.postgres.connection import Database
from alembook.postgres.session import Session
from alembook.project import description, faults, handover, ledger, location, state, watch
from alembook.project.conversation import Conversation, Event
from alembook.project.description import Description

__all__ = ["Description", "Guard", "Rendered", "describe", "render", "upgrade"]

OnEvent = Callable[[Event], None]

_TICK_S = 0.25
_NAME_LENGTH = 63
_UNTOUCHED = "unchanged: nothing was run."


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
    place = location.find(target)
    work = _Work(target, database, session, name=f"alembook {target.name} look", on_event=log)
    found: list[Description] = []
    limit_s = target.limits.check_timeout_s
    with work.begun(place, {"verb": "describe"}, {"default_transaction_read_only": "on"}) as events:
        for event in events:
            if event is None and work.seconds() > limit_s:
                raise work.too_slow(limit_s)
            if event is not None and event["event"] == "described":
                found.append(description.read(event, target, place))
    work.conclude(is_done=bool(found))
    return found[0]


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
    if not revisions:
        return {}
    work = _Work(target, database, session, name=f"alembook {target.name} look", on_event=log)
    found: dict[str, Rendered] = {}
    limit_s = target.limits.check_timeout_s
    request = {"verb": "sql", "revisions": list(revisions)}
    with work.begun(location.find(target), request, {"default_transaction_read_only": "on"}) as events:
        for event in events:
            if event is None and work.seconds() > limit_s:
                raise work.too_slow(limit_s)
            if event is not None and event["event"] == "rendered":
                found[event["revision"]] = Rendered(sql=event["sql"], error=event["error"] or "")
    work.conclude(is_done=work.has_finished)
    return found


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
            revision_committed, guard_failed, failed, output, finished; transaction: the server's id of each attempt.

    Raises:
        errors.UpgradeFailed: a revision failed; ``state`` says what is applied, by the version table.
        errors.ProjectFailed: the project could not be loaded or run.
        errors.WrongDatabase, errors.SessionLost: as ``describe``.
        errors.AccessRefused: the ledger cannot be made.
    """
    if not revisions:
        return
    place = location.find(target)
    if target.ledger:
        with contextlib.closing(connections.connect(database, application_name="alembook ledger")) as connection:
            ledger.prepare(connection, target.ledger)
    work = _Work(target, database, session, name=f"alembook {run_id} agent", on_event=on_event)
    request = {
        "verb": "upgrade",
        "revisions": list(revisions),
        "direction": direction,
        "guards": {revision: [asdict(guard) for guard in each] for revision, each in guards.items()},
        "limits": asdict(target.limits),
        "ledger": target.ledger,
        "run_id": run_id,
    }
    with work.begun(place, request, {}) as events:
        for event in events:
            if event is None:
                work.look_for_blockers()
    work.conclude(is_done=work.has_finished)


class _Work:
    """One agent's work: what it told, who blocked it, and what is left when it fails."""

    def __init__(
        self, target: config.Target, database: Database, session: Session, *, name: str, on_event: OnEvent
    ) -> None:
        self._target = target
        self._database = database
        self._session = session
        self._name = name[:_NAME_LENGTH]
        self._on_event = on_event
        self._watch = watch.Watch(database, self._name)
        self._started = time.monotonic()
        self._told: dict[str, Event] = {}
        self._revision: str | None = None
        self._attempts = 0
        self._blockers: dict[tuple[int, str], str] = {}
        self._exit_code = 0
        self._stderr = ""
        self.has_finished = False

    def seconds(self) -> float:
        """Returns the seconds since it began."""
        return time.monotonic() - self._started

    @contextlib.contextmanager
    def begun(
        self, place: location.Location, request: Mapping[str, Any], settings: Mapping[str, str]
    ) -> Iterator[Iterator[Event | None]]:
        """Yields the agent's events; afterwards it has ended, and nothing of it runs on the server."""
        clean = Redactor(self._database.password).clean
        whole = {**request, **self._request(place, settings)}
        with (
            handover.environment(self._target, self._database, application_name=self._name) as environment,
            self._watch,
            Conversation(
                self._target.python, whole, environment=environment, directory=place.directory, clean=clean
            ) as conversation,
        ):
            try:
                yield map(self._take, conversation.events(tick_s=self._tick_s()))
                self._exit_code = conversation.exit_code()
            finally:
                conversation.end()
                self._stderr = conversation.stderr()
                if not self.has_finished:
                    with contextlib.suppress(errors.Unreachable, errors.QueryFailed):
                        self._watch.end()

    def _request(self, place: location.Location, settings: Mapping[str, str]) -> dict[str, Any]:
        limits = self._target.limits
        own = {
            "lock_timeout": str(limits.lock_timeout_ms),
            "statement_timeout": str(limits.statement_timeout_ms),
            "idle_in_transaction_session_timeout": "0",
            "application_name": self._name,
        }
        return {
            "project": {
                "ini": str(place.ini) if place.ini else None,
                "toml": str(place.toml) if place.toml else None,
                "url": self._database.url(),
                "arguments": list(self._target.alembic_args),
                "flask_app": self._target.flask_app,
            },
            "session": asdict(self._session),
            "settings": {**own, **settings},
        }

    def _tick_s(self) -> float:
        """Returns how often to look for blockers: several times before a wait for a lock is given up."""
        limit_ms = self._target.limits.lock_timeout_ms
        return min(_TICK_S, limit_ms / 4000) if limit_ms else _TICK_S

    def _take(self, event: Event | None) -> Event | None:
        """Remembers what counts, and hands the event on."""
        if event is None:
            return None
        name = event["event"]
        if name in {"connected", "transaction", "failed", "wrong_database"}:
            self._told[name] = event
        if name == "failed" and self._revision:
            event = self._told[name] = {"revision": self._revision, "attempts": self._attempts, **event}
        if name == "revision_started":
            self._revision, self._attempts = event["revision"], event["attempt"]
        if name == "revision_committed":
            self._revision = None
            self._told.pop("transaction", None)
            self._blockers.clear()
        self.has_finished = self.has_finished or name in {"finished", "described"}
        if name not in {"described", "rendered"}:
            self._on_event(event)
        return event

    def look_for_blockers(self) -> None:
        """Tells who blocks the agent, each blocker once for a revision.

        Raises:
            errors.UpgradeFailed: the project blocks itself, which no waiting ends.
        """
        for blocker in self._watch.blockers():
            key = (blocker["pid"], blocker["since"])
            if key not in self._blockers:
                self._blockers[key] = watch.sentence(blocker)
                self._on_event({"event": "blocked", "revision": self._revision, **blocker})
            if blocker["is_own"] and blocker["state"].startswith("idle in transaction"):
                self._watch.end()
                raise self._blocks_itself()

    def _blocks_itself(self) -> errors.UpgradeFailed:
        return errors.UpgradeFailed(
            f"The revision {self._revision} waits for a lock that its own process holds.",
            why="it opened a second connection, and one of the two waits for the other.",
            next="Let the revision work on op.get_bind() alone.",
            state=self._left(),
            evidence={"blocked by": "\n".join(self._blockers.values())},
        )

    def too_slow(self, limit_s: int) -> errors.ProjectFailed:
        """Returns the error for a project that does not come to its end."""
        return errors.ProjectFailed(
            f"The project was not loaded within {limit_s} seconds.",
            why="env.py, or the application it loads, waits for something.",
            next="See what it waits for (a server, a lock, the network), or raise limits.check_timeout_s.",
            state=_UNTOUCHED,
        )

    def conclude(self, *, is_done: bool) -> None:
        """Does nothing when the agent did its work.

        Raises:
            errors.StepFailed: why it did not, and what is applied, asked on a new connection.
        """
        refused, failed = self._told.get("wrong_database"), self._told.get("failed")
        if refused is not None:
            self._require_session()
            raise faults.wrong_database(refused, self._target, self._database)
        if failed is not None:
            evidence = faults.evidence(failed, list(self._blockers.values()), self._stderr)
            raise faults.told(failed, state=self._left(), evidence=evidence)
        if not is_done:
            raise faults.died(self._exit_code, state=self._left(), revision=self._revision, stderr=self._stderr)

    def _require_session(self) -> None:
        """Tells a lost session from a wrong database: without its locks no database can be proven."""
        with contextlib.closing(connections.connect(self._database, application_name="alembook check")) as connection:
            if not sessions.holds(connection, self._session):
                gone = {"kind": "session_lost"}
                raise faults.told(gone, state=_UNTOUCHED, evidence={})

    def _left(self) -> str:
        """Returns what is applied, by the version table as a new connection sees it."""
        connected = self._told.get("connected")
        if connected is None:
            return _UNTOUCHED
        place = connected["version_table"], connected["version_table_schema"]
        try:
            with contextlib.closing(
                connections.connect(self._database, application_name="alembook check", read_only=True)
            ) as connection:
                rows = state.read(connection, *place) or ()
                part = self._committed_part(connection)
        except errors.AlembookError:
            return "not known: the server does not say. Run this again when it answers."
        return f"the database is at {', '.join(rows) or 'base'}, by its version table{part}."

    def _committed_part(self, connection: connections.Connection) -> str:
        """Returns what to add when a revision failed whose first transaction is committed, by the server's own word."""
        begun = self._told.get("transaction")
        if begun is None:
            return ""
        query = "SELECT pg_xact_status(%(transaction)s::xid8)"
        status = connections.scalar(connection, query, {"transaction": begun["transaction"]})
        return f"; a part of {begun['revision']} is committed" if status == "committed" else ""
