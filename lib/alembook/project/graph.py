"""The graph of revisions: order, ancestry, what is pending, and what a person means by a revision. Pure functions."""

from __future__ import annotations

import difflib
import heapq
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembook import errors

BASE = "base"
_RELATIVE = re.compile(r"(?P<anchor>[^+]*)\+(?P<steps>\d+)")
_PARTIAL_LENGTH = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision of a project.

    Attributes:
        id: as its file says.
        down: ids it revises; () for a base, several for a merge.
        depends_on: ids it needs besides.
        branch_labels: set in its own file; they hold for its descendants too.
        file: its file.
        sha256: of the file's bytes.
        docstring: of the file, whole.
        uses_autocommit: its source names ``autocommit_block``, so it is not one transaction.
    """

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    branch_labels: tuple[str, ...] = ()
    file: Path
    sha256: str
    docstring: str = ""
    uses_autocommit: bool = False

    @property
    def doc(self) -> str:
        """Returns the first line of the docstring."""
        return self.docstring.partition("\n")[0].strip()

    @property
    def is_merge(self) -> bool:
        """Says whether it revises several revisions."""
        return len(self.down) > 1

    @property
    def parents(self) -> tuple[str, ...]:
        """Returns what must be applied before it."""
        return (*self.down, *self.depends_on)


def order(revisions: Sequence[Revision]) -> tuple[Revision, ...]:
    """Returns the revisions so that each stands after its parents; otherwise in the order given.

    Raises:
        errors.ProjectFailed: a parent is missing, or revisions form a circle.
    """
    place = {revision.id: number for number, revision in enumerate(revisions)}
    waiting = {revision.id: _known_parents(revision, place) for revision in revisions}
    ready = [place[identifier] for identifier, parents in waiting.items() if not parents]
    heapq.heapify(ready)
    ordered: list[Revision] = []
    while ready:
        revision = revisions[heapq.heappop(ready)]
        ordered.append(revision)
        del waiting[revision.id]
        for identifier, parents in waiting.items():
            if revision.id in parents:
                parents.remove(revision.id)
                if not parents:
                    heapq.heappush(ready, place[identifier])
    if waiting:
        raise errors.ProjectFailed(
            f"The revisions {', '.join(sorted(waiting))} form a circle.",
            why="each of them revises or depends on another one of them.",
            next="Correct down_revision or depends_on in one of these files.",
            state="unchanged: nothing was run.",
        )
    return tuple(ordered)


def _known_parents(revision: Revision, known: Collection[str]) -> set[str]:
    missing = [parent for parent in revision.parents if parent not in known]
    if missing:
        raise errors.ProjectFailed(
            f"The revision {revision.id} revises or depends on {', '.join(missing)}, which the project does not have.",
            why="its file was removed, renamed or never committed.",
            next=f"Restore the missing file, or correct {revision.file.name}.",
            state="unchanged: nothing was run.",
        )
    return set(revision.parents)


def ancestors(revisions: Sequence[Revision], ids: Iterable[str]) -> frozenset[str]:
    """Returns revisions and everything below them; ids the project does not have are left out."""
    parents = {revision.id: revision.parents for revision in revisions}
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        identifier = waiting.pop()
        if identifier in parents and identifier not in found:
            found.add(identifier)
            waiting.extend(parents[identifier])
    return frozenset(found)


def tips(revisions: Sequence[Revision], ids: Collection[str]) -> tuple[str, ...]:
    """Returns those of ``ids`` that no other of them has below it, in graph order.

    These are the rows of the version table once exactly ``ids`` and what is below them are applied: a revision that
    another one depends on has no row of its own.
    """
    by_id = {revision.id: revision for revision in revisions}
    below = ancestors(revisions, [parent for identifier in ids for parent in by_id[identifier].parents])
    return tuple(revision.id for revision in order(revisions) if revision.id in ids and revision.id not in below)


def pending(revisions: Sequence[Revision], current: Iterable[str], wanted: Iterable[str]) -> tuple[Revision, ...]:
    """Returns what an upgrade from the version rows ``current`` to ``wanted`` applies, in the order it is applied."""
    missing = ancestors(revisions, wanted) - ancestors(revisions, current)
    return tuple(revision for revision in order(revisions) if revision.id in missing)


def undone(revisions: Sequence[Revision], current: Iterable[str], goal: Collection[str]) -> tuple[Revision, ...]:
    """Returns what a downgrade from the version rows ``current`` to ``goal`` takes back, in the order it is taken back.

    That is what is applied and stands on a goal; everything for (), the base. Branches beside it stay.
    """
    applied = ancestors(revisions, current)
    above = [
        revision
        for revision in order(revisions)
        if revision.id in applied and (not goal or set(goal) & ancestors(revisions, revision.parents))
    ]
    return tuple(reversed(above))


def is_behind(revisions: Sequence[Revision], current: Sequence[str], goal: Collection[str]) -> bool:
    """Says whether going to ``goal`` means going back: each of it is applied and has something applied above it."""
    if not goal:
        return bool(current)
    return set(goal) <= ancestors(revisions, current) - set(current)


def points(
    revisions: Sequence[Revision], applied: Collection[str], undone: Sequence[Revision]
) -> tuple[tuple[str, ...], ...]:
    """Returns the version rows after each revision that is taken back, sorted as ``state.read`` gives them."""
    left = set(applied)
    found = []
    for revision in undone:
        left.remove(revision.id)
        found.append(tuple(sorted(tips(revisions, left))))
    return tuple(found)


def resolve(revisions: Sequence[Revision], current: Sequence[str], wanted: str) -> tuple[str, ...]:
    """Returns the exact ids that a person's words mean.

    Args:
        revisions: of the project.
        current: the version rows, for "+2".
        wanted: "head" (there is one), "heads", "base", an id, the unique beginning of one (4 characters or more), a
            label, "label@head", "+2" from where the database is, or "<any of these>+2".

    Returns:
        One id; several for "heads" or a label with several heads; none for "base".

    Raises:
        errors.UnknownRevision: nothing, or more than one thing, is meant.
    """
    relative = _RELATIVE.fullmatch(wanted)
    if relative:
        anchor = relative["anchor"]
        start = resolve(revisions, current, anchor) if anchor else tuple(current)
        return (_walk(revisions, start, int(relative["steps"]), wanted),)
    if wanted == BASE:
        return ()
    if wanted in {"head", "heads"}:
        return _heads(revisions, wanted, tips(revisions, [revision.id for revision in revisions]))
    label, separator, rest = wanted.partition("@")
    if separator:
        return _of_label(revisions, label, rest, wanted)
    return (_single(revisions, wanted),)


def _heads(revisions: Sequence[Revision], wanted: str, heads: tuple[str, ...]) -> tuple[str, ...]:
    if wanted == "heads" or len(heads) == 1:
        return heads
    named = ", ".join(_named(revisions, identifier) for identifier in heads)
    raise errors.UnknownRevision(
        f"'{wanted}' means one head, and there are {len(heads)}.",
        why=f"the heads are: {named}." if heads else "the project has no revisions.",
        next="Say 'heads' for all of them, an id, or label@head.",
    )


def _named(revisions: Sequence[Revision], identifier: str) -> str:
    labels = labels_of(revisions, identifier)
    return f"{identifier} ({', '.join(labels)})" if labels else identifier


def labels_of(revisions: Sequence[Revision], identifier: str) -> tuple[str, ...]:
    """Returns the branch labels that hold for a revision: its own and those of what is below it by ``down``."""
    by_id = {revision.id: revision for revision in revisions}
    seen = [identifier]
    for below in seen:
        seen += [parent for parent in by_id[below].down if parent not in seen]
    labels = [label for below in seen for label in by_id[below].branch_labels]
    return tuple(dict.fromkeys(labels))


def _of_label(revisions: Sequence[Revision], label: str, rest: str, wanted: str) -> tuple[str, ...]:
    branch = [revision for revision in revisions if label in labels_of(revisions, revision.id)]
    if not branch:
        raise _unknown(label, [found for revision in revisions for found in revision.branch_labels], "branch label")
    if rest in {"head", "heads"}:
        ids = [revision.id for revision in branch]
        inner = {parent for revision in branch for parent in revision.down}
        return _heads(revisions, wanted if rest == "head" else rest, tuple(i for i in ids if i not in inner))
    return (_single(branch, rest),)


def _single(revisions: Sequence[Revision], wanted: str) -> str:
    """Returns the id that is meant by an id, by the beginning of one, or by the label in a revision's file."""
    ids = [revision.id for revision in revisions]
    if wanted in ids:
        return wanted
    found = [revision.id for revision in revisions if wanted in revision.branch_labels]
    if not found and len(wanted) >= _PARTIAL_LENGTH:
        found = [identifier for identifier in ids if identifier.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise errors.UnknownRevision(
            f"'{wanted}' could be {len(found)} revisions.",
            why=f"these begin with it: {', '.join(sorted(found))}.",
            next="Give more of the id.",
        )
    raise _unknown(wanted, ids, "revision")


def _unknown(wanted: str, known: Sequence[str], noun: str) -> errors.UnknownRevision:
    near = difflib.get_close_matches(wanted, known, n=3)
    return errors.UnknownRevision(
        f"The project has no {noun} '{wanted}'.",
        why=f"it has {len(known)} of them" + (f"; the nearest: {', '.join(near)}." if near else "."),
        next="Give an id, 4 or more characters of one, head, heads, label@head or +N.",
    )


def _walk(revisions: Sequence[Revision], start: Sequence[str], steps: int, wanted: str) -> str:
    """Returns what is ``steps`` above ``start`` where the way up is the only one."""
    if len(start) > 1:
        raise _ambiguous(wanted, f"it would start at {len(start)} revisions: {', '.join(start)}")
    here = start[0] if start else None
    for _ in range(steps):
        above = [r.id for r in revisions if (here in r.down if here else not r.down)]
        if len(above) != 1:
            found = f"there are {len(above)}: {', '.join(above)}" if above else "there is none"
            raise _ambiguous(wanted, f"above {here or 'the beginning'} {found}")
        here = above[0]
    if here is None:
        raise _ambiguous(wanted, "it means no step from an empty database")
    return here


def _ambiguous(wanted: str, why: str) -> errors.UnknownRevision:
    return errors.UnknownRevision(
        f"'{wanted}' is not one revision.",
        why=f"{why}.",
        next="Give an id, head, heads or label@head.",
    )
