"""Errors of other people's code and of the server, as values without a customer's data."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from types import TracebackType
from typing import Any, Dict, Iterator, List, Optional, Type

from alembic.util import CommandError

_MESSAGE_LENGTH = 2000
#: Everything after these may hold values: libpq's DETAIL and CONTEXT, SQLAlchemy's statement and parameters.
_VALUES = re.compile(r"\s*(\bDETAIL:|\bCONTEXT:|\[SQL: |\[parameters: ).*", re.DOTALL)
#: Class 22 (data exceptions) quotes the offending value itself: invalid input syntax for type integer: "4012-8888".
_FOREIGN = ("<", sysconfig.get_paths()["stdlib"] + os.sep, os.path.dirname(os.path.abspath(__file__)) + os.sep)
_QUOTED = re.compile(r'(?<!column )(?<!relation )(?<!type )"[^"]*"')


class Failure(Exception):
    """The agent stops on purpose.

    Args:
        kind: one word, the parent's key to what to tell the operator.
        message: one sentence.
        fields: whatever else the parent needs.
    """

    def __init__(self, kind: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.fields = fields


class Caught:
    """Runs code that is not ours and keeps what it raised, ``SystemExit`` included.

    Afterwards ``error`` is None or the exception; it is not raised further.
    """

    def __init__(self) -> None:
        self.error: Optional[BaseException] = None

    def __enter__(self) -> Caught:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> bool:
        """Keeps the error and ends it here."""
        self.error = error
        return True


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error, the driver's error inside it, and what each was raised from, nearest first."""
    seen: List[BaseException] = []
    waiting: List[Optional[BaseException]] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or current in seen:
            continue
        seen.append(current)
        yield current
        waiting += [getattr(current, "orig", None), current.__cause__, current.__context__]


def sqlstate(error: BaseException) -> Optional[str]:
    """Returns the SQLSTATE the server gave, by whichever driver; None when the server gave none."""
    for link in chain(error):
        found = getattr(link, "sqlstate", None) or getattr(link, "pgcode", None) or _notice(link).get("C")
        if found:
            return str(found)
    return None


def _notice(error: BaseException) -> Dict[str, str]:
    """Returns the fields of a server's error as pg8000 keeps them, else {}."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, dict) else {}


def describe(error: BaseException) -> Dict[str, Any]:
    """Returns kind, message, sqlstate, statement, schema, constraint, table, column and where of any error."""
    if isinstance(error, Failure):
        return dict(error.fields, kind=error.kind, message=error.message)
    state = sqlstate(error)
    fields = {name: _field(error, name) for name in ("schema", "constraint", "table", "column")}
    variable = _variable(error)
    if variable is not None:
        fields["variable"] = variable
    return dict(
        fields,
        kind=_kind(error, state) if variable is None else "variable",
        sqlstate=state,
        message=_message(error, state),
        statement=_statement(error),
        where=where(error),
    )


def _statement(error: BaseException) -> Optional[str]:
    texts = (getattr(link, "statement", None) for link in chain(error))
    return next((str(text) for text in texts if text), None)


def _kind(error: BaseException, state: Optional[str]) -> str:
    if state or any(getattr(link, "orig", None) is not None for link in chain(error)):
        return "statement"
    if any(isinstance(link, EOFError) for link in chain(error)):  # click raises its own from it
        return "prompt"
    kinds = [(SystemExit, "exit"), (CommandError, "alembic"), (ImportError, "import")]
    return next((kind for family, kind in kinds if isinstance(error, family)), "error")


def _variable(error: BaseException) -> Optional[str]:
    """Returns the variable that ``os.environ[...]`` did not find; None for any other error."""
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, KeyError) or not frames or frames[-1].filename not in {os.__file__, "<frozen os>"}:
        return None
    return str(error.args[0])


def _field(error: BaseException, name: str) -> Optional[str]:
    short = {"schema": "s", "constraint": "n", "table": "t", "column": "c"}[name]
    for link in chain(error):
        holder = getattr(link, "diag", None) or link
        found = getattr(holder, name + "_name", None) or _notice(link).get(short)
        if found:
            return str(found)
    return None


def _message(error: BaseException, state: Optional[str]) -> str:
    text = next((found for found in map(_primary, chain(error)) if found), "") if state else ""
    if not text:
        inner = next((link for link in chain(error) if getattr(link, "orig", None) is None), error)
        text = "{}: {}".format(type(inner).__name__, inner)
    text = _VALUES.sub("", text).strip()
    return (_QUOTED.sub('"..."', text) if (state or "").startswith("22") else text)[:_MESSAGE_LENGTH]


def _primary(error: BaseException) -> Optional[str]:
    """Returns the server's primary message as psycopg, pg8000 or asyncpg keep it; None for any other error."""
    message = getattr(getattr(error, "diag", None), "message_primary", None) or _notice(error).get("M")
    if message is None and hasattr(error, "constraint_name") and error.args:  # asyncpg
        message = error.args[0]
    return None if message is None else str(message)


def where(error: BaseException) -> List[str]:
    """Returns up to five places in the project's own files, innermost last: "path:line in function"."""
    places = [
        "{}:{} in {}".format(frame.filename, frame.lineno, frame.name)
        for frame in traceback.extract_tb(error.__traceback__)
        if not is_foreign(frame.filename)
    ]
    if isinstance(error, SyntaxError):
        places.append("{}:{}".format(error.filename, error.lineno))
    return places[-5:]


def is_foreign(path: str) -> bool:
    """Says whether a frame lies in Python, in a library or in the agent, not in the project.

    A compiled module names the file it was made from, which is not there.
    """
    is_library = path.startswith(_FOREIGN) or bool({"site-packages", "dist-packages"} & set(path.split(os.sep)))
    return is_library or not os.path.isfile(path)
