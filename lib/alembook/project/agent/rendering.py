"""The SQL of revisions, written by Alembic's offline mode and executed nowhere."""

from __future__ import annotations

import io
from typing import Any, Sequence

from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext

from .description import Look
from .environment import Environment
from .failure import Caught, describe
from .wire import Wire


def render(wire: Wire, look: Look, environment: Environment, revisions: Sequence[str]) -> None:
    """Tells the SQL of each revision, event "rendered": revision, sql, error (None, or why there is none).

    env.py runs first, read-only, for what it imports and registers; its own offline branch, which may write files, does
    not. The caller names only revisions whose source calls nothing but Alembic and SQLAlchemy.
    """
    look.visit(environment)
    for revision in revisions:
        buffer = io.StringIO()
        with Caught() as caught:
            _write(environment, revision, buffer)
        error = None if caught.error is None else describe(caught.error)["message"]
        wire.send("rendered", revision=revision, sql=buffer.getvalue(), error=error)
    wire.send("finished")


def _write(environment: Environment, revision: str, buffer: io.StringIO) -> None:
    """Calls one revision's ``upgrade`` under a context that has no connection."""
    script: Any = environment.script.get_revision(revision)
    context = EnvironmentContext(environment.config, environment.script, as_sql=True, destination_rev=revision)
    with context:
        context.configure(dialect_name="postgresql", output_buffer=buffer, literal_binds=True)
        migration = context.get_context()
        with Operations.context(migration):
            migration.impl.static_output("BEGIN;")
            script.module.upgrade(**environment.arguments)
            migration.impl.static_output("COMMIT;")
