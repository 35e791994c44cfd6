"""``alembook lab``: JupyterLab on a run, on loopback, with every save kept."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from alembook import archive, config, process
from alembook.cli import options
from alembook.cli.terminal import console
from alembook.config import environment, shipped
from alembook.runner import workbook


def lab(
    target: options.Target = "demo",
    run_id: Annotated[str, typer.Option("--run", help="Work on this run.", metavar="RUN")] = "",
    to: Annotated[str, typer.Option(help="The revision a new run goes to.", metavar="REV")] = "head",
    port: Annotated[int, typer.Option(help="Port on loopback.", metavar="PORT")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
    config_file: options.Config = None,
) -> int:
    """Open the runbooks of a run in JupyterLab, as copies in the run's folder; every save is kept beside them."""
    configuration = config.load(config_file)
    chosen = configuration.target(target)
    chosen.require_usable()
    folder = _folder(configuration, chosen, run_id, to)
    workbook.copy(shipped.runbooks(configuration.folder), folder, configuration.path)
    console().print(f"run {folder.run_id}: {workbook.folder(folder)}", markup=False, soft_wrap=True)
    argv = [sys.executable, "-m", "jupyterlab", *workbook.arguments(folder, port=port, browser=browser)]
    whole = environment.kernel_environment()
    with process.start(argv, environment=whole, directory=configuration.folder, stdout=1, stderr=2) as running:
        try:
            return running.wait() or 0
        except KeyboardInterrupt:
            running.terminate()
            return 0


def _folder(configuration: config.Configuration, target: config.Target, run_id: str, to: str) -> archive.RunFolder:
    """Returns the run that was named, else the target's open one, else a new one."""
    root = configuration.archive.path
    if run_id:
        return archive.find(root, run_id, target.name)
    found = archive.open_runs(root, target.name)
    return found[-1] if found else archive.begin(root, target.name, to=to)
