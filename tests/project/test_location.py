"""Where a project's configuration is looked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alembook import config, errors
from alembook.project import location
from tests.project.conftest import target_of

INI = "[alembic]\nscript_location = migrations\n"
TOML = '[tool.alembic]\nscript_location = "migrations"\n'


def write(folder: Path, *names: str) -> config.Target:
    """Returns a target for a project made of these files, named by their folder."""
    for name in names:
        file = folder / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TOML if file.suffix == ".toml" else INI)
    return replace(target_of(folder), project=folder / "project")


@pytest.mark.parametrize(
    ("files", "ini", "toml", "directory"),
    [
        (["alembic.ini"], "alembic.ini", None, "."),
        (["migrations/alembic.ini"], "migrations/alembic.ini", None, "migrations"),
        (["pyproject.toml"], None, "pyproject.toml", "."),
        (["alembic.ini", "pyproject.toml"], "alembic.ini", "pyproject.toml", "."),
    ],
)
def test_a_folder(tmp_path: Path, files: list[str], ini: str | None, toml: str | None, directory: str) -> None:
    """A folder has its ini, one in migrations/, or a pyproject.toml with [tool.alembic]."""
    found = location.find(write(tmp_path, *files))
    project = tmp_path / "project"
    assert found.ini == (project / ini if ini else None)
    assert found.toml == (project / toml if toml else None)
    assert found.directory == project / directory


def test_a_file(tmp_path: Path) -> None:
    """The file itself can be named."""
    target = write(tmp_path, "deploy/production.ini", "pyproject.toml")
    found = location.find(replace(target, project=target.project / "deploy/production.ini"))
    assert (found.ini, found.toml) == (target.project / "deploy/production.ini", None)
    found = location.find(replace(target, project=target.project / "pyproject.toml"))
    assert (found.ini, found.toml) == (None, target.project / "pyproject.toml")


def test_the_working_directory_is_where_the_agent_works(tmp_path: Path) -> None:
    """``working_directory`` wins over the folder of the ini; an application's default is the folder of our file."""
    target = write(tmp_path, "migrations/alembic.ini")
    assert location.find(replace(target, working_directory=tmp_path)).directory == tmp_path
    assert location.find(replace(target, flask_app="app:create_app")).directory == tmp_path


def test_two_are_refused(tmp_path: Path) -> None:
    """A folder with two candidates is ambiguous, and both are named."""
    project = tmp_path / "project"
    with pytest.raises(errors.ConfigurationError) as caught:
        location.find(write(tmp_path, "alembic.ini", "migrations/alembic.ini"))
    assert caught.value.what == "targets.trial.project does not lead to an Alembic project."
    assert caught.value.why == f"there are two: {project / 'alembic.ini'} and {project / 'migrations/alembic.ini'}."


def test_none_says_what_was_looked_for(tmp_path: Path) -> None:
    """An empty folder is refused with every place that was looked at."""
    target = write(tmp_path)
    target.project.mkdir()
    with pytest.raises(errors.ConfigurationError) as caught:
        location.find(target)
    assert caught.value.why == (
        f"looked for {target.project / 'alembic.ini'}, {target.project / 'migrations/alembic.ini'}, "
        f"{target.project / 'pyproject.toml'} with [tool.alembic]."
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"project": Path("/nowhere")}, "there is no /nowhere."),
        ({"python": Path("/nowhere/python")}, "there is no /nowhere/python."),
        ({"working_directory": Path("/nowhere")}, "there is no folder /nowhere."),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, change: dict[str, Path], why: str) -> None:
    """A path of the target that leads nowhere is refused by its key."""
    target = write(tmp_path, "alembic.ini")
    with pytest.raises(errors.ConfigurationError) as caught:
        location.find(replace(target, **change))  # type: ignore[arg-type]
    assert caught.value.what == f"targets.trial.{next(iter(change))} does not lead to an Alembic project."
    assert caught.value.why == why


@pytest.mark.parametrize(
    ("text", "why"),
    [("[other]\n", "has no section [alembic]."), ("no ini at all", "cannot be read as an ini file: ")],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """A file without [alembic], or that is no ini, is refused."""
    target = write(tmp_path, "alembic.ini")
    (target.project / "alembic.ini").write_text(text)
    with pytest.raises(errors.ConfigurationError) as caught:
        location.find(target)
    assert why in caught.value.why
