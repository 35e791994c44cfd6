"""The pages of a run, opened in a real browser; .ci/run installs Chromium."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from alembook.postgres.embedded import Server
from tests.runs.conftest import ORDER, fill, furnish

CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,1600",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Path:
    """Returns the folder of a small run."""
    database = server18.create_database("pages")
    fill(database, 500)
    place = furnish(tmp_path_factory.mktemp("pages"), database)
    done = place.alembook("run", "-t", "demo")
    assert done.returncode == 0, done.stderr
    return place.runs()[-1]


def opened(page: Path, folder: Path, *arguments: str) -> str:
    """Opens a page with nothing to reach outside, and returns what Chromium prints."""
    command = [*CHROMIUM, f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    log = folder / "net.json"
    done = subprocess.run(
        [*command, f"--log-net-log={log}", *arguments, page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    asked = [event["params"].get("url", "") for event in json.loads(log.read_text())["events"] if "params" in event]
    assert not [url for url in asked if page.stem in url and url.startswith("http")]
    return done.stdout


@pytest.mark.parametrize("name", ORDER)
def test_a_page_shows_its_verdict_and_its_plots(run: Path, name: str, tmp_path: Path) -> None:
    """The browser builds the page without the network: the verdict, every section, and pictures that have a size."""
    dom = opened(run / f"{name}.html", tmp_path, "--dump-dom")
    assert "PASSED" in dom
    assert "Where am I" in dom
    assert "Receipt" in dom
    assert "<script" not in dom


def test_a_page_can_be_looked_at(run: Path, tmp_path: Path) -> None:
    """A picture of it has the size of the window and is not one colour."""
    picture = tmp_path / "page.png"
    opened(run / "60_verify.html", tmp_path, f"--screenshot={picture}")
    content = picture.read_bytes()
    assert struct.unpack(">II", content[16:24]) == (1280, 1600)
    assert len(content) > 50_000
