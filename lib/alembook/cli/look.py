"""``alembook runs`` and ``alembook show``: looking back. Only a run that was killed is asked for at its database."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from alembook import archive, config, errors
from alembook.cli import options
from alembook.cli.terminal import console, show_facts, show_json, show_table
from alembook.runner import whereabouts

_UNKNOWN = "not recorded; `alembook run --run` asks the database"
_Target = Annotated[str, typer.Option("--target", "-t", help="Only this target's.", metavar="TARGET")]


def runs(target: _Target = "", json: options.Json = False, config_file: options.Config = None) -> None:
    """List the runs of the archive, oldest first."""
    configuration = config.load(config_file)
    if target:
        configuration.target(target)
    found = [_summary(folder) for folder in archive.runs(configuration.archive.path, target or None)]
    if json:
        show_json(found)
        return
    show_table(found, columns=["run", "target", "to", "outcome", "exit_code", "by", "at", "link"], empty="no runs yet")


def show(
    run: Annotated[str, typer.Argument(help="A run's id, a unique part of it, or latest.", metavar="RUN")] = "latest",
    json: options.Json = False,
    config_file: options.Config = None,
) -> None:
    """Show one run: what was asked, what was done, how it ended, where its pages are."""
    configuration = config.load(config_file)
    folder = archive.find(configuration.archive.path, run)
    steps = _steps(folder)
    summary = _summary(folder)
    if summary["standing"] == _UNKNOWN and summary["outcome"] == "interrupted":
        summary["standing"] = _asked(configuration, folder)
    if json:
        show_json({**summary, "steps": steps, "manifest": folder.manifest()})
        return
    show_facts(
        {name: value for name, value in {**summary, "folder": str(folder.path)}.items() if name != "link" or value}
    )
    console().print()
    show_table(steps, columns=["step", "stage", "verdict", "seconds", "page"], empty="no step was begun")
    manifest = folder.manifest()
    if manifest and manifest["sittings"][-1]["message"]:
        console().print(f"\n{manifest['sittings'][-1]['message']}", style="red", markup=False)


def _summary(folder: archive.RunFolder) -> dict[str, Any]:
    request, manifest = folder.request(), folder.manifest()
    outcome = manifest["outcome"] if manifest else "interrupted"
    facts = {
        "run": folder.run_id,
        "target": folder.target,
        "to": request["to"],
        "by": request["by"],
        "at": request["at"],
    }
    return {
        **facts,
        "outcome": "running" if folder.is_worked_on() else outcome,
        "link": _link(folder),
        "exit_code": manifest["exit_code"] if manifest else None,
        "standing": manifest.get("standing", "") if manifest else _UNKNOWN,
    }


def _link(folder: archive.RunFolder) -> str:
    """Returns which run a rollback takes back, or which rollback took a run back; "" for any other."""
    stated = folder.stated(archive.ROLLED_BACK)
    if stated:
        return f"rolled back by {stated[-1]['rolled_back_by']} ({stated[-1]['way']})"
    asked = folder.request()
    return f"rolls back {asked['rolls_back']} ({asked['way']})" if asked.get("rolls_back") else ""


def _asked(configuration: config.Configuration, folder: archive.RunFolder) -> str:
    try:
        return whereabouts.asked(configuration.target(folder.target), folder)
    except errors.UsageError:
        return _UNKNOWN


def _steps(folder: archive.RunFolder) -> list[dict[str, Any]]:
    """Returns one mapping a runbook of the run, in the order they ran, from the manifest's sittings or the events."""
    manifest = folder.manifest()
    if manifest and not folder.is_worked_on():
        rows = [step for sitting in manifest["sittings"] for step in sitting["steps"]]
        rows = [row for row in rows if row["verdict"] != "done before"]
    else:
        started = [event for event in folder.events_of("runner") if event["event"] == "notebook_started"]
        rows = [
            {"step": event.get("notebook", ""), "stage": 0, "verdict": "begun", "notebook": ""} for event in started
        ]
    return [{**row, "page": _page(folder, str(row["notebook"]))} for row in rows]


def _page(folder: archive.RunFolder, notebook: str) -> str:
    page = folder.path / notebook.replace(".ipynb", ".html")
    return str(page) if notebook and page.exists() else ""
