"""Looking: the graph of revisions, and where env.py leads. Nothing is created, in no database."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence

from alembic.script import Script

from .context import facts
from .door import Door, raw
from .environment import Environment, tuple_of
from .failure import Caught, Failure, is_foreign
from .stillness import Stillness
from .wire import Wire

Also = Callable[[Sequence[str], Any], None]

_ROUNDS = 20


class Look:
    """Reads one project.

    Args:
        wire: where events go.
        door: already installed, with read-only settings.

    Attributes:
        stillness: hears what the project would write.
    """

    def __init__(self, wire: Wire, door: Door) -> None:
        self._wire = wire
        self._door = door
        self._contexts: List[Dict[str, Any]] = []
        self.stillness = Stillness()
        self._also: Optional[Also] = None

    @property
    def left_out(self) -> List[str]:
        """Returns the statements that were left out, because a read-only session refused them."""
        return list(self.stillness.left_out)

    def install(self) -> None:
        """Listens for what a read-only session refuses."""
        self.stillness.install()

    def run(self, environment: Environment) -> None:
        """Tells everything about the project in one event, "described".

        Raises:
            Failure: env.py could not be run to its end, or never reached its revisions.
        """
        revisions = [_revision(environment, script) for script in environment.revisions()]
        self.visit(environment)
        self._wire.send(
            "described",
            revisions=revisions,
            heads=list(environment.script.get_heads()),
            bases=list(environment.script.get_bases()),
            script_folder=os.path.abspath(environment.script.dir),
            env_file=os.path.abspath(environment.script.env_py_location),
            ini=environment.config.config_file_name,
            versions=self._contexts[0]["versions"],
            contexts=self._contexts,
            left_out=self.left_out,
            modules=_modules(),
        )

    def visit(self, environment: Environment, *, also: Optional[Also] = None) -> None:
        """Runs env.py, which changes nothing.

        Args:
            environment: the project.
            also: called with version rows and migration context where env.py gets to its revisions.

        Raises:
            Failure: it never reached its revisions, or reached them for more than one database or schema.
        """
        self._also = also
        self._run_env(environment)
        if not self._contexts:
            raise _never(environment)
        if len(self._contexts) > 1:
            raise Failure("many", "It did so more than once.", names=_named(environment))

    def _run_env(self, environment: Environment) -> None:
        """Runs env.py; again without the statement, each time it would write something before its revisions.

        A version table made wider is such a statement.
        """
        self.stillness.env_file = os.path.abspath(environment.script.env_py_location)
        for _ in range(_ROUNDS):
            self._contexts.clear()
            with Caught() as caught:
                environment.run(self._look, destination="heads")
            if caught.error is None or not self.stillness.can_keep_out(caught.error):
                break
        self.stillness.env_file = None
        if caught.error is not None and not self._contexts:
            raise caught.error

    def _look(self, heads: Sequence[str], context: Any) -> Sequence[Any]:
        """Takes Alembic's place for the time of one ``run_migrations``: notes where it got to, runs nothing."""
        if self._door.holder(raw(context.connection)) is None:
            raise Failure("session_lost", "The session that holds the run's locks is gone.")
        self._contexts.append(dict(facts(context, self._door), rows=list(heads)))
        if self._also is not None:
            self._also(heads, context)
        return ()


def _never(environment: Environment) -> Failure:
    if environment.bind is not None and environment.names:
        return Failure("no_bind", "It has others.", bind=environment.bind, names=_named(environment))
    return Failure("unfinished", "env.py ended without running migrations.")


def _named(environment: Environment) -> List[str]:
    """Returns what to say of the databases env.py went through: their names, or how many there were."""
    names = [name for name in environment.names if name is not None]
    return [name or '"" (the default one)' for name in names] or ["{} without a name".format(len(environment.names))]


def _modules() -> List[str]:
    """Returns the files of every module of the project that its env.py and its revisions imported."""
    found = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    paths = {os.path.abspath(path) for path in found if path}
    return sorted(path for path in paths if not is_foreign(path) and os.path.isfile(path))


def _revision(environment: Environment, script: Script) -> Dict[str, Any]:
    module: Any = script.module
    docstring = inspect.cleandoc(module.__doc__ or "")
    path = os.path.abspath(script.path)
    with open(path, "rb") as file:
        source = file.read()
    down = list(tuple_of(script.down_revision))
    return {
        "id": script.revision,
        "down": down,
        "depends_on": [parent for parent in environment.parents(script.revision) if parent not in down],
        "branch_labels": list(tuple_of(getattr(module, "branch_labels", None))),
        "file": path,
        "sha256": hashlib.sha256(source).hexdigest(),
        "docstring": docstring,
        "uses_autocommit": b"autocommit_block" in source,
    }
