"""Freezing a plan, keeping it, and telling what differs."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alembook import errors
from alembook.project import plan as plans
from alembook.project.description import Description, hashes
from alembook.project.plan import Boundary, Plan, Stage
from tests.project.conftest import target_of
from tests.project.test_graph import LINE


def describe(folder: Path) -> Description:
    """Returns a description of three revisions in a line, whose files are in ``folder``."""
    scripts = folder / "project"
    (scripts / "versions").mkdir(parents=True, exist_ok=True)
    (scripts / "env.py").write_text("# env")
    revisions = []
    for entry in LINE:
        file = scripts / "versions" / f"{entry.id}.py"
        file.write_text(f"# {entry.id}")
        revisions.append(replace(entry, file=file, docstring=f"Does {entry.id}\n\nand more", sha256=_hash(file)))
    return Description(
        revisions=tuple(revisions),
        heads=("cccc3333",),
        bases=("aaaa1111",),
        version_table="alembic_version",
        version_table_schema="public",
        mode="revision",
        contexts=1,
        script_folder=scripts,
        files=hashes([scripts / "env.py", *(r.file for r in revisions)], folder),
        versions={"alembic": "1.20.1", "driver": "psycopg2 2.9.9"},
        reached={},
        lock_timeout="2s",
        left_out=(),
    )


def _hash(file: Path) -> str:
    return hashes([file], file.parent)[file.name]


def freeze(folder: Path, **changes: Any) -> Plan:
    """Returns a plan from aaaa1111 to head with one backfill in between."""
    document = folder / "checks.toml"
    document.write_text("# none")
    values: dict[str, Any] = {
        "run_id": "r1",
        "made_at": "2026-11-22T12:00:00Z",
        "wanted": "head",
        "rows": ("aaaa1111",),
        "boundaries": [Boundary(name="names", after="aaab2222", before="cccc3333", hold="deploy")],
        "documents": [document],
        "server": {"version": "18.4", "database_oid": 5, "address": ""},
        "policy": {"limits": {"lock_timeout_ms": 2000}, "writers": "running"},
        "versions": {"alembook": "0.1.0"},
        "invalid_indexes": (),
    }
    return plans.freeze(target_of(folder), changes.pop("found", None) or describe(folder), **{**values, **changes})


def test_freeze_has_everything_that_counts(tmp_path: Path) -> None:
    """The plan names exact revisions in order, stages, files with their hashes, versions and policy."""
    plan = freeze(tmp_path)
    assert (plan.start, plan.goal, plan.order()) == (("aaaa1111",), ("cccc3333",), ("aaab2222", "cccc3333"))
    assert plan.stages == (
        Stage(number=1, revisions=("aaab2222",), backfills=("names",), hold="deploy"),
        Stage(number=2, revisions=("cccc3333",)),
    )
    assert list(plan.files) == [
        "checks.toml",
        "project/env.py",
        "project/versions/aaaa1111.py",
        "project/versions/aaab2222.py",
        "project/versions/cccc3333.py",
    ]
    assert plan.files["project/env.py"] == _hash(tmp_path / "project/env.py")
    assert plan.revision("cccc3333").doc == "Does cccc3333"
    assert plan.revision("cccc3333").file == "project/versions/cccc3333.py"
    assert plan.versions == {"alembook": "0.1.0", "project alembic": "1.20.1", "project driver": "psycopg2 2.9.9"}
    assert (plan.commit, plan.is_dirty) == ("unknown", None)
    assert (plan.script_folder, plan.version_table_schema) == ("project", "public")


def test_the_hash_leaves_out_run_and_time(tmp_path: Path) -> None:
    """Two runs with the same plan have the same hash; anything else in it changes the hash."""
    plan = freeze(tmp_path)
    assert freeze(tmp_path, run_id="r2", made_at="2026-11-23T12:00:00Z").hash == plan.hash
    assert len(plan.hash) == 64
    assert freeze(tmp_path, policy={"limits": {"lock_timeout_ms": 2001}}).hash != plan.hash


def test_json_gives_the_same_plan_back(tmp_path: Path) -> None:
    """A plan survives a file."""
    plan = freeze(tmp_path)
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"wanted": "heads"}, "its content does not have the hash it came with."),
        ({"surprise": 1}, "fields are missing or unknown: surprise."),
        ({"format": 99}, "its format is another one."),
        ({"stages": [{"number": 1, "colour": "red"}]}, "a stage has other fields."),
    ],
)
def test_json_that_was_changed_is_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    """A plan changed by hand is none."""
    with pytest.raises(errors.PlanChanged) as caught:
        Plan.from_json({**freeze(tmp_path).to_json(), **change})
    assert caught.value.why == why


def test_json_that_lacks_a_field_is_refused(tmp_path: Path) -> None:
    """A missing field is named."""
    value = freeze(tmp_path).to_json()
    del value["policy"], value["server"]
    with pytest.raises(errors.PlanChanged) as caught:
        Plan.from_json(value)
    assert caught.value.why == "fields are missing or unknown: policy, server."


def test_equal_plans_do_not_differ(tmp_path: Path) -> None:
    """Run and time are no difference."""
    assert freeze(tmp_path).differences(freeze(tmp_path, run_id="r2")) == []


def test_differences_are_named(tmp_path: Path) -> None:
    """Each thing that differs has its sentence."""
    plan = freeze(tmp_path)
    found = describe(tmp_path)
    extra = replace(found.revisions[-1], id="dddd4444", down=("cccc3333",))
    files = {**found.files, "project/env.py": "other", "project/versions/dddd4444.py": "new"}
    del files["project/versions/aaaa1111.py"]
    other = freeze(
        tmp_path,
        found=replace(found, revisions=(*found.revisions, extra), files=files, versions={"alembic": "1.21.0"}),
        rows=(),
        server={"version": "18.5", "database_oid": 5, "address": ""},
        policy={"writers": "running"},
        invalid_indexes=("public.i",),
    )
    assert plan.differences(other) == [
        "revision aaaa1111 was added.",
        "revision dddd4444 was added.",
        "file project/versions/dddd4444.py was added.",
        "file project/versions/aaaa1111.py is gone.",
        "file project/env.py changed.",
        "start: aaaa1111 became none.",
        "goal: cccc3333 became dddd4444.",
        "stages became: aaaa1111 aaab2222, then names; held for deploy; cccc3333 dddd4444.",
        "server version: 18.4 became 18.5.",
        "policy limits is gone.",
        "versions project driver is gone.",
        "versions project alembic: 1.20.1 became 1.21.0.",
        "invalid_indexes: none became public.i.",
    ]


def test_a_stage_or_revision_that_is_not_there(tmp_path: Path) -> None:
    """Asking for what the plan does not have says what it has."""
    plan = freeze(tmp_path)
    assert plan.stage(2).revisions == ("cccc3333",)
    with pytest.raises(errors.ParameterError, match="The plan has no stage 3") as stage:
        plan.stage(3)
    assert stage.value.why == "its stages are 1 to 2."
    with pytest.raises(errors.UnknownRevision, match="The plan has no revision 'aaaa1111'") as revision:
        plan.revision("aaaa1111")
    assert revision.value.why == "it applies aaab2222, cccc3333."


def test_git_is_recorded(tmp_path: Path) -> None:
    """In a repository the plan has the commit, and whether files differ from it."""
    found = describe(tmp_path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "project"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    plan = freeze(tmp_path, found=found)
    assert (plan.commit, plan.is_dirty) == (commit, False)
    (tmp_path / "project/env.py").write_text("# changed")
    changed = freeze(tmp_path, found=found)
    assert changed.is_dirty is True
    assert changed.uncommitted == {"project/env.py": _hash(tmp_path / "project/env.py")}


def test_a_module_outside_of_the_project_is_seen_by_git(tmp_path: Path) -> None:
    """Any Python file of the repository may be imported by a revision: one that changes is named, wherever it lies."""
    found = describe(tmp_path)
    module = tmp_path / "app/crypto.py"
    module.parent.mkdir()
    module.write_text("KEY = 1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "project", "app"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    clean = freeze(tmp_path, found=found)
    module.write_text("KEY = 2\n")
    dirty = freeze(tmp_path, found=found)
    module.write_text("KEY = 3\n")
    assert clean.differences(dirty) == ["file app/crypto.py is not what it was, by git."]
    assert dirty.differences(freeze(tmp_path, found=found)) == clean.differences(dirty)
    module.unlink()
    assert freeze(tmp_path, found=found).uncommitted == {"app/crypto.py": "gone"}
