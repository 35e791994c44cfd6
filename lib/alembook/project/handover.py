"""Handing the target's address to a project: its environment, private files, and what is kept out of sight."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from alembook import config
from alembook.postgres.connection import Database

_PLACE = re.compile(r"\{(url(?:\+(?P<driver>\w+))?|host|port|user|password|database)\}")
_VALUES = re.compile(r"(\bDETAIL:|\[parameters:).*")
_HIDDEN = "***"


def filled(template: str, database: Database) -> str:
    """Returns a template with {url}, {url+asyncpg}, {host}, {port}, {user}, {password} and {database} filled in.

    Any other text in braces stays what it is: a template may be JSON.
    """

    def value(match: re.Match[str]) -> str:
        named = {
            "host": database.host,
            "port": str(database.port or 5432),
            "user": database.user,
            "password": database.password,
            "database": database.dbname,
        }
        return named.get(match[1]) or (database.url(match["driver"]) if match[1].startswith("url") else "")

    return _PLACE.sub(value, template)


@contextlib.contextmanager
def environment(
    target: config.Target, database: Database, *, application_name: str, is_rehearsal: bool = False
) -> Iterator[dict[str, str]]:
    """Yields the whole environment of the agent; private files it names live as long.

    ``PYTHONPATH`` is ours: another interpreter does not get it. ALEMBOOK_REHEARSAL says that the database is a copy,
    so that a revision which also works on something else (files, a queue) can leave that alone.
    """
    own = {"PYTHONUNBUFFERED": "1", "PGAPPNAME": application_name}
    if is_rehearsal:
        own["ALEMBOOK_REHEARSAL"] = "1"
    if target.flask_app:
        own["FLASK_APP"] = target.flask_app
    given = {name: filled(template, database) for name, template in target.environment.items()}
    with _files(target.files, database) as paths:
        whole = config.child_environment({**own, **paths, **given})
        if target.python is not None and "PYTHONPATH" not in given:
            whole.pop("PYTHONPATH", None)
        yield whole


@contextlib.contextmanager
def _files(templates: Mapping[str, str], database: Database) -> Iterator[dict[str, str]]:
    """Yields variable -> path of a file only we can read; the files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="alembook-") as folder:
        paths: dict[str, str] = {}
        for variable, template in templates.items():
            path = Path(folder) / variable
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(filled(template, database))
            paths[variable] = str(path)
        yield paths


def without_values(line: str) -> str:
    """Returns a printed line without what follows DETAIL or SQLAlchemy's "[parameters:", which shows rows."""
    return _VALUES.sub(rf"\1 {_HIDDEN}", line)
