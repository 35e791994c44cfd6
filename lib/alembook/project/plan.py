"""The frozen answer to "what will happen": made once, held against everything later."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from alembook import config, errors
from alembook.project import description, differing, graph, source
from alembook.project.description import Description
from alembook.project.stages import Boundary, Stage, stages

__all__ = ["Boundary", "Entry", "Plan", "Stage", "freeze", "stages"]

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A revision the plan applies.

    Attributes:
        id: its id.
        down: ids it revises.
        depends_on: ids it needs besides.
        doc: first line of its docstring.
        file: relative to the folder of ``alembook.toml``.
        sha256: of the file.
        uses_autocommit: it is not one transaction.
    """

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    doc: str
    file: str
    sha256: str
    uses_autocommit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do, and under which circumstances.

    Attributes:
        run_id: of the run that made it; not part of the hash.
        made_at: UTC, ISO 8601; not part of the hash.
        target: its name.
        wanted: as the operator said it ("head").
        start: the version rows it begins at; () for an empty database.
        goal: the ids ``wanted`` means.
        revisions: what is applied, in that order.
        stages: the same ids cut into stages, with the backfills at their ends.
        files: path relative to the folder of ``alembook.toml`` -> SHA-256: env.py, configuration, every revision of the
            project (applied ones too), backfills, checks, runbooks.
        script_folder: of env.py, relative to the same folder.
        version_table: its name.
        version_table_schema: where it is, or will be.
        mode: who ends transactions: "revision" (Alembic, one each), "external" (env.py) or "autocommit" (nobody).
        server: what identifies server and database.
        policy: limits and choices of the target.
        versions: of tools and drivers, in both interpreters.
        commit: of git, or "unknown".
        is_dirty: whether files differ from that commit; None = unknown.
        uncommitted: Python files of the repository that differ from it -> SHA-256, see ``source.Git``.
        invalid_indexes: there already, before anything was done.
        direction: "up", or "down": the revisions are taken back, the last one first.
        points: for "down", the version rows after each of them.
    """

    run_id: str
    made_at: str
    target: str
    wanted: str
    start: tuple[str, ...]
    goal: tuple[str, ...]
    revisions: tuple[Entry, ...]
    stages: tuple[Stage, ...]
    files: Mapping[str, str]
    script_folder: str
    version_table: str
    version_table_schema: str | None
    mode: str
    server: Mapping[str, Any]
    policy: Mapping[str, Any]
    versions: Mapping[str, str]
    commit: str
    is_dirty: bool | None
    uncommitted: Mapping[str, str]
    invalid_indexes: tuple[str, ...]
    direction: str = "up"
    points: tuple[tuple[str, ...], ...] = ()

    @property
    def hash(self) -> str:
        """Returns the SHA-256 of everything but run and time, as canonical JSON (sorted keys, no spaces, UTF-8)."""
        value = self._values()
        del value["run_id"], value["made_at"]
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def _values(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return value

    def order(self) -> tuple[str, ...]:
        """Returns the ids of what is applied, in that order."""
        return tuple(entry.id for entry in self.revisions)

    def revision(self, identifier: str) -> Entry:
        """Returns a revision of the plan.

        Raises:
            errors.UnknownRevision: it is not in the plan.
        """
        for entry in self.revisions:
            if entry.id == identifier:
                return entry
        raise errors.UnknownRevision(
            f"The plan has no revision '{identifier}'.",
            why=f"it applies {', '.join(self.order()) or 'nothing'}.",
            next="Name one of these.",
        )

    def stage(self, number: int) -> Stage:
        """Returns a stage by its number.

        Raises:
            errors.ParameterError: there is none of that number.
        """
        if 1 <= number <= len(self.stages):
            return self.stages[number - 1]
        raise errors.ParameterError(
            f"The plan has no stage {number}.",
            why=f"its stages are 1 to {len(self.stages)}." if self.stages else "there is nothing to do in it.",
            next="Set `stage` to one of these.",
        )

    def to_json(self) -> dict[str, Any]:
        """Returns the plan for a receipt, its format and hash included."""
        return {"format": FORMAT, "hash": self.hash, **self._values()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Returns the plan a receipt holds.

        Raises:
            errors.PlanChanged: a field is missing or unknown, or the content does not have the hash it came with.
        """
        names = {field.name for field in fields(cls)}
        odd = sorted(names ^ (set(value) - {"format", "hash"}))
        if odd or value.get("format") != FORMAT:
            raise _changed(f"fields are missing or unknown: {', '.join(odd)}" if odd else "its format is another one")
        plan = cls(
            **{
                **{name: _frozen(value[name]) for name in names},
                "revisions": tuple(_typed(Entry, entry) for entry in value["revisions"]),
                "stages": tuple(_typed(Stage, entry) for entry in value["stages"]),
                "points": tuple(map(tuple, value["points"])),
            }
        )
        if plan.hash != value["hash"]:
            raise _changed("its content does not have the hash it came with")
        return plan

    def differences(self, other: Plan) -> list[str]:
        """Returns a sentence for each thing in which another plan differs; run and time do not count."""
        return list(differing.sentences(self, other))


def freeze(
    target: config.Target,
    found: Description,
    *,
    run_id: str,
    made_at: str,
    wanted: str,
    rows: Sequence[str] | None,
    boundaries: Sequence[Boundary],
    documents: Collection[Path],
    server: Mapping[str, Any],
    policy: Mapping[str, Any],
    versions: Mapping[str, str],
    invalid_indexes: Sequence[str],
) -> Plan:
    """Returns the plan for one run.

    Args:
        target: where to.
        found: the project.
        run_id: of the run.
        made_at: UTC, ISO 8601.
        wanted: what the operator asked for, see ``graph.resolve``.
        rows: the version rows; None when there is no version table.
        boundaries: of every backfill beside the versions, in the order they were declared.
        documents: further files to freeze: backfills, checks, runbooks.
        server: what identifies server and database (``Identity.fixed``).
        policy: JSON-able limits and choices.
        versions: of our own tools; the project's are added as "project python" and so on.
        invalid_indexes: names of those that are invalid already.

    Raises:
        errors.UnknownRevision: ``wanted`` means nothing, or more than one thing.
        errors.ConfigurationError: the backfills cannot be placed.
    """
    return Plan(
        run_id=run_id,
        made_at=made_at,
        target=target.name,
        wanted=wanted,
        files=dict(sorted({**found.files, **description.hashes(list(documents), target.folder)}.items())),
        server=_plain(server),
        policy=_plain(policy),
        versions={**versions, **{f"project {name}": version for name, version in found.versions.items()}},
        invalid_indexes=tuple(invalid_indexes),
        **_path(target, found, wanted, tuple(rows or ()), boundaries),
        **_of_the_project(target, found),
    )


def _path(
    target: config.Target, found: Description, wanted: str, start: tuple[str, ...], boundaries: Sequence[Boundary]
) -> dict[str, Any]:
    """Returns the fields of a plan that say what is applied or taken back, from where to where."""
    goal = graph.resolve(found.revisions, start, wanted)
    is_down = graph.is_behind(found.revisions, start, goal)
    pending = (graph.undone if is_down else graph.pending)(found.revisions, start, goal)
    applied = graph.ancestors(found.revisions, start)
    ids = [revision.id for revision in pending]
    return {
        "start": start,
        "goal": goal,
        "revisions": tuple(_entry(revision, target.folder) for revision in pending),
        "stages": stages(ids, [] if is_down else boundaries, applied=applied),
        "direction": "down" if is_down else "up",
        "points": graph.points(found.revisions, applied, pending) if is_down else (),
    }


def _of_the_project(target: config.Target, found: Description) -> dict[str, Any]:
    """Returns the fields of a plan that the project alone decides."""
    git = source.git(found.script_folder)
    return {
        "script_folder": description.name(found.script_folder, target.folder),
        "version_table": found.version_table,
        "version_table_schema": found.version_table_schema,
        "mode": found.mode,
        "commit": git.commit,
        "is_dirty": git.is_dirty,
        "uncommitted": git.changed,
    }


def _entry(revision: graph.Revision, folder: Path) -> Entry:
    return Entry(
        id=revision.id,
        down=revision.down,
        depends_on=revision.depends_on,
        doc=revision.doc,
        file=description.name(revision.file, folder),
        sha256=revision.sha256,
        uses_autocommit=revision.uses_autocommit,
    )


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a value as JSON gives it back, so that a plan equals its own copy from a file."""
    plain: dict[str, Any] = json.loads(json.dumps(value, default=str))
    return plain


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_T = TypeVar("_T", Entry, Stage)


def _typed(kind: type[_T], value: Mapping[str, Any]) -> _T:
    try:
        return kind(**{name: _frozen(entry) for name, entry in value.items()})
    except TypeError as error:
        raise _changed(f"a {kind.__name__.lower()} has other fields") from error


def _changed(why: str) -> errors.PlanChanged:
    return errors.PlanChanged(
        "The plan cannot be read.",
        why=f"{why}.",
        next="It was changed by hand, or made by another version of Alembook. Begin a new run, which plans anew.",
        state="unchanged: nothing was applied.",
    )
