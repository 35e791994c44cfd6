"""One agent at work for the driver: what it told, who blocked it, and what is left when it fails."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alembook import config, errors
from alembook.config.redaction import Redactor
from alembook.postgres import catalog
from alembook.postgres import connection as connections
from alembook.postgres import session as sessions
from alembook.postgres.connection import Database
from alembook.postgres.session import Session
from alembook.project import faults, handover, location, state, watch
from alembook.project.conversation import Conversation, Event
from alembook.project.part import Part

OnEvent = Callable[[Event], None]

_TICK_S = 0.25
_NAME_LENGTH = 63
_REFUSALS = ("wrong_database", "pooler")
_UNTOUCHED = "unchanged: nothing was run."


class Work:
    """One agent's work: what it told, who blocked it, and what is left when it fails.

    Args:
        target: with the project.
        database: the target's.
        session: the run's, held by somebody.
        name: of the agent's connections; cut to what PostgreSQL keeps of it.
        on_event: gets the events an operator may see.
        is_rehearsal: the database is a copy, and the project is told so.
    """

    def __init__(
        self,
        target: config.Target,
        database: Database,
        session: Session,
        *,
        name: str,
        on_event: OnEvent,
        is_rehearsal: bool = False,
    ) -> None:
        self._target = target
        self._database = database
        self._session = session
        self._name = name[:_NAME_LENGTH]
        self._on_event = on_event
        self._is_rehearsal = is_rehearsal
        self._watch = watch.Watch(database, self._name)
        self._started = time.monotonic()
        self._told: dict[str, Event] = {}
        self._revision: str | None = None
        self._attempts = 0
        self._blockers: dict[tuple[int, str], str] = {}
        self._part = Part(())
        self._exit_code = 0
        self._stderr = ""
        self.has_finished = False

    def note_invalid(self, invalid: Sequence[str]) -> None:
        """Takes the names of the indexes that were invalid before: they are not what a revision left."""
        self._part = Part(invalid)

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
        surroundings = handover.environment(
            self._target, self._database, application_name=self._name, is_rehearsal=self._is_rehearsal
        )
        with (
            surroundings as environment,
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
                "driver": self._database.driver,
                "bind": self._target.bind,
                "arguments": [handover.filled(argument, self._database) for argument in self._target.alembic_args],
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
        self._part.take(event)
        if name in {"connected", "transaction", "failed", *_REFUSALS}:
            self._told[name] = event
        if name in {"failed", *_REFUSALS} and self._revision:
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
        """Tells who blocks the agent, each blocker once for a revision; on a rehearsal also what it has locked.

        Seen from beside, that is all there is to know of a statement outside a transaction.

        Raises:
            errors.UpgradeFailed: the project blocks itself, which no waiting ends.
        """
        if self._is_rehearsal and (locks := self._watch.locks()):
            self._on_event({"event": "beside", "revision": self._revision, "locks": locks})
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
        if "pooler" in self._told:
            raise faults.pooler(self._told["pooler"], self._database, state=self._left())
        if refused is not None:
            self._require_session()
            raise faults.wrong_database(refused, self._target, self._database, state=self._left())
        if failed is not None:
            evidence = faults.evidence(failed, list(self._blockers.values()), self._stderr)
            raise self._whole(faults.told(failed, state=self._left(), evidence=evidence))
        if not is_done:
            end, stderr = self._exit_code, self._stderr
            raise self._whole(faults.died(end, state=self._left(), revision=self._revision, stderr=stderr))

    def _whole(self, error: errors.StepFailed) -> errors.StepFailed:
        """Returns an error with what is committed of the revision in progress."""
        return self._part.told(error, self._revision) if self._revision else error

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
                self._part.look(catalog.invalid_indexes(connection))
                part = "" if self._revision in rows else self._committed_part(connection)
        except errors.AlembookError:
            return "not known: the server does not say. Run this again when it answers."
        return f"the database is at {', '.join(rows) or 'base'}, by its version table{part}."

    def _committed_part(self, connection: connections.Connection) -> str:
        """Returns what to add when a revision failed and something of it is committed, by the server's own word."""
        begun = self._told.get("transaction")
        if begun is None:
            return ""
        query = "SELECT pg_xact_status(%(transaction)s::xid8)"
        status = connections.scalar(connection, query, {"transaction": begun["transaction"]})
        return f"; a part of {begun['revision']} is committed" if self._part.is_there(status) else ""
