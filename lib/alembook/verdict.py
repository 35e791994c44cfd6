"""How anything is judged: grade, outcome, check, gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from alembook import errors


class Grade(StrEnum):
    """How much a check weighs. Only a *must* closes a gate."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"


class Outcome(StrEnum):
    """What became of a check. UNVERIFIED (it could not be judged) is not PASSED."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNVERIFIED = "UNVERIFIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One judged statement.

    Attributes:
        name: the statement, in the words of the operator ("rows of providers").
        grade: must, should or may.
        outcome: PASSED, FAILED or UNVERIFIED.
        subject: table, revision or file it speaks of; "" when it speaks of the whole.
        expected: what had to be found, as text.
        found: what was found, as text; never a value of a customer's row.
        why: the reason of an outcome that is not PASSED.
        next: what to do then.
        query: the SQL that was run, where there was one.
        waived: why people let it stand as it is, and who; "" when nobody did.
    """

    name: str
    grade: Grade = Grade.MUST
    outcome: Outcome
    subject: str = ""
    expected: str = ""
    found: str = ""
    why: str = ""
    next: str = ""
    query: str = ""
    waived: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Check:
        """Returns the check a receipt holds.

        Raises:
            ValueError: when grade or outcome is none of the known words.
            TypeError: when a field is missing or unknown.
        """
        return cls(**{**value, "grade": Grade(value["grade"]), "outcome": Outcome(value["outcome"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The judgement over a step's checks: open when every *must* is PASSED, or was waived by name and with a reason."""

    checks: Sequence[Check] = field(default_factory=tuple)

    @property
    def closed_by(self) -> list[Check]:
        """Returns the must checks that are not PASSED and not waived, FAILED ones first."""
        musts = [c for c in self.checks if c.grade is Grade.MUST and c.outcome is not Outcome.PASSED and not c.waived]
        return sorted(musts, key=lambda c: c.outcome is not Outcome.FAILED)

    @property
    def is_open(self) -> bool:
        """Says whether the next step may start."""
        return not self.closed_by

    @property
    def outcome(self) -> Outcome:
        """Returns FAILED when a must FAILED, else UNVERIFIED when one could not be judged, else PASSED."""
        closed = self.closed_by
        return closed[0].outcome if closed else Outcome.PASSED

    def require(self, step: str) -> None:
        """Does nothing when the gate is open.

        Raises:
            CheckFailed: a must check FAILED (exit 3).
            CheckUnverified: none FAILED, and one is UNVERIFIED (exit 4).
        """
        closed = self.closed_by
        if not closed:
            return
        kind = errors.CheckFailed if closed[0].outcome is Outcome.FAILED else errors.CheckUnverified
        raise kind(
            f"{step}: the gate is closed by {len(closed)} of {len(self.checks)} checks.",
            why=sentence(closed[0]),
            next=closed[0].next,
            evidence={"checks that are not PASSED": "\n".join(sentence(check) for check in closed)},
        )


def sentence(check: Check) -> str:
    """Returns a check in one line: outcome, name, expected, found, reason."""
    text = f"{check.outcome}  {check.name}"
    said = [f"{word} {what}" for word, what in (("expected", check.expected), ("found", check.found)) if what]
    text = f"{text}: {', '.join(said)}" if said else text
    text = f"{text} ({check.why})" if check.why else text
    return f"{text}; waived: {check.waived}" if check.waived else text


def worst_first(checks: Iterable[Check]) -> list[Check]:
    """Returns the checks ordered as a person reads them: FAILED, UNVERIFIED, PASSED; must before should before may."""
    outcomes = [Outcome.FAILED, Outcome.UNVERIFIED, Outcome.PASSED]
    return sorted(checks, key=lambda c: (outcomes.index(c.outcome), list(Grade).index(c.grade)))
