"""Where a project's Alembic configuration is."""

from __future__ import annotations

import configparser
import tomllib
from dataclasses import dataclass
from pathlib import Path

from alembook import config, errors

_INI = "alembic.ini"
_TOML = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A project's configuration.

    Attributes:
        ini: the ini file; None when everything is in ``pyproject.toml``.
        toml: the ``pyproject.toml`` with a table [tool.alembic]; None when there is none.
        directory: where the agent works.
    """

    ini: Path | None
    toml: Path | None
    directory: Path


def find(target: config.Target) -> Location:
    """Returns where the target's project is.

    ``target.project`` is a folder with ``alembic.ini``, ``migrations/alembic.ini`` or a ``pyproject.toml`` with
    [tool.alembic]; or one of these files itself.

    Raises:
        errors.ConfigurationError: none is there, two are, the interpreter or the working directory is missing; says
            what was looked for.
    """
    if target.python is not None and not target.python.exists():
        raise _refused(target, "python", f"there is no {target.python}.", "an interpreter that is there")
    ini, toml = _files(target)
    directory = target.working_directory or _directory(target, ini, toml)
    if not directory.is_dir():
        raise _refused(target, "working_directory", f"there is no folder {directory}.", "a folder that exists")
    beside = directory / _TOML
    return Location(ini=ini, toml=toml or (beside if _is_project_toml(beside) else None), directory=directory)


def _directory(target: config.Target, ini: Path | None, toml: Path | None) -> Path:
    file = ini or toml
    return target.folder if target.flask_app or file is None else file.parent


def _files(target: config.Target) -> tuple[Path | None, Path | None]:
    project = target.project
    if project.is_dir():
        return _in_folder(target, project)
    if not project.exists():
        raise _refused(target, "project", f"there is no {project}.", "a folder with alembic.ini, or the file itself")
    if project.suffix == ".toml":
        if not _is_project_toml(project):
            raise _refused(target, "project", f"{project} has no table [tool.alembic].", "a file that has it")
        beside = project.parent / _INI
        return (beside if beside.is_file() else None), project
    return _checked(target, project), None


def _in_folder(target: config.Target, folder: Path) -> tuple[Path | None, Path | None]:
    toml = folder / _TOML if _is_project_toml(folder / _TOML) else None
    candidates = [folder / _INI, folder / "migrations" / _INI]
    found = [path for path in candidates if path.is_file()]
    if len(found) > 1:
        raise _refused(
            target, "project", f"there are two: {found[0]} and {found[1]}.", "the file that is meant, not the folder"
        )
    if not found and toml is None:
        looked = ", ".join(map(str, [*candidates, f"{folder / _TOML} with [tool.alembic]"]))
        raise _refused(target, "project", f"looked for {looked}.", "a folder with alembic.ini, or the file itself")
    return (_checked(target, found[0]) if found else None), toml


def _checked(target: config.Target, ini: Path) -> Path:
    parser = configparser.RawConfigParser()
    try:
        parser.read(ini, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        why = f"{ini} cannot be read as an ini file: {error}."
        raise _refused(target, "project", why, "an ini file with a section [alembic]") from error
    if not parser.has_section("alembic"):
        raise _refused(target, "project", f"{ini} has no section [alembic].", "an ini file with a section [alembic]")
    return ini


def _is_project_toml(path: Path) -> bool:
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return isinstance(tool, dict) and "alembic" in tool


def _refused(target: config.Target, key: str, why: str, accepted: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(
        f"targets.{target.name}.{key} does not lead to an Alembic project.",
        why=why,
        next=f"Set it to {accepted}; relative paths start at {target.folder}.",
    )
