"""Interpreters of projects of their own: a virtual environment for each requirements.txt under tests/projects.

Made with pip from hash-pinned files, once: in pytest's cache, where the next test run finds them, named by what is in
them; without a cache in the folder of the servers. The processes of a test run (pytest-xdist) wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECTS = Path(__file__).parent / "projects"
#: Installed first, for a project that has packages without a wheel; pip would fetch them unpinned.
FILES = ("build.txt", "requirements.txt")


def make(cache: Path, example: str) -> Path:
    """Returns the interpreter of an example project, in an environment that has its requirements and nothing else.

    Args:
        cache: folder of the environments.
        example: name of the project.
    """
    files = [path for path in (PROJECTS / example / name for name in FILES) if path.is_file()]
    content = b"".join(path.read_bytes() for path in files) + sys.version.encode()
    folder = cache / f"{example}-{hashlib.sha256(content).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{example}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, files)
            (folder / "complete").touch()
    return folder / "bin/python"


def _build(folder: Path, files: list[Path]) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=600)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "--disable-pip-version-check"]
    # SQLAlchemy 1.3 without its C extensions: they are built for nobody, and a compiler is not asked for.
    environment = {**os.environ, "DISABLE_SQLALCHEMY_CEXT": "1"}
    for file in files:
        install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--require-hashes", "-r", str(file)]
        done = subprocess.run([*pip, *install], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
