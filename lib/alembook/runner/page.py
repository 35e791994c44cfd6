"""An executed notebook as a page an auditor opens: no network, no script, what happened at the top."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters.html import HTMLExporter

from alembook import __version__
from alembook.archive import atomic
from alembook.runner import markup, outcome, parameters
from alembook.runner.outcome import Outcome, Status

_TEMPLATES = Path(__file__).parent / "templates"
_TONES = {"PASSED": "passed", "FAILED": "failed", "UNVERIFIED": "unverified"}
_VERDICTS = {"CheckUnverified": "UNVERIFIED", "Waiting": "WAITING", "Stopped": "STOPPED"}
_FIRST_HEADING = re.compile(r"\A\s*# (?P<title>.+)\n*")
_LABELS = {
    Status.FAILED: "failed",
    Status.EXITED: "called exit()",
    Status.TIMED_OUT: "timed out",
    Status.KERNEL_DIED: "kernel died here",
    Status.INTERRUPTED: "stopped here",
    Status.NOT_RUN: "not run",
    Status.PENDING: "not run",
    Status.RUNNING: "was running",
}
_TAGGED = {"injected-parameters": "parameters of this run", "parameters": "parameters and their defaults"}
_quiet = logging.getLogger("alembook.runner.quiet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands at the top of a page.

    Attributes:
        title: which runbook this is ("60_verify"); the heading itself comes from the notebook.
        target: name of the target.
        run_id: the run.
        verdict: PASSED, FAILED, UNVERIFIED, STOPPED or WAITING.
        lines: why it is not PASSED, one reason each; may hold line breaks.
        facts: further facts, name -> text, shown in this order.
    """

    title: str
    target: str
    run_id: str
    verdict: str
    lines: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_outcome(
        cls, ended: Outcome, *, target: str, run_id: str, facts: Mapping[str, str] | None = None
    ) -> Header:
        """Returns the header that what became of the notebook calls for."""
        failure = ended.failure()
        verdict = _VERDICTS.get(type(failure).__name__, "FAILED") if failure else "PASSED"
        return cls(
            title=ended.notebook.removesuffix(".ipynb"),
            target=target,
            run_id=run_id,
            verdict=verdict,
            lines=(str(failure),) if failure else (),
            facts=facts or {},
        )


def write(notebook: Path, html: Path, header: Header) -> Path:
    """Writes the page of an executed notebook and returns its path.

    Raises:
        errors.UsageError: the notebook cannot be read.
        errors.ArchiveFailed: the page cannot be written.
    """
    nb = parameters.load(notebook)
    values = _values(nb, notebook, header)
    exporter = _exporter()
    exporter.register_filter("clean", markup.Cleaner(folder=html.parent).clean)  # type: ignore[no-untyped-call]
    text, _ = exporter.from_notebook_node(nb, resources={"page": values})
    return atomic.write_text(html, text)


@cache
def _exporter() -> HTMLExporter:
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="report",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_anchor_links=True,
        log=_quiet,
    )
    exporter.register_filter("ticked", markup.ticked)  # type: ignore[no-untyped-call]
    return exporter


def _values(nb: nbformat.NotebookNode, notebook: Path, header: Header) -> dict[str, Any]:
    """Returns what the template shows, worked out here so that it decides nothing."""
    heading = _taken_heading(nb) or header.title
    anchors = {cell.id: f"cell-{cell.id}" for cell in nb.cells}
    ran = nb.metadata.get("alembook", {})
    times = nb.metadata.get("papermill", {})
    facts = {
        "target": header.target,
        "run": header.run_id,
        "started": str(times.get("start_time") or "").partition(".")[0].replace("T", " ") + " UTC",
        "duration": _duration(times.get("duration")),
        "cells run": f"{ran['cells_run']} of {ran['cells_total']}" if "cells_run" in ran else "",
        **header.facts,
    }
    return {
        "title": header.title,
        "heading": heading,
        "target": header.target,
        "run_id": header.run_id,
        "verdict": header.verdict,
        "tone": _TONES.get(header.verdict, "stopped"),
        "lines": [_reason(text) for text in _reasons(header.lines)],
        "facts": [(name, value) for name, value in facts.items() if value.strip(" UTC")],
        "contents": _contents(nb, anchors),
        "anchors": anchors,
        "states": {cell.id: _state(cell) for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()},
        "notebook": notebook.name,
        "sha256": hashlib.sha256(notebook.read_bytes()).hexdigest(),
        "version": __version__,
    }


def _reasons(lines: Sequence[str]) -> list[str]:
    """Returns one text a reason: a line that is indented belongs to the one above it."""
    texts: list[str] = []
    for line in lines:
        if line.startswith("  ") and texts:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return texts


def _reason(text: str) -> dict[str, Any]:
    """Returns one reason taken apart: what, then left, why, next, then the evidence under its titles."""
    parts, evidence = outcome.parts_of(text)
    shown = [("left", "state"), ("why", "why"), ("next", "next")]
    return {
        "what": parts["what"],
        "parts": [(label, parts[name]) for label, name in shown if name in parts],
        "evidence": list(evidence.items()),
    }


def _taken_heading(nb: nbformat.NotebookNode) -> str:
    """Returns the notebook's own title and takes it out of its first cell: it stands in the header."""
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            found = _FIRST_HEADING.match(cell.source)
            if found:
                cell.source = cell.source[found.end() :]
                return found["title"].strip()
            return ""
    return ""


def _contents(nb: nbformat.NotebookNode, anchors: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"title": line.removeprefix("## ").strip(), "anchor": anchors[cell.id]}
        for cell in nb.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    ]


def _state(cell: nbformat.NotebookNode) -> dict[str, Any]:
    """Returns how a code cell is introduced: prompt, its last line, what became of it."""
    recorded = cell.metadata.get("papermill", {})
    known = recorded.get("status") in set(Status)
    status = Status(recorded["status"]) if known else Status.SUCCEEDED
    tags = cell.metadata.get("tags", [])
    named = next((says for tag, says in _TAGGED.items() if tag in tags), "")
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    took = _duration(recorded.get("duration"))
    is_bad = status not in {Status.SUCCEEDED, Status.NOT_RUN, Status.PENDING}
    label = _LABELS.get(status, "")
    return {
        "prompt": f"In [{cell.execution_count or ' '}]",
        "says": named or lines[-1],
        "label": ", ".join(part for part in (label, took) if part),
        "status": "bad" if is_bad else "not_run" if label else "ran",
        "is_open": is_bad,
    }


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
