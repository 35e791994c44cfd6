"""In CI a skipped test is a failure: a check that did not run has not passed.

Loaded by ``[tool.pytest]`` in pyproject.toml. ``CI=true`` switches it on. Tests that were left out by name or by
marker on the command line are not skipped tests; whoever leaves them out says so.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def is_ci() -> bool:
    """Says whether a skip must fail."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def unskipped(report: Report) -> Report:
    """Returns the report, failed where it was skipped; an expected failure (xfail) stays what it is."""
    if is_ci() and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"A skip in CI is a failure. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judges a test that skipped, in its setup or in its body."""
    return unskipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judges a module that skipped as a whole."""
    return unskipped((yield))
