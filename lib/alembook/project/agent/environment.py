"""The project's Alembic environment: its configuration, its revisions, and running its env.py."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import platform
import sys
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set

import alembic
import sqlalchemy
from alembic.config import CommandLine, Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

from .address import point

Steps = Callable[[Any, Any], Iterable[Any]]
Applied = Callable[..., None]


class Environment:
    """One project, loaded.

    Args:
        config: as the project's own commands would make it.

    Attributes:
        bind: which of several databases is meant, as env.py hands it to ``run_migrations(engine_name=...)``.
        names: the databases env.py went through when it last ran; None for one without a name.
        arguments: what env.py handed to the revisions' functions.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.script = ScriptDirectory.from_config(config)
        self.bind: Optional[str] = None
        self.names: List[Optional[str]] = []
        self.arguments: Dict[str, Any] = {}

    def run(self, steps: Steps, *, destination: str, applied: Optional[Applied] = None) -> None:
        """Executes env.py once, online.

        Args:
            steps: Alembic's ``fn``: gets the version rows and the migration context, yields what to run.
            destination: what env.py is told, if it asks.
            applied: called in each revision's transaction after its version row was written, which then makes each
                revision a transaction of its own; None = looking: Alembic creates no version table.
        """
        options = {} if applied else {"dont_mutate": True}
        context = EnvironmentContext(
            self.config,
            self.script,
            fn=steps,
            as_sql=False,
            starting_rev=None,
            destination_rev=destination,
            tag=None,
            **options,
        )
        # On the instance: env.py reaches it through a proxy that looks attributes up there, a subclass is not seen.
        if applied:
            context.configure = _with(context.configure, applied)  # type: ignore[method-assign]
        context.run_migrations = self._chosen(context.run_migrations)  # type: ignore[method-assign]
        self.names = []
        with context:
            self.script.run_env()

    def _chosen(self, run_migrations: Callable[..., None]) -> Callable[..., None]:
        """Returns Alembic's function for the target's database, and nothing at all for any other one."""

        def chosen(**named: Any) -> None:
            name = named.get("engine_name")
            self.names.append(name)
            if self.bind is None or name is None or name == self.bind:
                self.arguments = named
                run_migrations(**named)

        return chosen

    def revisions(self) -> List[Script]:
        """Returns every revision, base first, each after what it revises."""
        return list(self.script.walk_revisions())[::-1]

    def parents(self, revision: str) -> List[str]:
        """Returns what must be applied before a revision: what it revises and what it depends on."""
        script: Any = self.script.get_revision(revision)
        depends = self.script.get_revisions(list(tuple_of(script.dependencies))) if script.dependencies else ()
        return list(tuple_of(script.down_revision)) + [entry.revision for entry in depends if entry is not None]

    def closure(self, revisions: Iterable[str]) -> Set[str]:
        """Returns revisions and everything below them."""
        found: Set[str] = set()
        waiting = list(revisions)
        while waiting:
            revision = waiting.pop()
            if revision not in found:
                found.add(revision)
                waiting += self.parents(revision)
        return found


def _with(configure: Callable[..., None], applied: Applied) -> Callable[..., None]:
    def patched(*arguments: Any, **named: Any) -> None:
        own = named.get("on_version_apply") or ()
        callbacks = tuple(own) if isinstance(own, (tuple, list)) else (own,)
        named["on_version_apply"] = (*callbacks, applied)
        named["transaction_per_migration"] = True
        configure(*arguments, **named)

    return patched


def tuple_of(value: Any) -> Sequence[str]:
    """Returns Alembic's None, string or sequence as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


@contextlib.contextmanager
def opened(project: Mapping[str, Any]) -> Iterator[Environment]:
    """Loads the project, inside its application's context when it is a Flask one.

    Args:
        project: "ini", "toml" (paths or None), "arguments" (of -x), "command" (what a person would type),
            "flask_app" (or None), and what ``point`` needs.
    """
    program = ["flask", "db"] if project["flask_app"] else ["alembic"]
    sys.argv = [*program, *_words(project)]
    if not project["flask_app"]:
        yield _environment(_config(project), project)
        return
    application = importlib.import_module("flask.cli").ScriptInfo(app_import_path=project["flask_app"]).load_app()
    with application.app_context():
        yield _environment(_flask_config(application, project), project)


def _environment(config: Config, project: Mapping[str, Any]) -> Environment:
    environment = Environment(config)
    environment.bind = point(config, project, environment.script.env_py_location)
    return environment


def _config(project: Mapping[str, Any]) -> Config:
    files = {"file_": project["ini"]}
    if project["toml"]:
        files["toml_file"] = project["toml"]  # Alembic 1.16 or newer
    return Config(cmd_opts=_options(project), **files)


def _flask_config(application: Any, project: Mapping[str, Any]) -> Config:
    config: Config = application.extensions["migrate"].migrate.get_config(x_arg=list(project["arguments"]) or None)
    config.cmd_opts = _options(project)
    return config


def _options(project: Mapping[str, Any]) -> Any:
    """Returns what env.py would see of the command line."""
    return CommandLine().parser.parse_args(_words(project))


def _words(project: Mapping[str, Any]) -> List[str]:
    """Returns the command line that does what is asked for, behind its program: -x tenant=acme upgrade heads."""
    extra = [part for argument in project["arguments"] for part in ("-x", argument)]
    return [*extra, *project["command"]]


def file_hash(path: str) -> str:
    """Returns the SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def versions() -> Dict[str, str]:
    """Returns the versions of what runs here."""
    return {
        "python": platform.python_version(),
        "alembic": alembic.__version__,
        "sqlalchemy": sqlalchemy.__version__,
    }


def driver(dialect: Any) -> str:
    """Returns name and version of a dialect's driver: "psycopg2 2.9.9"."""
    module = getattr(dialect, "dbapi", None)
    if not hasattr(module, "__version__"):
        module = importlib.import_module(dialect.driver)
    version = getattr(module, "__version__", "")
    return "{} {}".format(dialect.driver, str(version).split(" ", maxsplit=1)[0]).strip()
