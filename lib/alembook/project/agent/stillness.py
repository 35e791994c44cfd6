"""Whatever a project would write while it is only looked at: refused by the server, heard here, never missed.

A project may swallow the error, and go on to migrate by itself in the next process, which may write. So every refusal
counts, whether it was raised to us or not. Writing is expected of env.py itself, before its revisions; it is not of
what is merely imported: an application that makes its tables, or migrates, as soon as it is loaded.
"""

from __future__ import annotations

import contextlib
import os
import re
import traceback
from typing import Any, Dict, Iterator, List, Optional, Tuple

from sqlalchemy import event
from sqlalchemy.engine import Engine

from .failure import Caught, Failure, describe, is_foreign, sqlstate

READ_ONLY = "25006"
#: Refused in a read-only session even where it is there already; making it changes nobody's rows.
HARMLESS = re.compile(r"^\s*CREATE\s+(SCHEMA|EXTENSION)\s+IF\s+NOT\s+EXISTS\b", re.IGNORECASE)


class Stillness:
    """Keeps statements out that a read-only session refused, and remembers each.

    Attributes:
        left_out: statements of env.py that were refused, in order.
        env_file: its path while it runs; None while the project is loaded before.
    """

    def __init__(self) -> None:
        self.left_out: List[str] = []
        self.env_file: Optional[str] = None
        self._kept_out: List[str] = []
        self._written: Optional[Dict[str, Any]] = None

    def install(self) -> None:
        """Listens on the class, so that every engine is heard."""
        event.listen(Engine, "before_cursor_execute", self._replace, retval=True)
        event.listen(Engine, "handle_error", self._hear)

    @contextlib.contextmanager
    def required(self) -> Iterator[None]:
        """Runs what is in it, and fails when loading would have written, whatever else went wrong.

        Raises:
            Failure: "writes".
        """
        with Caught() as caught:
            yield
        if self._written is None and caught.error is not None and sqlstate(caught.error) == READ_ONLY:
            found = describe(caught.error)
            self._written = {name: found.get(name) for name in ("message", "statement", "where")}
        if self._written is not None:
            raise Failure("writes", **self._written)
        if caught.error is not None:
            raise caught.error

    def can_keep_out(self, error: BaseException) -> bool:
        """Says whether env.py may be run again without the statement that was refused."""
        statement = describe(error).get("statement")
        if sqlstate(error) != READ_ONLY or not statement or statement in self._kept_out or self._written is not None:
            return False
        self._kept_out.append(statement)
        return True

    def _replace(self, connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> Tuple[str, Any]:  # noqa: ARG002
        is_harmless = HARMLESS.match(statement) is not None
        if is_harmless:
            self._leave_out(statement)
        return ("SELECT 1 WHERE false", ()) if is_harmless or statement in self._kept_out else (statement, parameters)

    def _leave_out(self, statement: str) -> None:
        if statement not in self.left_out:
            self.left_out.append(statement)

    def _hear(self, context: Any) -> None:
        if sqlstate(context.original_exception) != READ_ONLY:
            return
        statement = str(context.statement or "")
        places = [frame for frame in traceback.extract_stack() if not is_foreign(frame.filename)]
        if self._is_env(places):
            self._leave_out(statement)
        elif self._written is None:
            where = ["{}:{} in {}".format(frame.filename, frame.lineno, frame.name) for frame in places[-5:]]
            message = describe(context.original_exception)["message"]
            self._written = {"message": message, "statement": statement, "where": where}

    def _is_env(self, places: List[traceback.FrameSummary]) -> bool:
        """Says whether env.py sent this itself, not a module that it imports, nor a second env.py inside of it."""
        modules = [os.path.abspath(frame.filename) for frame in places if frame.name == "<module>"]
        return self.env_file is not None and modules in ([self.env_file], [])
