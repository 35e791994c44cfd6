"""What went wrong with a project, told as errors of the tree: the text says what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alembook import config, errors
from alembook.postgres.connection import Database

_STATEMENT_LENGTH = 1500
_NO_LOCK = "55P03"
#: What Alembic or SQLAlchemy says of an address or a folder that does not fit the project -> kind.
_BY_TEXT = {
    "asyncio extension requires an async driver": "not_async",
    "greenlet_spawn has not been called": "async",
    "Can't load plugin: sqlalchemy.dialects:": "no_address",
    "Could not parse SQLAlchemy URL": "no_address",
    "Could not parse rfc1738 URL": "no_address",
    "Path doesn't exist": "folder",
}

#: kind -> what, why, next. Names in braces are fields of the event.
_TEXTS: Mapping[str, tuple[str, str, str]] = {
    "statement": (
        "The revision {revision} failed: {message}.",
        "the server refused a statement (SQLSTATE {sqlstate}).",
        "Correct the cause in the data and go on with this run; after a change to a file begin a new one.",
    ),
    "lock": (
        "The revision {revision} did not get its locks in {attempts} attempts.",
        "each was given up after lock_timeout, so that nobody waits behind it for long (SQLSTATE {sqlstate}).",
        "Wait for the blocker, or end it; then go on with this run. Do not raise lock_timeout: others wait that long.",
    ),
    "guard": (
        "The revision {revision} was not applied: rows are left that the backfill {name} had to complete.",
        "in its own transaction, with {table} locked, the backfill's `pending` still found a row.",
        "Something still writes such rows: deploy the application that no longer does, run the backfill again, go on.",
    ),
    "window_closed": (
        "The maintenance window closed before the revision {revision}.",
        "limits.window of the target says when revisions may be applied; those before it are committed.",
        "Go on with this run when it opens again.",
    ),
    "unrehearsed": (
        "The revision {revision} was not applied: it sends SQL that was not rehearsed.",
        "{difference}. It was stopped before that statement: a module it imports, a setting or the data has changed.",
        "See what changed. If it is meant, rehearse again (`--only rehearse`), then go on with this run.",
    ),
    "unsent": (
        "The revision {revision} was not applied: it left out SQL that was rehearsed.",
        "{difference}. It was stopped before its commit: a module it imports, a setting or the data has changed.",
        "See what changed. If it is meant, rehearse again (`--only rehearse`), then go on with this run.",
    ),
    "session_lost": (
        "The session that holds the run's locks is gone, so nothing more was applied.",
        "without it another run could begin (server restart, failover, network, or somebody ended the backend).",
        "Go on with this run: it takes the locks again and applies what is left.",
    ),
    "rolled_back": (
        "The revision {revision} ran and is not in the database.",
        "env.py handed Alembic a connection already in a transaction and never committed it.",
        "Let env.py commit before context.configure(), or wrap its work in `with connection.begin():`.",
    ),
    "partly_committed": (
        "The revision {revision} failed, and a part of it is committed.",
        "it leaves its transaction (autocommit_block or COMMIT), so it cannot be repeated as a whole.",
        "Compare the database with the revision's file, undo or finish that part by hand, then go on.",
    ),
    "still_open": (
        "The revision {revision} failed, and its transaction is still open.",
        "the project keeps the connection of the failed attempt.",
        "Go on with this run: a new process starts with new connections.",
    ),
    "not_applicable": (
        "The revisions cannot be applied as planned: {message}",
        "the database is not where the plan begins.",
        "Begin a new run, which plans anew.",
    ),
    "autocommit": (
        "The project's env.py opens a transaction around all revisions, and {revisions} must leave it.",
        "Alembic's autocommit_block needs a transaction of Alembic's own.",
        "Remove connection.begin() (or any statement) before context.configure() in env.py.",
    ),
    "no_transactions": (
        "The project's connection commits every statement by itself.",
        "its engine is made with isolation_level=AUTOCOMMIT, so a revision that fails would stay half applied.",
        "Use a plain engine in env.py; single statements can leave the transaction with autocommit_block.",
    ),
    "many": (
        "The project's env.py runs migrations more than once: {names}.",
        "it loops over several databases or schemas; a run is about one of them.",
        'Make one target for each: bind = "NAME" chooses one that has a name; else `alembic_args` or `environment`.',
    ),
    "binds": (
        "The project has several databases: {names}.",
        "its ini lists them under `databases`, and the target does not say which of them it is.",
        'Make one target for each of them, with bind = "NAME". The others are not touched then.',
    ),
    "no_bind": (
        "The project has no database {bind}.",
        "bind names one of several databases, and the project has: {names}.",
        "Correct bind in alembook.toml.",
    ),
    "variable": (
        "The project asks for the variable {variable}, which it does not have.",
        "the child gets an allow-list and what `environment` and `files` of the target add, nothing else.",
        "Set it in `environment`; an address is {url}, or {url+asyncpg} for another driver.",
    ),
    "not_async": (
        "The project's env.py works with asyncio, and the address it got is for a driver that does not.",
        "{message}.",
        "Hand over {url+asyncpg} in `environment`, or write the target's reference as postgresql+asyncpg://.",
    ),
    "async": (
        "The project's env.py works without asyncio, and the address it got is for a driver that needs it.",
        "{message}.",
        "Hand over {url+psycopg2} in `environment`, or write the target's reference without +asyncpg.",
    ),
    "no_address": (
        "The project has an address of its own that is none: {message}.",
        "env.py did not take what it got; a line like driver://user:pass@localhost/dbname stands in its ini.",
        "See where env.py takes its address from; hand it over there: `environment`, `files`, `alembic_args`, `bind`.",
    ),
    "unfinished": (
        "The project's env.py ended without running its revisions.",
        "it never called context.run_migrations() online, or ended early.",
        "Run `alembic current` in the project and look at what env.py decides.",
    ),
    "exit": (
        "The project ended the process: {message}.",
        "env.py, a revision or the application called exit().",
        "Look at the last lines below; the child gets only `environment` of the target and an allow-list.",
    ),
    "writes": (
        "The project writes to the database as soon as it is loaded: {message}.",
        "while a step looks, every connection is read-only, so nothing was written. An upgrade loads it too, and there "
        "it would write outside of the plan, before the first revision.",
        "Let the application leave that alone when a migration loads it: often a variable does, set under "
        "`environment` of the target.",
    ),
    "prompt": (
        "The project asked a question, and there is nobody to answer.",
        "env.py, a revision or the application reads from the terminal.",
        "Give the answer in another way: `environment` or `alembic_args` of the target.",
    ),
    "import": (
        "The project could not be loaded: {message}.",
        "a module is missing for this interpreter and working directory.",
        "Set `python` and `working_directory` of the target to where `alembic` works by hand.",
    ),
    "folder": (
        "Alembic did not find the project's revisions: {message}.",
        "its configuration names their folder relative to where the command runs.",
        "Set `working_directory` of the target to where `alembic` works by hand.",
    ),
    "alembic": (
        "Alembic refused: {message}.",
        "the project's configuration or its revisions are not as Alembic needs them.",
        "Run `alembic history` in the project; it says the same.",
    ),
    "error": (
        "The project failed: {message}.",
        "its own code raised this.",
        "Look at the places below.",
    ),
}


def wrong_database(
    event: Mapping[str, Any], target: config.Target, database: Database, *, state: str
) -> errors.WrongDatabase:
    """Returns the error for a project that connected elsewhere, or for a revision that did."""
    place = _place(event["reached"])
    why = f"it reached {place}; the target is {database.label()}. Nothing but the question where it is was sent."
    if event.get("revision"):
        return errors.WrongDatabase(
            f"The revision {event['revision']} connected to another database than the target.",
            why=why,
            next="Let it work on op.get_bind() alone: a run has the backup, the locks and the record of one database.",
            state=state,
        )
    return errors.WrongDatabase(
        "The project connected to another database than the target.",
        why=why,
        next=(
            f"Point it right in [targets.{target.name}]. An env.py that reads sqlalchemy.url gets it; for one that "
            'reads a variable: environment = { DATABASE_URL = "{url}" }; a file: files = { APP_CONFIG = "..." }; -x: '
            'alembic_args = ["url={url}"]; one of several databases: bind = "NAME".'
        ),
        state="unchanged: the agent ended before the project's first statement.",
    )


def _place(reached: Mapping[str, Any]) -> str:
    if "dialect" in reached:
        return f"a {reached['dialect']} database ({reached.get('database', 'in memory')})"
    where = reached.get("host") or reached.get("address") or "the default host"
    port = f":{reached['port']}" if reached.get("port") else ""
    return f"{reached['user']}@{where}{port}/{reached['database']}"


def pooler(event: Mapping[str, Any], database: Database, *, state: str) -> errors.PoolerRefused:
    """Returns the error for a project, or a revision, that reached the right database through a pooler."""
    who = f"The revision {event['revision']}" if event.get("revision") else "The project"
    return errors.PoolerRefused(
        f"{who} connected through a connection pooler.",
        why=(
            f"{_place(event['reached'])} leads to the target, but not directly: locks and settings there belong to "
            "whoever comes next. Nothing was set."
        ),
        next=f"Hand it the address of the server itself; {{url}} in `environment` is {database.label()}.",
        state=state,
    )


def told(event: Mapping[str, Any], *, state: str, evidence: Mapping[str, str]) -> errors.StepFailed:
    """Returns the error for an event "failed" of the agent."""
    revision = event.get("revision")
    kind = event["kind"]
    if kind == "statement" and not event.get("sqlstate"):
        return _disconnected(event, state=state, evidence=evidence)
    what, why, next_step = _TEXTS[_precisely(event)]
    fields = {key: _text(value) for key, value in event.items()}
    fields["message"] = fields.get("message", "").removesuffix(".")
    family = _family(kind, revision)
    if kind == "statement" and not revision:
        what = "The project failed before its revisions: {message}."
    return family(what.format_map(fields), why=why.format_map(fields), next=next_step, state=state, evidence=evidence)


def _precisely(event: Mapping[str, Any]) -> str:
    """Returns the kind of an error, or a narrower one that its text shows."""
    if event.get("sqlstate") == _NO_LOCK and event.get("attempts"):
        return "lock"
    known = (kind for text, kind in _BY_TEXT.items() if text in event.get("message", ""))
    return next(known, event["kind"]) if event["kind"] in {"error", "alembic"} else event["kind"]


def _family(kind: str, revision: str | None) -> type[errors.StepFailed]:
    if kind == "session_lost":
        return errors.SessionLost
    return errors.UpgradeFailed if revision or kind == "not_applicable" else errors.ProjectFailed


def _disconnected(event: Mapping[str, Any], *, state: str, evidence: Mapping[str, str]) -> errors.StepFailed:
    """Returns the error for a connection that could not be made, or was lost."""
    message = str(event["message"]).removesuffix(".")
    if event.get("revision"):
        return errors.UpgradeFailed(
            f"The revision {event['revision']} failed: the connection was lost.",
            why=f"{message}.",
            next="See that the server is well; then go on with this run.",
            state=state,
            evidence=evidence,
        )
    return errors.ProjectFailed(
        f"The project could not connect: {message}.",
        why="env.py made a connection of its own, and no server accepted it.",
        next="See that the address it uses is the target's: sqlalchemy.url, or `environment`, `files`, `alembic_args`.",
        state=state,
        evidence=evidence,
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def evidence(event: Mapping[str, Any], blockers: Sequence[str], stderr: str) -> dict[str, str]:
    """Returns what stands below an error: statement, names, places in the project, blockers, the last of stderr."""
    names = [f"{name} {event[name]}" for name in ("table", "column", "constraint") if event.get(name)]
    found = {
        "statement": (event.get("statement") or "")[:_STATEMENT_LENGTH],
        "named by the server": "\n".join(names) if event.get("sqlstate") else "",
        "blocked by": "\n".join(blockers),
        "in the project": "\n".join(event.get("where") or ()),
        "last lines of stderr": stderr,
    }
    return {title: text for title, text in found.items() if text}


def died(exit_code: int, *, state: str, revision: str | None, stderr: str) -> errors.StepFailed:
    """Returns the error for an agent that ended without saying why."""
    how = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    found = {"last lines of stderr": stderr} if stderr else {}
    if revision:
        return errors.UpgradeFailed(
            f"The agent ended by {how} while it applied {revision}.",
            why="it was killed (by a person, or for lack of memory), or a library crashed.",
            next="Go on with this run: it reads from the database what is applied and applies what is left.",
            state=state,
            evidence=found,
        )
    missing = "No module named" in stderr
    return errors.ProjectFailed(
        f"The agent ended by {how} before the project's first revision.",
        why="its interpreter lacks a module." if missing else "the lines below are all it said." if stderr else "",
        next=(
            "Set `python` of the target to an interpreter (3.8 or newer) that has Alembic (1.8 or newer) and the "
            "project's own packages."
        ),
        state=state,
        evidence=found,
    )
