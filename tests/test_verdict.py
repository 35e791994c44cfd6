"""Checks and gates: open, closed, could not be judged."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from alembook import errors
from alembook.verdict import Check, Gate, Grade, Outcome, sentence, worst_first

PASSED, FAILED, UNVERIFIED = Outcome.PASSED, Outcome.FAILED, Outcome.UNVERIFIED


def check(name: str, outcome: Outcome, grade: Grade = Grade.MUST) -> Check:
    """Returns a check that names nothing but itself."""
    return Check(name=name, outcome=outcome, grade=grade)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], PASSED),
        ([PASSED, PASSED], PASSED),
        ([PASSED, UNVERIFIED], UNVERIFIED),
        ([UNVERIFIED, FAILED, PASSED], FAILED),
    ],
)
def test_a_gate_is_judged_by_its_worst_must(outcomes: list[Outcome], expected: Outcome) -> None:
    """FAILED outweighs UNVERIFIED, which outweighs PASSED; only all PASSED is open."""
    gate = Gate(checks=[check(str(number), outcome) for number, outcome in enumerate(outcomes)])
    assert (gate.outcome, gate.is_open) == (expected, expected is PASSED)


@pytest.mark.parametrize("grade", [Grade.SHOULD, Grade.MAY])
@pytest.mark.parametrize("outcome", [FAILED, UNVERIFIED])
def test_only_a_must_closes_a_gate(grade: Grade, outcome: Outcome) -> None:
    """What should or may hold is shown and stops nobody."""
    gate = Gate(checks=[check("advice", outcome, grade)])
    gate.require("verify")
    assert (gate.closed_by, gate.outcome) == ([], PASSED)


def test_a_failed_check_closes_the_gate_with_exit_3() -> None:
    """The first FAILED must is the reason and its advice the next move; all that are not PASSED are listed."""
    gate = Gate(
        checks=[
            check("plan is frozen", PASSED),
            Check(name="disk", outcome=UNVERIFIED, why="the server does not say", next="Ask its owner."),
            Check(name="rows of providers", outcome=FAILED, expected="10", found="9", next="Roll back."),
            check("advice", FAILED, Grade.SHOULD),
        ]
    )
    with pytest.raises(errors.CheckFailed) as caught:
        gate.require("verify")
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "verify: the gate is closed by 2 of 4 checks.\n"
        "  why:  FAILED  rows of providers: expected 10, found 9\n"
        "  next: Roll back.\n"
        "  checks that are not PASSED:\n"
        "    FAILED  rows of providers: expected 10, found 9\n"
        "    UNVERIFIED  disk (the server does not say)"
    )


def test_an_unverified_check_closes_the_gate_with_exit_4() -> None:
    """What could not be judged is not PASSED."""
    gate = Gate(checks=[Check(name="disk", outcome=UNVERIFIED, why="the server does not say", next="Ask its owner.")])
    with pytest.raises(errors.CheckUnverified) as caught:
        gate.require("backup")
    assert caught.value.exit_code == 4
    assert str(caught.value) == (
        "backup: the gate is closed by 1 of 1 checks.\n"
        "  why:  UNVERIFIED  disk (the server does not say)\n"
        "  next: Ask its owner.\n"
        "  checks that are not PASSED:\n"
        "    UNVERIFIED  disk (the server does not say)"
    )


def test_a_check_is_one_line() -> None:
    """Outcome and name always; expected, found and reason where there are any."""
    assert sentence(check("disk", PASSED)) == "PASSED  disk"
    assert sentence(Check(name="address", outcome=FAILED, found="missing")) == "FAILED  address: found missing"
    assert sentence(Check(name="rows", outcome=FAILED, expected="2", found="1", why="one is gone")) == (
        "FAILED  rows: expected 2, found 1 (one is gone)"
    )


def test_a_person_reads_the_worst_first() -> None:
    """FAILED, UNVERIFIED, PASSED; within each must, should, may; else as they came."""
    given = [
        check("a", PASSED),
        check("b", FAILED, Grade.MAY),
        check("c", UNVERIFIED),
        check("d", FAILED),
        check("e", FAILED, Grade.SHOULD),
        check("f", PASSED),
    ]
    assert "".join(one.name for one in worst_first(given)) == "debcaf"


def test_a_receipt_gives_a_check_back() -> None:
    """What JSON kept is the same check, words turned into grades and outcomes."""
    kept = Check(name="rows", grade=Grade.SHOULD, outcome=FAILED, expected="1", found="2", query="SELECT 1")
    assert Check.from_json({**asdict(kept), "grade": "should", "outcome": "FAILED"}) == kept


@pytest.mark.parametrize(
    ("change", "error"),
    [({"grade": "must not"}, ValueError), ({"outcome": "passed"}, ValueError), ({"weight": 1}, TypeError)],
)
def test_a_receipt_that_is_not_ours_is_refused(change: dict[str, object], error: type[Exception]) -> None:
    """Unknown words and fields are no check."""
    with pytest.raises(error):
        Check.from_json({"name": "rows", "grade": "must", "outcome": "PASSED", **change})
