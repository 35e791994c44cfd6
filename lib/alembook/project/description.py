"""What the agent found out about a project by looking."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembook import config
from alembook.project import graph, location


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A project, and where its env.py leads.

    Attributes:
        revisions: each after its parents.
        heads: ids nothing revises, as Alembic lists them (one that another depends on included).
        bases: ids that revise nothing.
        version_table: its name.
        version_table_schema: where it is, or would be created.
        mode: who ends transactions: "revision" (Alembic, one each), "external" (env.py), "autocommit" (nobody).
        contexts: how often env.py runs migrations; more than once for several databases or schemas.
        script_folder: of env.py, absolute.
        files: path relative to the folder of ``alembook.toml`` -> SHA-256, for env.py, configuration,
            revisions, and the project's modules they import.
        versions: python, alembic, sqlalchemy and driver in the project's interpreter.
        reached: database, address, port, user, version, search_path, as the server told the project's connection.
        lock_timeout: read back there.
        left_out: statements env.py would have written with before its revisions, which looking left out.
    """

    revisions: tuple[graph.Revision, ...]
    heads: tuple[str, ...]
    bases: tuple[str, ...]
    version_table: str
    version_table_schema: str | None
    mode: str
    contexts: int
    script_folder: Path
    files: Mapping[str, str]
    versions: Mapping[str, str]
    reached: Mapping[str, Any]
    lock_timeout: str
    left_out: tuple[str, ...]


def read(event: Mapping[str, Any], target: config.Target, place: location.Location) -> Description:
    """Returns the description in the agent's event "described".

    Raises:
        errors.ProjectFailed: the revisions are no graph.
    """
    first = event["contexts"][0]
    revisions = graph.order([_revision(entry) for entry in event["revisions"]])
    documents = [
        Path(event["env_file"]),
        *map(Path, event["modules"]),
        *(path for path in (place.ini, place.toml) if path is not None),
    ]
    return Description(
        revisions=revisions,
        heads=tuple(event["heads"]),
        bases=tuple(event["bases"]),
        version_table=first["version_table"],
        version_table_schema=first["version_table_schema"],
        mode=first["mode"],
        contexts=len(event["contexts"]),
        script_folder=Path(event["script_folder"]),
        files={**hashes(documents, target.folder), **{name(r.file, target.folder): r.sha256 for r in revisions}},
        versions=dict(event["versions"]),
        reached=dict(first["reached"]),
        lock_timeout=first["lock_timeout"],
        left_out=tuple(event["left_out"]),
    )


def _revision(entry: Mapping[str, Any]) -> graph.Revision:
    lists = {key: tuple(entry[key]) for key in ("down", "depends_on", "branch_labels")}
    return graph.Revision(**{**entry, **lists, "file": Path(entry["file"])})


def name(path: Path, folder: Path) -> str:
    """Returns a file's path relative to a folder, with ``..`` where it lies outside."""
    return os.path.relpath(path, folder)


def hashes(paths: Sequence[Path], folder: Path) -> dict[str, str]:
    """Returns path relative to ``folder`` -> SHA-256 of the file's bytes."""
    return {name(path, folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
