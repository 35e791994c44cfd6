"""``alembook embedded``: the PostgreSQL that needs no server and no container."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Annotated

import typer

from alembook import config
from alembook.cli import options
from alembook.cli.terminal import console, show_facts, show_json
from alembook.postgres import embedded

app = typer.Typer(no_args_is_help=True, add_completion=False)
_Major = Annotated[int, typer.Option("--major", help="PostgreSQL 18 or 16.", metavar="MAJOR")]


def _server(config_file: options.Config, major: int) -> embedded.Server:
    return embedded.Server(config.load(config_file).folder / ".alembook", major)


@app.command()
def start(major: _Major = 18, config_file: options.Config = None) -> None:
    """Start it and keep it until `stop`; shows how to reach the databases of the targets."""
    server = _server(config_file, major)
    server.pin()
    console().print(f"PostgreSQL {major} runs and stays until `alembook embedded stop`.")
    psql = str(embedded.binaries(major) / "psql")
    for name in _names(config_file, major):
        there = server.create_database(name)
        line = shlex.join([psql, "-h", there.host, "-U", there.user, name])
        console().print(line, markup=False, soft_wrap=True)


def _names(config_file: options.Config, major: int) -> list[str]:
    """Returns the databases that targets have on this server."""
    references = [target.database for target in config.load(config_file).targets.values()]
    embedded_ones = [each for each in references if each.kind == "embedded" and each.embedded_major == major]
    return sorted({each.embedded_name for each in embedded_ones}) or ["postgres"]


@app.command()
def stop(major: _Major = 18, config_file: options.Config = None) -> None:
    """Stop it; its data stay."""
    ran = _server(config_file, major).stop()
    console().print(f"PostgreSQL {major} was stopped." if ran else f"PostgreSQL {major} did not run.")


@app.command()
def status(major: _Major = 18, json: options.Json = False, config_file: options.Config = None) -> None:
    """Say whether it runs, where its data and its socket are."""
    found = asdict(_server(config_file, major).status())
    if json:
        show_json(found)
    else:
        show_facts({**found, "pid": str(found["pid"])})  # a name, not a quantity
