"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[str, typer.Option("--target", "-t", help="Name of a target in alembook.toml.", metavar="TARGET")]
Config = Annotated[
    Path | None,
    typer.Option("--config", help="The alembook.toml; found from the working directory upward.", metavar="FILE"),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
