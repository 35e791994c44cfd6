"""A skipped test fails in CI, and only there."""

from __future__ import annotations

import pytest

from tests.test_frame import ROOT

pytest_plugins = ["pytester"]

SKIPPING = """
import pytest

def test_passes(): pass

def test_skips(): pytest.skip("no chromium")

@pytest.mark.skip(reason="later")
def test_is_marked(): pass

@pytest.mark.xfail(reason="known")
def test_fails_as_expected(): assert False
"""


def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *, ci: str) -> pytest.RunResult:
    """Returns what pytest says of the files made so far, with CI set to this."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester.runpytest_subprocess("-p", "tests.ci_plugin", "-p", "no:cacheprovider")


def test_a_skip_fails_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test skipped in its body or before it fails with its reason; an expected failure does not."""
    pytester.makepyfile(SKIPPING)
    result = run(pytester, monkeypatch, ci="true")
    result.assert_outcomes(passed=1, failed=1, errors=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["A skip in CI is a failure. Skipped: later", "A skip in CI is a failure. Skipped: no chromium"]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_skipped_module_fails_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that skips as a whole is an error of collection."""
    pytester.makepyfile("import pytest; pytest.importorskip('no_such_module')")
    result = run(pytester, monkeypatch, ci="true")
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("ci", ["", "false"])
def test_a_skip_is_a_skip_elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    """On a developer's machine a skip stays a skip."""
    pytester.makepyfile(SKIPPING)
    result = run(pytester, monkeypatch, ci=ci)
    result.assert_outcomes(passed=1, skipped=2, xfailed=1)
    assert result.ret == pytest.ExitCode.OK


GROUPED = """
import os
from pathlib import Path

import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_grouped(number):
    with Path("workers").open("a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_group_shares_a_worker(pytester: pytest.Pytester) -> None:
    """Tests that share names on a server never run at once; pytest 9.2.0 with xdist 3.8.0 forgot their group."""
    pytester.makepyfile(GROUPED)
    result = pytester.runpytest_subprocess("-p", "xdist", "--numprocesses=2", "--dist=loadgroup")
    result.assert_outcomes(passed=8)
    assert len(set((pytester.path / "workers").read_text().split())) == 1
