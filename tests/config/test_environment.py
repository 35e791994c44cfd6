"""What of the process's environment reaches a child."""

from __future__ import annotations

import os

import pytest

from alembook import config
from alembook.config import environment


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the process an environment with secrets in it."""
    for name in os.environ:
        monkeypatch.delenv(name)
    given = {
        "PATH": "/bin", "HOME": "/home/ann", "LC_ALL": "C", "LC_TIME": "C", "TZ": "UTC",
        "DATABASE_URL": "postgresql://ann:pw@db/shop", "PGPASSWORD": "pw", "AWS_SECRET_ACCESS_KEY": "key",
        "PGHOST": "db", "LCX": "no", "ALEMBOOK_SESSION": "1:2",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def test_a_child_inherits_what_is_on_the_list() -> None:
    """Paths and locale pass; no credential does, nor an address that could lead elsewhere."""
    assert config.child_environment() == {
        "PATH": "/bin",
        "HOME": "/home/ann",
        "LC_ALL": "C",
        "LC_TIME": "C",
        "TZ": "UTC",
    }


def test_what_is_given_to_a_child_wins() -> None:
    """The caller adds, and replaces."""
    found = config.child_environment({"TZ": "Asia/Tokyo", "PGPASSWORD": "own"})
    assert (found["TZ"], found["PGPASSWORD"], found["PATH"]) == ("Asia/Tokyo", "own", "/bin")


def test_a_kernel_has_the_whole_environment() -> None:
    """References (env:NAME) are resolved there."""
    found = environment.kernel_environment({"TZ": "Asia/Tokyo"})
    assert (found["TZ"], found["DATABASE_URL"]) == ("Asia/Tokyo", "postgresql://ann:pw@db/shop")


def test_a_variable_is_set_when_it_says_something() -> None:
    """Empty counts as not set."""
    os.environ["EMPTY"] = ""
    assert [environment.is_set(name) for name in ("TZ", "EMPTY", "NONE")] == [True, False, False]


def test_programs_are_found_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """PATH, or the system's default where there is none."""
    assert environment.search_path() == "/bin"
    monkeypatch.delenv("PATH")
    assert environment.search_path() == os.defpath


def test_a_runner_tells_its_kernels_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutex and nonce survive the way through a variable, signs included; without it a kernel works alone."""
    written = config.write_session_keys(-(2**63), 2**63 - 1)
    assert list(written) == ["ALEMBOOK_SESSION"]
    monkeypatch.setenv("ALEMBOOK_SESSION", written["ALEMBOOK_SESSION"])
    assert config.session_keys() == (-(2**63), 2**63 - 1)
    monkeypatch.delenv("ALEMBOOK_SESSION")
    assert config.session_keys() is None
