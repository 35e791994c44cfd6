"""In what two plans differ, a sentence for each thing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from alembook.project.stages import Stage

if TYPE_CHECKING:
    from alembook.project.plan import Plan


def sentences(plan: Plan, other: Plan) -> Iterator[str]:
    """Yields a sentence for each thing in which another plan differs; run and time do not count."""
    yield from _in_lists(plan.order(), other.order(), "revision")
    common = [entry for entry in plan.revisions if entry.id in other.order()]
    if [e.id for e in common] != [i for i in other.order() if i in plan.order()]:
        yield "revisions are in another order."
    yield from _in_maps(plan.files, other.files, "file")
    for field in fields(plan):
        name = field.name
        if name in {"run_id", "made_at", "revisions", "files"}:
            continue
        mine, its = getattr(plan, name), getattr(other, name)
        if name == "uncommitted":
            changed = (path for path in {**mine, **its} if mine.get(path) != its.get(path))
            yield from (f"file {path} is not what it was, by git." for path in changed)
        elif isinstance(mine, Mapping):
            yield from _in_maps(mine, its, name)
        elif name == "stages" and mine != its:
            yield f"stages became: {'; '.join(map(_stage, its)) or 'none'}."
        elif mine != its:
            yield f"{name}: {_shown(mine)} became {_shown(its)}."


def _in_lists(mine: Collection[str], its: Collection[str], noun: str) -> Iterator[str]:
    yield from (f"{noun} {name} was added." for name in its if name not in mine)
    yield from (f"{noun} {name} is gone." for name in mine if name not in its)


def _in_maps(mine: Mapping[str, Any], its: Mapping[str, Any], noun: str) -> Iterator[str]:
    yield from _in_lists(mine, its, noun)
    for name in mine:
        if name in its and mine[name] != its[name]:
            is_file = noun == "file"
            yield f"file {name} changed." if is_file else f"{noun} {name}: {mine[name]} became {its[name]}."


def _stage(stage: Stage) -> str:
    parts = [" ".join(stage.revisions), f"then {', '.join(stage.backfills)}" if stage.backfills else ""]
    held = f"; held for {stage.hold}" if stage.hold else ""
    return ", ".join(part for part in parts if part) + held


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
