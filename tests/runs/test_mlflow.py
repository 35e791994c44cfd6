"""The README's example of bringing your own project: MLflow, from a middle revision with rows in its tables to head.

The environment is the one the README makes (its versions pinned with hashes in tests/projects/mlflow), the target and
the commands are the README's own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server
from tests.interpreters import PROJECTS
from tests.runs.conftest import Workplace, made_from
from tests.test_docs import README, blocks

pytestmark = pytest.mark.slow

MIDDLE, HEAD = "867495a8f9d4", "dc11669786a5"
SECTION = README.read_text(encoding="utf-8").partition("## Your own project: MLflow\n")[2].partition("\n## ")[0]
MIGRATIONS = "mlflow/store/db_migrations"


def shown(language: str) -> str:
    """Returns the fenced blocks of a language in the README's section, one below the other."""
    return "".join(re.findall(rf"(?ms)^```{language}\n(.*?)^```$", SECTION))


def commands() -> list[list[str]]:
    """Returns the words behind "alembook" of each such line in the section."""
    lines = [shlex.split(line, comments=True) for line in shown("sh").splitlines()]
    return [words[1:] for words in lines if words[:1] == ["alembook"]]


def address(database: Database) -> str:
    """Returns a URL as libpq reads it."""
    return database.url().replace("+psycopg2", "")


@pytest.fixture(scope="module")
def python(interpreter: Callable[[str], Path]) -> Path:
    """Returns the interpreter that has MLflow."""
    return interpreter("mlflow")


@pytest.fixture(scope="module")
def tracking(server18: Server, python: Path, worker_id: str) -> str:
    """Returns the name of a database as a tracking server of MLflow 2.14 left it, which others are made from."""
    name = f"mlflow_template_{worker_id}"
    url = server18.create_database(name).url()
    done = subprocess.run([python, PROJECTS / "mlflow/begin.py", url, MIDDLE], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return name


@pytest.fixture
def place(
    tmp_path: Path, server18: Server, tracking: str, python: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """Yields a folder as the README's reader has it: the environment, an alembook.toml, the address in a variable."""
    environment = python.parents[1]
    shutil.copytree(environment, tmp_path / "mlflow-env", symlinks=True, copy_function=os.symlink)
    text = blocks_of_target().replace("python3.11", next((environment / "lib").iterdir()).name)
    (tmp_path / "alembook.toml").write_text(text, encoding="utf-8")
    with made_from(server18, tracking, f"mlflow_{os.getpid()}_{abs(hash(tmp_path)) % 10**9}") as database:
        monkeypatch.setenv("MLFLOW_DATABASE_URL", address(database))
        yield Workplace(folder=tmp_path, database=database)


def blocks_of_target() -> str:
    """Returns the alembook.toml of the section."""
    (found,) = [text for text in blocks(README, "toml") if "[targets.mlflow]" in text]
    return found


def beside(place: Workplace) -> Path:
    """Returns the folder in which MLflow's revisions have theirs."""
    (folder,) = place.folder.glob(f"mlflow-env/lib/*/site-packages/{MIGRATIONS}")
    return folder


def declare(place: Workplace) -> None:
    """Puts the section's checks beside MLflow's revisions."""
    (beside(place) / "checks.toml").write_text((PROJECTS / "mlflow/checks.toml").read_text(encoding="utf-8"))


def record(place: Workplace, name: str) -> dict[str, Any]:
    """Returns a JSON file of the latest run."""
    folder = max((place.folder / "runs/mlflow").iterdir())
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def failed(place: Workplace) -> list[str]:
    """Returns the names of the must checks of the rehearsal that are not PASSED."""
    checks = record(place, "rehearsal.json")["checks"]
    return [check["name"] for check in checks if check["grade"] == "must" and check["outcome"] != "PASSED"]


def test_the_readmes_commands_take_it_to_head(place: Workplace) -> None:
    """With what is meant declared doctor, dry run and run end with 0; all six steps PASSED, every row has its place."""
    declare(place)
    (beside(place) / "backfills").mkdir()
    shutil.copy(PROJECTS / "mlflow/backfill.py", beside(place) / "backfills/client_request_ids.py")
    for words in commands():
        done = place.alembook(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    steps = record(place, "manifest.json")["sittings"][-1]["steps"]
    assert {step["step"] for step in steps} == {"inspect", "backup", "rehearse", "upgrade", "backfill", "verify"}
    assert {step["verdict"] for step in steps} == {"PASSED"}
    assert place.ask("SELECT version_num FROM alembic_version") == HEAD
    assert place.ask("SELECT count(*) FROM trace_info WHERE client_request_id = request_id") == 3000
    assert (
        place.ask("SELECT count(*) FROM trace_info WHERE trace_name = 'predict' AND session_id LIKE 'session%'") == 3000
    )


def test_undeclared_it_is_stopped(place: Workplace) -> None:
    """Without checks the rehearsal is red and names the tables whose rows MLflow moves; the database is as it was."""
    done = place.alembook("run", "-t", "mlflow")
    assert done.returncode == 3
    said = [line.strip() for line in done.stderr.splitlines()]
    for line in shown("text").splitlines():
        assert line in said
    assert {re.sub(r".*public\.(\w+)", r"\1", name) for name in failed(place)} == {
        "trace_tags",
        "trace_request_metadata",
    }
    assert place.ask("SELECT version_num FROM alembic_version") == MIDDLE
    assert place.ask("SELECT count(*) FROM trace_tags") == 6000


def test_a_session_that_is_cut_is_found(place: Workplace) -> None:
    """MLflow cuts a session id of more than 250 characters with no more than a warning: the declared check fails."""
    declare(place)
    cut = (
        "UPDATE trace_request_metadata SET value = repeat('s', 251) WHERE key = 'mlflow.trace.session' AND request_id ="
    )
    place.execute(f"{cut} (SELECT min(request_id) FROM trace_info)")
    assert place.alembook("run", "-t", "mlflow").returncode == 3
    assert failed(place) == ["sessions survive"]


def test_the_checks_shown_are_those_tested() -> None:
    """The README shows tests/projects/mlflow/checks.toml."""
    assert (PROJECTS / "mlflow/checks.toml").read_text(encoding="utf-8") in shown("toml")


def test_the_environment_shown_is_the_one_tested() -> None:
    """The packages the README installs are pinned, in versions it asks for."""
    (line,) = [line for line in shown("sh").splitlines() if "bin/pip install" in line]
    wanted = [Requirement(word) for word in shlex.split(line, comments=True)[2:]]
    pinned = dict(re.findall(r"(?m)^([a-z0-9-]+)==([^ ;]+)", (PROJECTS / "mlflow/requirements.txt").read_text()))
    assert wanted
    assert [str(each) for each in wanted if not each.specifier.contains(pinned.get(each.name, ""))] == []
