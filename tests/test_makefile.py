"""The Makefile makes .venv when it must, only then, in a folder of any name, and says what it needs.

A script of a few lines stands in for Python: it writes down how it was called and makes the files Python would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make") or "make"

FAKE = """#!/bin/sh
case "$*" in
*version_info*) exit ${IS_OLD:-0} ;;
*ensurepip*) exit ${HAS_NO_PIP:-0} ;;
esac
echo "$*" >>calls
case "$*" in
"-m venv --clear .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
*--require-hashes*) exit ${HAS_NO_NETWORK:-0} ;;
esac
"""

INSTALL = [
    "-m venv --clear .venv",
    "-m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements.lock",
    "-m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .",
]

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a clone reduced to what `make install` looks at, in a folder with spaces in its name."""
    made = tmp_path / "a folder with spaces"
    made.mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, made / name)
    (made / "fake python").write_text(FAKE, encoding="utf-8")
    (made / "fake python").chmod(0o755)
    return made


@pytest.fixture
def make(folder: Path) -> Make:
    """Returns a function that runs make there; keywords become variables of the environment."""

    def run(*goals: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MAKE, "--no-print-directory", "PYTHON='./fake python'", *goals],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def calls(folder: Path) -> list[str]:
    """Returns how the fake Python was called, and forgets it."""
    path = folder / "calls"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def later(path: Path) -> None:
    """Marks a file as changed after everything else."""
    newest = max(other.stat().st_mtime for other in path.parent.rglob("*")) + 2
    os.utime(path, (newest, newest))


def test_a_fresh_clone_gets_its_environment(folder: Path, make: Make) -> None:
    """The first make installs the lock with its hashes checked, then the package without asking for anything else."""
    assert make("install").returncode == 0
    assert calls(folder) == INSTALL


def test_nothing_is_installed_twice(folder: Path, make: Make) -> None:
    """The second make installs nothing."""
    make("install")
    calls(folder)
    assert make("install").returncode == 0
    assert calls(folder) == []


def test_a_new_lock_makes_a_new_environment(folder: Path, make: Make) -> None:
    """A changed lock starts .venv from nothing: what the lock no longer names is gone."""
    make("install")
    calls(folder)
    later(folder / "requirements.lock")
    make("install")
    assert calls(folder) == INSTALL


def test_a_new_pyproject_installs_the_package_again(folder: Path, make: Make) -> None:
    """A changed pyproject.toml alone costs no new environment."""
    make("install")
    calls(folder)
    later(folder / "pyproject.toml")
    make("install")
    assert calls(folder) == INSTALL[2:]


def test_half_an_installation_does_not_count(folder: Path, make: Make) -> None:
    """After an installation that failed, the next make begins anew."""
    assert make("install", HAS_NO_NETWORK="1").returncode == 2
    calls(folder)
    assert make("install").returncode == 0
    assert calls(folder) == INSTALL


def test_an_old_python_is_refused(folder: Path, make: Make) -> None:
    """A Python before 3.11 is refused with what to do, before anything is made."""
    done = make("install", IS_OLD="1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "Alembook needs Python 3.11 or newer, and './fake python' is not: make PYTHON=python3.13"
    )
    assert not (folder / ".venv").exists()


def test_a_python_without_pip_is_refused(folder: Path, make: Make) -> None:
    """A Python that cannot make an environment is refused with the package that helps."""
    done = make("install", HAS_NO_PIP="1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "'./fake python' cannot make an environment with pip in it. On Debian and Ubuntu: apt-get install python3-venv"
    )
    assert not (folder / ".venv").exists()


def test_help_lists_the_goals(make: Make) -> None:
    """`make` by itself lists what can be made, and makes nothing."""
    goals = [line.split()[1] for line in make().stdout.splitlines()]
    assert goals == ["help", "demo", "test", "check", "lab", "lock", "clean", "install"]


def test_clean_leaves_the_record(folder: Path, make: Make) -> None:
    """`make clean` removes the environment, and neither archive nor database."""
    make("install")
    kept = [folder / "runs", folder / ".alembook", folder / "backups"]
    for path in kept:
        path.mkdir()
    make("clean")
    assert not (folder / ".venv").exists()
    assert all(path.is_dir() for path in kept)
