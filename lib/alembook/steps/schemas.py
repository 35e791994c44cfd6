"""The schemas a rehearsal began and ended at, held against those of the run, object by object.

What may differ all the same: what a restored copy lacks on purpose, the version of an extension, partitions (time makes
them), and objects in which two passes of the rehearsal itself came out differently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from alembook import archive
from alembook.postgres import connection as connections
from alembook.postgres import fingerprint
from alembook.postgres.fingerprint import NOT_RESTORED, Difference, Fingerprint
from alembook.steps import drift, predicted
from alembook.steps.drift import Drift
from alembook.steps.runbook import Book
from alembook.verdict import Check, Grade, Outcome

START, END, AGAIN = "fingerprint.start", "fingerprint.end", "fingerprint.again"
_NAME = {START: "the run begins at the schema that was rehearsed", END: "the run ends at the schema that was rehearsed"}
_SHOWN = 50
_VARYING = re.compile(r"[0-9a-f]{6,}|[0-9]+")
_BY_NATURE = "two passes of the rehearsal differed in it too"
_EARLY = "it changed since the backup that was rehearsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What the copy's schema was.

    Attributes:
        start: before the first revision.
        end: after the last.
        again: after a second pass; None when there was none.
        is_alike: its server was of the target's major version: another one may write a definition in other words.
    """

    start: Fingerprint
    end: Fingerprint
    again: Fingerprint | None
    is_alike: bool

    def by_nature(self) -> set[tuple[str, str]]:
        """Returns kind and pattern of name of the objects in which its two passes differ."""
        return {_pattern(each) for each in self.end.differences(self.again)} if self.again else set()


def at_the_beginning(book: Book) -> list[Check]:
    """Returns whether the schema is still the one that was rehearsed, asked once: before the run's first revision.

    Nothing on a copy, where no rehearsal came to its end, and when the run has begun.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    told = None if book.is_rehearsal or drift.moments(book) else rehearsed(book)
    if told is None:
        return []
    with connections.closing(book.connect()) as connection:
        now = drift.read(book, connection)
    found = [_check(each, _EARLY, _excuse(each, told)) for each in _differing(told.start, now)]
    return _named(START, now, found)


def at_the_end(book: Book, seen: Drift) -> list[Check]:
    """Returns whether the schema is the one the rehearsal ended at: one check for each object that is not.

    Nothing on a copy. Where nothing was rehearsed, UNVERIFIED for a protected target, whose gate let that pass by a
    waiver or in an emergency; nothing for another one. What others changed or removed has a check in ``drift`` already.
    """
    if book.is_rehearsal or (predicted.of(book) is None and not book.target.protected):
        return []
    told = rehearsed(book)
    if told is None:
        return [_unseen()]
    others = {(each.what.kind, each.what.name): each for each in seen.changes if each.by == "others"}
    named = {name for name, each in others.items() if each.what.before is not None}
    every = [each for each in _differing(told.end, seen.last) if not _is_again(each, told)]
    found = [each for each in every if (each.kind, each.name) not in named]
    if every and not found:
        return []
    when = {name: each.when for name, each in others.items()}
    return _named(END, seen.last, [_late(each, told, seen.first, when) for each in found])


def rehearsed(book: Book) -> Rehearsed | None:
    """Returns what the rehearsal of the run's plan noted; None where there is none, or it did not come to its end."""
    found = predicted.of(book)
    if found is None:
        return None
    folder = replace(book.folder, path=book.folder.path / found.record)
    start, end, again = (_noted(folder, name) for name in (START, END, AGAIN))
    if start is None or end is None:
        return None
    servers = (book.reading(folder).plan().server, book.plan().server)
    majors = {int(server["version_num"]) // 10_000 for server in servers}
    return Rehearsed(start=start, end=end, again=again, is_alike=len(majors) == 1)


def _noted(folder: archive.RunFolder, name: str) -> Fingerprint | None:
    kept = folder.receipt(name)
    return Fingerprint.from_json(kept) if kept else None


def _differing(rehearsed: Fingerprint, now: Fingerprint) -> list[Difference]:
    """Returns the objects that are others than on the copy; those of a table or schema that came or went as one."""
    found = rehearsed.differences(now, without=NOT_RESTORED)
    return drift.wholes([each for each in found if each.kind != "extension" or None in {each.before, each.after}])


def _is_again(each: Difference, told: Rehearsed) -> bool:
    """Says whether an object is what the second pass made of it."""
    return told.again is not None and told.again.objects.get(f"{each.kind} {each.name}") == each.after


def _late(each: Difference, told: Rehearsed, first: Fingerprint | None, when: Mapping[tuple[str, str], str]) -> Check:
    whole = f"{each.kind} {each.name}"
    at_start, begun = told.start.objects.get(whole), first.objects.get(whole) if first else None
    if begun == each.after and at_start != begun:
        why = f"it was so before the run's first revision: {_EARLY}"
    elif begun == each.after:
        why = f"the rehearsal {_deed(at_start, each.before)} it, and the run did not"
    elif each.before is None:
        who = when.get((each.kind, each.name))
        made = f"somebody else made it, {who}" if who else "it was made while the run went on"
        why = f"{made}, and no rehearsed revision makes it"
    elif each.after is None:
        why = "it went while the run went on, and no rehearsed revision removes it"
    else:
        why = "the run or somebody else made another one of it than the rehearsal"
    is_by_nature = _pattern(each) in told.by_nature()
    return _check(each, why, _BY_NATURE if is_by_nature else _excuse(each, told))


def _pattern(each: Difference) -> tuple[str, str]:
    """Returns an object's kind, and its name without what time or chance writes into names: digits, hexadecimals."""
    return each.kind, _VARYING.sub("#", each.name)


def _deed(then: str | None, later: str | None) -> str:
    if then is None:
        return "made"
    return "removed" if later is None else "changed"


def _excuse(each: Difference, told: Rehearsed) -> str:
    """Returns why a difference may be none of anybody's doing; "" where it is."""
    is_whole = each.kind == "table" and None in {each.before, each.after}
    if is_whole and fingerprint.is_partition(each.before or each.after or ""):
        return "a partition; time makes them"
    is_told_twice = not told.is_alike and None not in {each.before, each.after}
    return "the copy's server is of another version, and may write the same in other words" if is_told_twice else ""


def _check(each: Difference, why: str, excuse: str) -> Check:
    is_new = each.before is None
    return Check(
        name=f"{each.kind} {each.name} is as rehearsed",
        subject=each.name,
        grade=Grade.SHOULD if excuse else Grade.MUST,
        outcome=Outcome.FAILED,
        expected=drift.text(each.before),
        found=drift.text(each.after),
        why=f"{excuse}: {why}" if excuse else why,
        next="Find out who made it: nothing of it was rehearsed. Remove it, or waive this check with the reason why "
        "it may stay."
        if is_new
        else f"Find out why. Make {each.kind} {each.name} what it was on the copy, or waive this check with the reason "
        f"why it may stay as it is.",
    )


def _named(when: str, now: Fingerprint, found: Sequence[Check]) -> list[Check]:
    """Returns the checks of single objects, so many as a page holds; one that PASSED when there is none."""
    objects = f"{len(now.objects):,} objects"
    if not found:
        return [Check(name=_NAME[when], outcome=Outcome.PASSED, expected="the rehearsed objects", found=objects)]
    beyond = Check(
        name=_NAME[when],
        outcome=Outcome.FAILED,
        expected="the rehearsed objects",
        found=f"{len(found):,} differ; {_SHOWN} of them are named above",
        next="Hold the objects in the rehearsal's record against the database: this may be another plan's copy.",
    )
    return [*found[:_SHOWN], *([beyond] if len(found) > _SHOWN else [])]


def _unseen() -> Check:
    return Check(
        name=_NAME[END],
        grade=Grade.SHOULD,
        outcome=Outcome.UNVERIFIED,
        expected="the rehearsed objects",
        why="no rehearsal of this plan came to its end",
        next="Look at what became of the schema below: nothing says whether it is what was meant.",
    )
