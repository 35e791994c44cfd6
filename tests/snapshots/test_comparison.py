"""What two instants come to, table by table."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from alembook.snapshots import comparison, measurement
from alembook.verdict import Check, Grade, Outcome


def tables(**counts: int) -> pd.DataFrame:
    """Returns a table of tables; a name without a schema (written schema__table) is of public."""
    named = [name.split("__") if "__" in name else ("public", name) for name in counts]
    return measurement.frame(
        [(schema, table, rows, 0) for (schema, table), rows in zip(named, counts.values(), strict=True)]
    )


def line(frame: pd.DataFrame, table: str) -> tuple[Any, ...]:
    """Returns expected, difference, verdict, reason and grade of one table."""
    row = frame[frame["table"] == table].iloc[0]
    numbers = (None if pd.isna(row[name]) else int(row[name]) for name in ("expected", "difference"))
    return (*numbers, row["verdict"], row["reason"], row["grade"])


@pytest.mark.parametrize(
    ("before", "after", "known", "judged"),
    [
        ({"a": 5}, {"a": 5}, {}, (5, 0, "PASSED", "", "must")),
        ({"a": 5}, {"a": 4}, {}, (5, -1, "FAILED", "1 row missing", "must")),
        ({"a": 5}, {"a": 7}, {}, (5, 2, "FAILED", "2 rows too many", "must")),
        ({"a": 0}, {"a": 0}, {}, (0, 0, "PASSED", "", "must")),
        ({"a": 5}, {"a": 7}, {"expected": {"a": 7}}, (7, 0, "PASSED", "expected by its rule", "must")),
        (
            {"a": 5},
            {"a": 5},
            {"expected": {"public.a": 7}},
            (7, -2, "FAILED", "2 rows missing (expected by its rule)", "must"),
        ),
        (
            {"a": 5},
            {"a": 6},
            {"expected": {"a": 7}, "grades": {"a": Grade.SHOULD}},
            (7, -1, "FAILED", "1 row missing (expected by its rule)", "should"),
        ),
        ({"a": 5}, {}, {}, (5, -5, "FAILED", "the table is gone, and no rule declares it", "must")),
        ({"a": 5}, {}, {"dropped": ["a"]}, (0, 0, "PASSED", "dropped by the plan", "must")),
        ({"a": 5}, {}, {"expected": {"a": 0}}, (0, 0, "PASSED", "gone, as its rule of no rows allows", "must")),
        (
            {"a": 5},
            {},
            {"expected": {"a": 3}},
            (3, -3, "FAILED", "the table is gone, and no rule declares it", "must"),
        ),
        ({"a": 0}, {}, {}, (0, 0, "PASSED", "an empty table is gone", "may")),
        ({}, {"a": 5}, {}, (None, None, "PASSED", "new table, no rule", "may")),
        ({}, {"a": 5}, {"created": ["public.a"]}, (None, None, "PASSED", "created by the plan, no rule", "may")),
        ({}, {"a": 5}, {"expected": {"a": 5}}, (5, 0, "PASSED", "new table, expected by its rule", "must")),
        (
            {},
            {"a": 4},
            {"expected": {"a": 5}, "created": ["a"]},
            (5, -1, "FAILED", "1 row missing (created by the plan, expected by its rule)", "must"),
        ),
        (
            {},
            {},
            {"expected": {"a": 5}},
            (5, None, "UNVERIFIED", "a rule speaks of it, and no such table was counted before or after", "must"),
        ),
        (
            {"a": 5},
            {"a": 5},
            {"unknown": {"a": "SQLSTATE 42P01: no"}},
            (None, None, "UNVERIFIED", "its rule has no number: SQLSTATE 42P01: no", "must"),
        ),
        (
            {"x__a": 5, "y__a": 1},
            {"x__a": 5, "y__a": 1},
            {"expected": {"a": 5}},
            (5, None, "UNVERIFIED", "a rule names it, and x.a and y.a bear the name: write the schema", "must"),
        ),
    ],
)
def test_a_table_is_judged(
    before: Mapping[str, int], after: Mapping[str, int], known: dict[str, Any], judged: tuple[Any, ...]
) -> None:
    """By what was there, what its rule says, and what the plan does to it."""
    assert line(comparison.compare(tables(**before), tables(**after), **known), "a") == judged


def test_a_rule_for_one_of_two_tables_of_a_name_needs_the_schema() -> None:
    """With it, the other table is unchanged as always."""
    both = tables(x__a=5, y__a=1)
    frame = comparison.compare(both, tables(x__a=6, y__a=1), expected={"x.a": 6})
    assert frame["verdict"].tolist() == ["PASSED", "PASSED"]


def test_failures_come_first() -> None:
    """Then what could not be judged, then the rest; each by schema and table."""
    before = tables(a=1, b=1, c=1, z__d=1, x__e=1)
    after = tables(a=1, b=2, c=1, z__d=1, x__e=2)
    frame = comparison.compare(before, after, unknown={"c": "why"})
    assert (frame["schema"] + "." + frame["table"]).tolist() == ["public.b", "x.e", "public.c", "public.a", "z.d"]
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        name: str(pd.Series([], dtype=kind).dtype) for name, kind in comparison.DTYPES.items()
    }


@pytest.mark.parametrize("seed", range(30))
def test_a_comparison_accounts_for_every_row_of_every_table(seed: int) -> None:
    """Random tables: each appears once, and fails exactly when its count is not the expected one."""
    draw = random.Random(seed)  # noqa: S311 tables drawn at random, the same ones each time
    names = [f"t{number}" for number in range(draw.randrange(1, 40))]
    before = {name: draw.randrange(5) for name in names if draw.random() < 0.8}
    after = {name: draw.randrange(5) for name in names if draw.random() < 0.8}
    rules = {name: draw.randrange(5) for name in names if draw.random() < 0.3}
    dropped = [name for name in names if draw.random() < 0.1]
    frame = comparison.compare(tables(**before), tables(**after), expected=rules, dropped=dropped)
    assert sorted(frame["table"]) == sorted(set(before) | set(after) | set(rules))
    for row in frame.to_dict("records"):
        name = row["table"]
        expected = 0 if name in dropped and name not in after else rules.get(name, before.get(name))
        if name not in before and name not in after:
            wanted = "UNVERIFIED"
        elif expected is None or (name not in after and expected == before.get(name) == 0):
            wanted = "PASSED"
        else:
            wanted = "PASSED" if after.get(name, 0) == expected else "FAILED"
        assert (name, row["verdict"]) == (name, wanted)
        if not pd.isna(row["difference"]):
            assert row["difference"] == after.get(name, 0) - row["expected"]


def test_equal_sides_open_the_gate() -> None:
    """Nothing is expected of a table nobody speaks of but that it stays."""
    both = tables(a=1, b=0, x__c=10**12)
    assert {check.outcome for check in comparison.checks(comparison.compare(both, both))} == {Outcome.PASSED}


def test_a_check_is_worded_for_an_operator() -> None:
    """Name, expected, found, why, and what to do; a table that passed says no more than its numbers."""
    before, after = tables(providers=99_000, b=1), tables(providers=98_999, b=1)
    failed, passed = comparison.checks(comparison.compare(before, after))
    assert failed == Check(
        name="rows of public.providers",
        subject="public.providers",
        outcome=Outcome.FAILED,
        expected="99,000",
        found="98,999",
        why="1 row missing",
        next="Do not go on. Find out which rows of public.providers differ from the backup. If the change was meant, "
        "declare it with a [[rows]] rule in checks.toml; if not, roll back.",
    )
    assert passed == Check(name="rows of public.b", subject="public.b", outcome=Outcome.PASSED, expected="1", found="1")


@pytest.mark.parametrize(
    ("before", "known", "grade"), [({"a": 5}, {}, "must"), ({}, {}, "should"), ({}, {"expected": {"a": 3}}, "must")]
)
def test_a_table_that_was_not_counted_is_unverified(
    before: Mapping[str, int], known: dict[str, Any], grade: str
) -> None:
    """It is not taken for gone; it must be seen where it was before or has a rule, and should be otherwise."""
    frame = comparison.compare(tables(**before), tables(), **known, left_out={"public.a": "the role may not read it"})
    assert comparison.checks(frame) == [
        Check(
            name="rows of public.a",
            subject="public.a",
            grade=Grade(grade),
            outcome=Outcome.UNVERIFIED,
            expected="not told",
            found="not counted",
            why="not counted: the role may not read it",
            next="Let the role see public.a, or leave it out knowingly with `verify.exclude` in alembook.toml.",
        )
    ]


OTHERS = "and others may write"
NOT_KNOWN = f"how many the run itself added and removed is not known, {OTHERS}"


@pytest.mark.parametrize(
    ("after", "own", "known", "judged"),
    [
        (5, 0, {}, ("PASSED", "", "must")),
        (6, 0, {}, ("UNVERIFIED", f"1 row too many; the run itself added and removed none, {OTHERS}", "should")),
        (5, -1, {}, ("FAILED", "the run itself removed 1 row, and no rule declares it", "must")),
        (5, None, {}, ("PASSED", "", "must")),
        (4, None, {}, ("UNVERIFIED", f"1 row missing; {NOT_KNOWN}", "must")),
        (7, 2, {"expected": {"a": 7}}, ("PASSED", "expected by its rule", "must")),
        (
            7,
            1,
            {"expected": {"a": 7}},
            ("FAILED", "the run itself added 1 row, and by its rule it would have added 2 rows", "must"),
        ),
        (
            8,
            2,
            {"expected": {"a": 7}, "grades": {"a": Grade.MAY}},
            ("UNVERIFIED", f"1 row too many (expected by its rule); the run itself added 2 rows, {OTHERS}", "may"),
        ),
    ],
)
def test_what_others_may_write_is_judged_by_what_the_run_did(
    after: int, own: int | None, known: dict[str, Any], judged: tuple[Any, ...]
) -> None:
    """Its own rows fail where nobody declares them; the rest is traffic; what is not known is never PASSED."""
    frame = comparison.compare(tables(a=5), tables(a=after), own={"public.a": own}, **known)
    assert line(frame, "a")[2:] == judged


def test_a_rule_without_a_number_is_unverified() -> None:
    """It closes the gate as well, and says what to correct."""
    (check,) = comparison.checks(comparison.compare(tables(a=1), tables(), unknown={"a": "SQLSTATE 57014: too slow"}))
    assert check == Check(
        name="rows of public.a",
        subject="public.a",
        outcome=Outcome.UNVERIFIED,
        expected="not told",
        found="no such table",
        why="its rule has no number: SQLSTATE 57014: too slow",
        next="Correct the rule of public.a in checks.toml; until then nobody knows whether its rows are right.",
    )
