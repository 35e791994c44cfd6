"""The page of an executed notebook: opens without a network, runs nothing, says at the top what happened."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup

from alembook import errors
from alembook.runner import page
from alembook.runner.outcome import CellError, Outcome, Place, Status
from alembook.runner.page import Header

EVIL = '<script>alert("stolen")</script><img src="https://evil.example/x.png" onerror="alert(1)">'
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HEADER = Header(title="60_verify", target="demo", run_id="20261122T120301Z-4f2a9c", verdict="PASSED")


def output(kind: str, **fields: Any) -> nbformat.NotebookNode:
    """Returns one output."""
    made: nbformat.NotebookNode = nbformat.v4.new_output(kind, **fields)
    return made


def code(source: str, *outputs: nbformat.NotebookNode, status: str = "succeeded", **metadata: Any) -> Any:
    """Returns an executed code cell."""
    recorded = {"papermill": {"status": status, "duration": 0.25}, **metadata}
    count = None if status == "not_run" else 1
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=count, metadata=recorded)


def written(folder: Path, *cells: Any, header: Header = HEADER, **metadata: Any) -> tuple[str, BeautifulSoup]:
    """Writes the page of a notebook; returns it as text and parsed."""
    nb = nbformat.v4.new_notebook(cells=list(cells), metadata={"language_info": {"name": "python"}, **metadata})
    nbformat.write(nb, folder / "60_verify.ipynb")
    text = page.write(folder / "60_verify.ipynb", folder / "60_verify.html", header).read_text(encoding="utf-8")
    return text, BeautifulSoup(text, "html.parser")


def text_of(soup: BeautifulSoup, selector: str) -> list[str]:
    """Returns the texts of what matches, white space made single."""
    return [" ".join(found.get_text(" ").split()) for found in soup.select(selector)]


EVERYTHING = (
    nbformat.v4.new_markdown_cell(f"# Verify: rows\n\nReads. {EVIL}\n\n![x](https://evil.example/y.png)"),
    code("1", output("stream", name="stdout", text=EVIL)),
    code("2", output("execute_result", data={"text/html": f"<table><tr><td>{EVIL}</td></tr></table>"})),
    code("3", output("display_data", data={"text/plain": EVIL})),
    code("4", output("display_data", data={"text/markdown": f"[a](https://evil.example) {EVIL}"})),
    code("5", output("display_data", data={"image/svg+xml": f"<svg>{EVIL}</svg>", "text/plain": "a plot"})),
    code("6", output("display_data", data={"application/javascript": "alert(1)"})),
    code("7", output("display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": EVIL, "width": 9}})),
    code(f"x = '''{EVIL}'''"),
    code("8", output("error", ename=EVIL, evalue=EVIL, traceback=[EVIL]), status="failed"),
)


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    """However hostile the values: no script, no handler, no address a browser would fetch."""
    hostile = Header(title=EVIL, target=EVIL, run_id=EVIL, verdict="FAILED", lines=(EVIL,), facts={EVIL: EVIL})
    _, soup = written(tmp_path, *EVERYTHING, header=hostile)
    assert soup.find_all(["script", "iframe", "object", "embed", "link", "base", "svg", "form"]) == []
    for element in soup.find_all(True):
        assert not [name for name in element.attrs if name.startswith("on")], element
        for name in ("src", "href", "srcset", "action", "background", "poster", "data"):
            address = str(element.get(name, ""))
            assert address.startswith(("#", "data:image/png;base64,")) or not address, element
    style = "".join(element.get_text() for element in soup.find_all("style"))
    assert "@import" not in style
    assert "url(" not in style
    assert "http" not in style


def test_a_browser_is_told_to_refuse_scripts_and_the_network(tmp_path: Path) -> None:
    """The second line of defence is in the page itself."""
    _, soup = written(tmp_path, code("1"))
    policy = soup.select_one('meta[http-equiv="Content-Security-Policy"]')
    assert policy is not None
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_the_top_says_what_happened(tmp_path: Path) -> None:
    """Verdict, heading from the notebook, target, run, times, cells, and the facts that were given."""
    _, soup = written(
        tmp_path,
        nbformat.v4.new_markdown_cell("# Verify: every row\n\n**Reads** all."),
        code("1"),
        header=Header(title="60_verify", target="demo", run_id="r1", verdict="PASSED", facts={"server": "18.4"}),
        alembook={"status": "succeeded", "cells_run": 1, "cells_total": 1},
        papermill={"start_time": "2026-11-22T12:03:01.123456+00:00", "duration": 83.2},
    )
    assert text_of(soup, "header h1") == ["Verify: every row"]
    assert text_of(soup, "main h1") == []
    assert text_of(soup, ".verdict") == ["PASSED"]
    assert soup.select("header.passed")
    assert text_of(soup, ".facts div") == [
        "target demo",
        "run r1",
        "started 2026-11-22 12:03:01 UTC",
        "duration 1 min 23 s",
        "cells run 1 of 1",
        "server 18.4",
    ]


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [
        ("PASSED", "passed"),
        ("FAILED", "failed"),
        ("UNVERIFIED", "unverified"),
        ("STOPPED", "stopped"),
        ("WAITING", "stopped"),
    ],
)
def test_each_verdict_has_its_colour(tmp_path: Path, verdict: str, tone: str) -> None:
    """Green only for PASSED."""
    _, soup = written(tmp_path, header=Header(title="t", target="d", run_id="r", verdict=verdict))
    assert text_of(soup, f"header.{tone} .verdict") == [verdict]


def test_what_failed_stands_at_the_top(tmp_path: Path) -> None:
    """Failing lines come first; an error's text is taken apart into what, left, why, next and evidence."""
    failure = errors.UpgradeFailed(
        "Revision a failed.",
        why="55P03.",
        next="Run `alembook show`.",
        state="at b.",
        evidence={"statement": "ALTER\nTABLE"},
    )
    lines = ("FAILED  rows of providers: expected 100,000, found 99,999", *failure.lines())
    _, soup = written(tmp_path, header=Header(title="t", target="d", run_id="r", verdict="FAILED", lines=lines))
    assert text_of(soup, "header .reasons li") == [
        "FAILED rows of providers: expected 100,000, found 99,999",
        "Revision a failed. left at b. why 55P03. next Run alembook show . statement ALTER TABLE",
    ]


def test_code_is_folded_and_present(tmp_path: Path) -> None:
    """The auditor finds every cell's code; only a failing one is open."""
    _, soup = written(
        tmp_path,
        code("target: str = 'a'", tags=["parameters"]),
        code("import x\n\nx.apply(1)"),
        code("x.fail()", output("error", ename="E", evalue="", traceback=["E (exit 5)", "It broke."]), status="failed"),
        code("x.later()", status="not_run"),
    )
    assert text_of(soup, "summary") == [
        "In [1] parameters and their defaults 250 ms",
        "In [1] x.apply(1) 250 ms",
        "In [1] x.fail() failed, 250 ms",
        "In [ ] x.later() not run, 250 ms",
    ]
    assert [bool(found.get("open") is not None) for found in soup.select("details")] == [False, False, True, False]
    assert "import x" in text_of(soup, "details .highlight")[1]
    assert text_of(soup, ".error pre") == ["E (exit 5) It broke."]


@pytest.mark.parametrize(
    ("status", "label"),
    [
        ("timed_out", "timed out, 250 ms"),
        ("kernel_died", "kernel died here, 250 ms"),
        ("interrupted", "stopped here, 250 ms"),
        ("exited", "called exit(), 250 ms"),
        ("running", "was running, 250 ms"),
        ("pending", "not run, 250 ms"),
    ],
)
def test_a_cell_that_did_not_succeed_says_so(tmp_path: Path, status: str, label: str) -> None:
    """No status looks like success."""
    _, soup = written(tmp_path, code("1", status=status))
    assert text_of(soup, "summary .state") == [label]


def test_outputs_are_shown_in_their_kind(tmp_path: Path) -> None:
    """HTML before a picture, a picture before text; a picture is inside the page, with its sentence."""
    table = '<table class="alembook-table"><tr class="failed"><td>FAILED</td></tr></table>'
    _, soup = written(
        tmp_path,
        code("1", output("display_data", data={"text/html": table, "text/plain": "plain"})),
        code(
            "2",
            output("display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": "Rows.", "width": 864}}),
        ),
        code("3", output("stream", name="stderr", text="\x1b[31mred\x1b[0m <b>")),
    )
    assert soup.select("table.alembook-table tr.failed td.outcome")
    assert "plain" not in text_of(soup, "main")[0]
    picture = soup.select_one("figure img")
    assert picture is not None
    assert (picture["src"], picture["alt"], picture["width"]) == (f"data:image/png;base64,{PIXEL}", "Rows.", "864")
    assert text_of(soup, "figcaption") == ["Rows."]
    assert text_of(soup, "pre.stderr") == ["red <b>"]


def test_headings_are_the_contents(tmp_path: Path) -> None:
    """Each leads to its section on the page."""
    cells = [nbformat.v4.new_markdown_cell(f"## {name}\n\ntext") for name in ("Where am I", "Gate", "Receipt")]
    _, soup = written(tmp_path, *cells)
    assert text_of(soup, "nav li") == ["Where am I", "Gate", "Receipt"]
    for link in soup.select("nav a"):
        assert soup.find(id=str(link["href"]).removeprefix("#"))


def test_the_page_names_the_notebook_it_was_made_from(tmp_path: Path) -> None:
    """By its name and its SHA-256, so an auditor can tell that they belong together."""
    text, _ = written(tmp_path, code("1"))
    digest = hashlib.sha256((tmp_path / "60_verify.ipynb").read_bytes()).hexdigest()
    assert re.search(rf"<code>60_verify\.ipynb</code>, SHA-256 <code class=\"hash\">{digest}</code>", text)


def test_a_page_that_cannot_be_written_is_an_error_of_the_archive(tmp_path: Path) -> None:
    """Not swallowed."""
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(errors.ArchiveFailed):
        page.write(tmp_path / "a.ipynb", tmp_path / "file" / "a.html", HEADER)


def ended(status: Status, error: CellError | None = None) -> Outcome:
    """Returns an ending of 60_verify.ipynb."""
    place = None if status is Status.SUCCEEDED else Place(index=3, id="c", title="Gate")
    return Outcome(
        notebook="60_verify.ipynb",
        status=status,
        error=error,
        cell=place,
        cells_run=3,
        cells_total=9,
        seconds=1,
        kernel_pid=1,
    )


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (ended(Status.SUCCEEDED), "PASSED"),
        (ended(Status.KERNEL_DIED), "FAILED"),
        (ended(Status.INTERRUPTED), "STOPPED"),
        (ended(Status.FAILED, CellError(name="CheckFailed", text="x", exit_code=3)), "FAILED"),
        (ended(Status.FAILED, CellError(name="CheckUnverified", text="x", exit_code=4)), "UNVERIFIED"),
        (ended(Status.FAILED, CellError(name="Waiting", text="x", exit_code=7)), "WAITING"),
        (ended(Status.FAILED, CellError(name="KeyError", text="x")), "FAILED"),
    ],
)
def test_a_header_follows_from_what_became_of_the_notebook(outcome: Outcome, verdict: str) -> None:
    """The verdict, and the reason when there is one."""
    header = Header.from_outcome(outcome, target="demo", run_id="r")
    assert (header.title, header.verdict, bool(header.lines)) == ("60_verify", verdict, verdict != "PASSED")
