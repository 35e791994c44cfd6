"""``alembook demo``: the embedded PostgreSQL, the reference database, the whole run, the path of the record."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from alembook import archive, config, errors, process
from alembook.cli import options
from alembook.cli.run import conduct
from alembook.cli.terminal import console
from alembook.config import shipped
from alembook.postgres import disposable, embedded
from alembook.postgres.connection import Database
from alembook.runner.sitting import Asked

_START = "e8446f481c1e-1"
_FILE = """\
# Written by `alembook demo`. Every key and its accepted values: docs/configuration.md of the project.
[targets.demo]
database = "embedded:"
project = "{project}"
writers = "stopped"
verify = {{ scope = "all" }}
"""


def demo(
    providers: Annotated[int, typer.Option(help="How many providers to load.", min=1, metavar="N")] = 100_000,
    config_file: options.Config = None,
) -> int:
    """Run the whole thing once: a reference database on an embedded PostgreSQL, and every step of a run.

    The target `demo` must be an embedded one; its database is made anew each time.
    """
    configuration = _configuration(config_file)
    target = configuration.target("demo")
    if target.database.kind != "embedded":
        raise errors.ConfigurationError(
            "alembook.toml: the target demo is not an embedded one.",
            why="demo makes its database anew, which it does to its own embedded server only.",
            next='Set database = "embedded:" in [targets.demo], or use `alembook run -t demo`.',
        )
    earlier = archive.unresolved(configuration.archive.path, "demo")
    if earlier is not None:
        archive.close(earlier, archive.Ending(outcome="abandoned", exit_code=0, message="a new demo was begun."))
    console().print("PostgreSQL", style="bold", end="  ")
    began = time.monotonic()
    server = embedded.Server(target.state_folder, target.database.embedded_major)
    database = disposable.make(server.ensure(), target.database.embedded_name)
    console().print(f"{server.status().version} in {target.state_folder.name}/, {time.monotonic() - began:.1f} s")
    _fill(target, database, providers)
    return conduct(configuration, Asked(target="demo"))


def _configuration(file: Path | None) -> config.Configuration:
    """Returns the configuration at hand; where there is none, a new folder gets one."""
    try:
        return config.load(file)
    except errors.ConfigurationError:
        if file is not None or any((folder / "alembook.toml").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
            raise
    folder = Path.cwd() / "alembook-demo"
    path = folder / "alembook.toml"
    try:
        folder.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(_FILE.format(project=shipped.reference_project().as_posix()), encoding="utf-8")
    except OSError as error:
        raise errors.ConfigurationError(
            f"{path} cannot be written.", why=f"{error.strerror}.", next="Go to a folder that you may write to."
        ) from error
    return config.load(path)


def _fill(target: config.Target, database: Database, providers: int) -> None:
    """Brings the empty database to the revision before the credential pool, and fills it."""
    project = target.project
    began = time.monotonic()
    where = config.child_environment({"DATABASE_URL": database.conninfo(), "SQLALCHEMY_URL": database.url()})
    alembic = [sys.executable, "-m", "alembic", "-c", str(project / "alembic.ini")]
    _must(
        process.run([*alembic, "-x", f"url={database.url()}", "upgrade", _START], environment=where, directory=project)
    )
    sizes = ["--providers", str(providers), "--tenants", str(max(1, providers // 5))]
    _must(process.run([sys.executable, str(project / "load.py"), *sizes], environment=where, directory=project))
    console().print("reference ", style="bold", end="")
    console().print(f" {providers:,} providers, {time.monotonic() - began:.1f} s\n")


def _must(finished: process.Finished) -> None:
    if finished.exit_code:
        raise errors.StepFailed(
            f"{Path(finished.argv[1]).name if finished.argv[1] != '-m' else finished.argv[2]} failed while the demo "
            "database was being filled.",
            why=f"it ended with exit code {finished.exit_code}.",
            next="Run `alembook doctor`; then `alembook demo` again.",
            state="the demo database is incomplete; the next demo makes it anew.",
            evidence={"it said": (finished.stderr or finished.stdout)[-2000:]},
        )
