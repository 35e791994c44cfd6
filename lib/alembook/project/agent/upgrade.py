"""Applying revisions: exactly those asked for, in that order, each committed by itself."""

from __future__ import annotations

import functools
import gc
import json
import os
import random
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from alembic.runtime.migration import MigrationStep
from sqlalchemy import text

from .changes import Changes
from .context import facts, mode
from .door import Door, literal, raw, rows
from .environment import Environment, file_hash, tuple_of
from .failure import Caught, Failure, sqlstate
from .progress import Progress, require_applicable, require_transactional
from .tape import Tape
from .wire import Wire

#: lock_not_available, deadlock_detected, serialization_failure: the same revision may succeed in a moment.
RETRIED = ("55P03", "40P01", "40001")
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
_ENDING_S = 5.0
LEDGER = """INSERT INTO {schema}.applied
 (run_id, revision, down_revision, direction, applied_at, seconds, sha256, changes)
VALUES (:run_id, :revision, :down_revision, :direction, clock_timestamp(), CAST(:seconds AS double precision),
 :sha256, CAST(:changes AS jsonb))"""


class Upgrade:
    """Applies a list of revisions, or takes them back.

    One execution of env.py does for all of them, wherever env.py leaves transactions to Alembic. Where env.py opens its
    own, each revision gets an execution of its own, or nothing would be kept when a later one fails.

    Args:
        wire: where events go.
        door: already installed.
        tape: already installed.
        request: "revisions", "direction" ("up" or "down"), "guards", "limits", "ledger", "run_id".
    """

    def __init__(self, wire: Wire, door: Door, tape: Tape, request: Mapping[str, Any]) -> None:
        self._wire = wire
        self._door = door
        self._tape = tape
        self._request = request
        self._remaining: List[str] = list(request["revisions"])
        self._progress: Optional[Progress] = None
        self._returned: Optional[Progress] = None
        self._error: Optional[BaseException] = None
        self._runs = 0
        self._is_connected = False
        self._is_down = request["direction"] == "down"

    def run(self, environment: Environment) -> None:
        """Applies everything.

        Raises:
            Failure, or whatever a revision or env.py raised: what is committed stays committed.
        """
        while self._remaining:
            left = len(self._remaining)
            error = self._run_env(environment)
            if error is not None:
                self._wait_or_raise(error)
            elif left == len(self._remaining) and self._returned is None:
                raise Failure("unfinished", "env.py ended without running the revisions.")
            error = None
        self._wire.send("finished")

    def _run_env(self, environment: Environment) -> Optional[BaseException]:
        """Executes env.py once; returns what went wrong, also when env.py kept it to itself."""
        self._error = None
        self._runs = 0
        steps = functools.partial(self._steps, environment)
        with Caught() as caught:
            environment.run(steps, destination=self._remaining[-1], applied=self._applied)
        error = None if _is_good_end(caught.error) else caught.error
        if error is not None:
            self._returned = None  # env.py may have failed before it could commit
        return self._error or error

    def _steps(self, environment: Environment, heads: Sequence[str], context: Any) -> Iterator[Any]:
        """Takes Alembic's place in choosing revisions; runs before and after each one's transaction."""
        with self._noted():
            self._prepare(environment, heads, context)
        for revision in self._portion(context):
            with self._noted():
                self._require_time(revision)
            self._progress = self._next(revision)
            yield self._step(environment, context, self._progress)
            if context._in_external_transaction:
                self._returned = self._progress
            else:
                self._committed(self._progress)

    def _require_time(self, revision: str) -> None:
        closes_at = self._request["limits"]["closes_at"]
        if closes_at is not None and time.time() >= closes_at:
            raise Failure("window_closed", "The maintenance window closed.", revision=revision)

    def _portion(self, context: Any) -> List[str]:
        return self._remaining[:1] if context._in_external_transaction else list(self._remaining)

    def _prepare(self, environment: Environment, heads: Sequence[str], context: Any) -> None:
        self._runs += 1
        if self._runs > 1:
            raise Failure("many", "It did so more than once.", names=["now, and not when it was looked at"])
        self._connect(context)
        applied = environment.closure(heads)
        self._confirm(applied)
        self._settle(raw(context.connection))
        require_applicable(environment, applied, self._remaining, is_down=self._is_down)
        found = mode(context)
        if found == "autocommit":
            raise Failure("no_transactions", "The project's connection commits every statement by itself.")
        if found == "external":
            require_transactional(environment, self._remaining)
        self._door.open()

    def _connect(self, context: Any) -> None:
        """Tells once where the project connected, read from that very connection."""
        if not self._is_connected:
            self._is_connected = True
            self._wire.send("connected", pid=os.getpid(), **facts(context, self._door))

    def _confirm(self, applied: Any) -> None:
        """Believes env.py's own commit only when the next connection sees its version row."""
        done, self._returned = self._returned, None
        if done is None:
            return
        if (done.revision in applied) == self._is_down:
            raise Failure("rolled_back", "env.py rolled the revision back after it had run.", revision=done.revision)
        self._committed(done)

    def _settle(self, dbapi: Any) -> None:
        """Makes sure that nothing of a failed attempt was committed, by the server's own word.

        Raises:
            Failure: "partly_committed" or "still_open"; repeating the revision would not be the same revision.
        """
        failed = self._progress
        if failed is None or failed.transaction is None:
            return
        status = "in progress"
        until = time.monotonic() + _ENDING_S
        while status == "in progress" and time.monotonic() < until:
            found = rows(dbapi, "SELECT pg_xact_status({}::xid8)".format(literal(failed.transaction)))[0][0]
            status = str(found)
            time.sleep(0.05 if status == "in progress" else 0)
        if status == "committed":
            raise Failure("partly_committed", "A part of the failed attempt was committed.", revision=failed.revision)
        if status == "in progress":
            raise Failure("still_open", "The failed attempt's transaction is still open.", revision=failed.revision)

    def _next(self, revision: str) -> Progress:
        before = self._progress
        number = before.number + 1 if before is not None and before.revision == revision else 1
        return Progress(revision, number, self._tape.commits)

    def _step(self, environment: Environment, context: Any, progress: Progress) -> MigrationStep:
        script: Any = environment.script.get_revision(progress.revision)
        progress.sha256 = file_hash(script.path)
        progress.down = tuple_of(script.down_revision)
        make = MigrationStep.downgrade_from_script if self._is_down else MigrationStep.upgrade_from_script
        step = make(environment.script.revision_map, script)
        step.migration_fn = self._inside(step.migration_fn, context, progress)
        return step

    def _inside(self, function: Callable[..., Any], context: Any, progress: Progress) -> Callable[..., Any]:
        """Returns a revision's function with what has to happen first in its own transaction."""

        @functools.wraps(function)
        def inside(**named: Any) -> Any:
            with self._noted():
                self._wire.send("revision_started", revision=progress.revision, attempt=progress.number)
                self._tape.begin(progress.revision, context.connection, context.version_table)
                dbapi = raw(context.connection)
                limit = int(self._request["limits"]["lock_timeout_ms"])
                progress.transaction = self._door.enter(dbapi, lock_timeout_ms=limit)
                self._wire.send("transaction", revision=progress.revision, transaction=progress.transaction)
                for guard in self._request["guards"].get(progress.revision, ()):
                    self._guard(context, dbapi, progress.revision, guard)
                self._tape.guarded(context.connection)
                progress.changing = Changes(dbapi)
                return function(**named)

        return inside

    def _guard(self, context: Any, dbapi: Any, revision: str, guard: Mapping[str, str]) -> None:
        """Looks for rows a backfill left, when nobody can write new ones any more."""
        quote = context.connection.dialect.identifier_preparer.quote_identifier
        table = ".".join(quote(part) for part in guard["table"].split("."))
        rows(dbapi, "LOCK TABLE {} IN ACCESS EXCLUSIVE MODE".format(table))
        if rows(dbapi, "SELECT 1 FROM {} WHERE {} LIMIT 1".format(table, guard["pending"])):  # noqa: S608
            self._wire.send("guard_failed", revision=revision, name=guard["name"], table=guard["table"])
            raise Failure("guard", "Rows are left that a backfill had to complete.", revision=revision, **guard)

    def _applied(self, **named: Any) -> None:
        """Writes the ledger's row in the revision's own transaction: both are there, or neither."""
        progress = self._progress
        if progress is None:
            return
        with self._noted():
            connection = named["ctx"].connection
            self._tape.finish(connection)
            if progress.changing is not None:
                progress.counted = progress.changing.counted(raw(connection), self._tape.heard)
            if self._request["ledger"]:
                self._record(connection, progress)

    def _record(self, connection: Any, progress: Progress) -> None:
        quoted = connection.dialect.identifier_preparer.quote_identifier(self._request["ledger"])
        values = {
            "run_id": self._request["run_id"],
            "revision": progress.revision,
            "down_revision": ", ".join(progress.down),
            "direction": self._request["direction"],
            "seconds": progress.seconds(),
            "sha256": progress.sha256,
            "changes": None if progress.counted.changes is None else json.dumps(progress.counted.changes),
        }
        statement = text(LEDGER.format(schema=quoted))
        self._tape.unheard(lambda: connection.execute(statement, values))

    def _committed(self, progress: Progress) -> None:
        self._tape.end()
        self._progress = None
        self._remaining.remove(progress.revision)
        fields = {"revision": progress.revision, "seconds": progress.seconds()}
        self._wire.send("revision_committed", **dict(fields, **progress.counted._asdict()))

    def _noted(self) -> _Noted:
        return _Noted(self)

    def note(self, error: Optional[BaseException]) -> None:
        """Keeps an error that env.py may swallow on its way out."""
        self._error = self._error or error

    def _wait_or_raise(self, error: BaseException) -> None:
        """Returns after a wait when the revision may be tried again.

        Raises:
            BaseException: the error itself, when it may not.
        """
        self._tape.end()
        progress = self._progress
        if progress is None or not self._may_try_again(error, progress):
            raise error
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (progress.number - 1))
        wait = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads attempts, keeps no secret
        fields: Dict[str, Any] = {"revision": progress.revision, "attempt": progress.number}
        self._wire.send("retry", sqlstate=sqlstate(error), wait_ms=round(wait * 1000), **fields)
        error.__traceback__ = None  # its frames keep the failed attempt's connection alive
        self._error = None
        gc.collect()
        time.sleep(wait)

    def _may_try_again(self, error: BaseException, progress: Progress) -> bool:
        return (
            sqlstate(error) in RETRIED
            and progress.transaction is not None
            and progress.commits == self._tape.commits
            and progress.number < int(self._request["limits"]["lock_attempts"])
        )


def _is_good_end(error: Optional[BaseException]) -> bool:
    """Says whether env.py ended as a script may that has done its work: ``sys.exit(0)``."""
    return isinstance(error, SystemExit) and error.code in (None, 0)


class _Noted:
    """Lets an error pass, and has the upgrade keep it."""

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade

    def __enter__(self) -> None:
        """Does nothing."""

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        """Keeps the error, if there is one."""
        self._upgrade.note(error)
