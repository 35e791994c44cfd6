"""What libpq and the server say when they refuse, as errors of ours: no password and no value of a row in any text."""

from __future__ import annotations

import re
from typing import NamedTuple

import psycopg2

from alembook import errors
from alembook.config.redaction import Redactor

#: SQLSTATE classes whose messages may quote a row's values: data exceptions, constraints, RAISE in a function.
_QUOTING = ("22", "23", "P0")
_OF_CLASS = {
    "08": "Run again when the server answers.",
    "40": "Run again: the server gave others the right of way.",
    "42": "Correct what it names, or grant the role what it lacks, then run again.",
    "53": "Run again when the server has room; its log says what is scarce.",
    "55": "Run again when what it names is no longer in use.",
    "57": "Run again when the server answers.",
}
_OTHERWISE = "Look the SQLSTATE up in the PostgreSQL manual (appendix A), correct the cause, then run again."


class _Answer(NamedTuple):
    """What a text of libpq means: the pattern it is known by, and the cause in our words."""

    pattern: str
    why: str


#: psycopg2 has no SQLSTATE for a failed connect, only libpq's text. The address was used, and no.
_REFUSED = (
    _Answer(r"password authentication failed", "the password or the role is wrong"),
    _Answer(r"no password supplied", "the server wants a password and the reference has none"),
    _Answer(r"(role|database) \".*\" does not exist", "the server has no such role or database"),
    _Answer(r"pg_hba\.conf", "the server's pg_hba.conf lets nobody in from here with this role"),
    _Answer(r"permission denied for database", "the role may not connect to this database"),
    _Answer(r"is not permitted to log in", "the role may not log in"),
    _Answer(r"[Pp]eer authentication failed", "the server wants the operating system user to be the role"),
    _Answer(
        r"not currently accepting connections",
        "the database was closed (ALLOW_CONNECTIONS false); so a rollback leaves it that was cut off",
    ),
    _Answer(r"does not support SSL", "the reference asks for SSL (sslmode) and the server has none"),
    _Answer(r"SSL|certificate|private key", "SSL did not come about as the reference asks for (sslmode and its files)"),
)
#: It is there, and not now.
_BUSY = (
    _Answer(r"starting up|not yet accepting connections", "it is starting up"),
    _Answer(r"shutting down", "it is shutting down"),
    _Answer(r"in recovery mode", "it is recovering from a crash"),
    _Answer(r"too many (clients|connections)|remaining connection slots", "all connections it allows are taken"),
)
_TRIED = ("connection to server", "could not translate host name")


def connect_failed(label: str, password: str, error: psycopg2.OperationalError) -> errors.AlembookError:
    """Returns our error for a connection that did not come about.

    Args:
        label: the database as a person is shown it.
        password: replaced where libpq repeats it.
        error: of ``psycopg2.connect``.

    Returns:
        AccessRefused when the server said no, Unreachable when none answered or it cannot now, ConfigurationError when
        libpq did not get as far as asking.
    """
    text = Redactor(password).clean(str(error)).strip()
    evidence = {"libpq said": text}
    if why := _meaning(_BUSY, text):
        return errors.Unreachable(
            f"The server takes no connection for {label} now.",
            why=f"{why}.",
            next="Run again when it does; nothing was done yet.",
            state="unchanged: no connection was made.",
            evidence=evidence,
        )
    if (why := _meaning(_REFUSED, text)) or "FATAL:" in text:
        return errors.AccessRefused(
            f"The server refused the connection to {label}.",
            why=f"{why or 'it gives the reason below'}.",
            next="Correct the reference of the target in alembook.toml, or what it points to.",
            evidence=evidence,
        )
    if not text.startswith(_TRIED):
        return errors.ConfigurationError(
            f"The reference to {label} cannot be used.",
            why="libpq stopped at one of its parameters, before it asked any server.",
            next="Correct the reference of the target in alembook.toml, or what it points to.",
            evidence=evidence,
        )
    return errors.Unreachable(
        f"No server answered for {label}.",
        why="the server is down or the address is wrong.",
        next="Start the server or correct the reference of the target; nothing was done yet.",
        state="unchanged: no connection was made.",
        evidence=evidence,
    )


def _meaning(answers: tuple[_Answer, ...], text: str) -> str:
    return next((answer.why for answer in answers if re.search(answer.pattern, text)), "")


def query_failed(error: psycopg2.Error) -> errors.QueryFailed:
    """Returns our error for the server's: SQLSTATE, message and names; never DETAIL, which shows rows."""
    diagnostics = error.diag
    named = {
        "constraint": diagnostics.constraint_name,
        "table": diagnostics.table_name,
        "column": diagnostics.column_name,
    }
    evidence = {title: name for title, name in named.items() if name}
    if error.pgcode is None and not isinstance(error, psycopg2.ProgrammingError):
        return errors.QueryFailed(
            "The connection to the server was lost.",
            why=f"{_first_line(error)}.",
            next="Run again when the server answers.",
            evidence=evidence,
        )
    return errors.QueryFailed(
        f"The server refused a query: {message(error)}.",
        why=f"SQLSTATE {error.pgcode or 'none: psycopg2 did not send it'}.",
        next=_OF_CLASS.get((error.pgcode or "")[:2], _OTHERWISE),
        evidence=evidence,
    )


def message(error: psycopg2.Error) -> str:
    """Returns the server's message in one line, without what it quotes where that may be a row's value."""
    text = " ".join((error.diag.message_primary or _first_line(error)).split())
    if (error.pgcode or "").startswith(_QUOTING):
        return " ".join(re.sub(r'"[^"]*"|: .*', "", text).split())
    return text


def _first_line(error: psycopg2.Error) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
