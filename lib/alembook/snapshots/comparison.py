"""Comparing two instants, table by table: what was there, what should be there now, what is.

A table's rows do not change unless a rule says so; a table that appears or goes is judged by what the plan and the
rules know of it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from alembook.verdict import Check, Grade, Outcome

#: Columns of a comparison and their dtypes; Int64 may be missing.
DTYPES = {
    "schema": "str",
    "table": "str",
    "before": "Int64",
    "after": "Int64",
    "expected": "Int64",
    "difference": "Int64",
    "verdict": "str",
    "reason": "str",
    "grade": "str",
}
_WORST_FIRST = [Outcome.FAILED, Outcome.UNVERIFIED, Outcome.PASSED]
_UNSEEN = "not counted: "
_UNSEEN_BEFORE = "not counted before the change: "
#: What is said of another number of rows that may be somebody else's.
_OTHERS = "and others may write"
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of one table beforehand."""

    expected: int | None = None
    unknown: str = ""
    left_out: str = ""
    left_out_before: str = ""
    is_worked_on: bool = False
    grade: Grade = Grade.MUST
    is_shared: bool = False
    own: int | None = None
    is_created: bool = False
    is_dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judgement:
    """What became of one table; ``expected`` is None where nothing could say."""

    verdict: Outcome
    expected: int | None = None
    reason: str = ""
    grade: Grade = Grade.MUST


def compare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    expected: Mapping[str, int] | None = None,
    created: Collection[str] = (),
    dropped: Collection[str] = (),
    unknown: Mapping[str, str] | None = None,
    grades: Mapping[str, Grade] | None = None,
    left_out: Mapping[str, str] | None = None,
    left_out_before: Mapping[str, str] | None = None,
    worked_on: Collection[str] = (),
    own: Mapping[str, int | None] | None = None,
) -> pd.DataFrame:
    """Returns one row per table that is on either side, in a rule, or left out.

    Args:
        before: table of tables as ``measurement.Measurement.tables``.
        after: the same, later.
        expected: rows a table must have afterwards, by rule; for every other table it is the number before.
        created: tables the plan creates.
        dropped: tables the plan drops.
        unknown: tables whose rule could not be counted -> why.
        grades: how much a table's rule weighs; must when it is not here.
        left_out: tables that were asked for and not counted afterwards -> why (``Measurement.left_out``). They are
            UNVERIFIED: must where they were counted before, have a rule or were worked on, else should.
        left_out_before: the same of before: such a table is no new one. It is UNVERIFIED, unless a rule has a number.
        worked_on: tables that were there before and that the run leads to.
        own: tables others may write to -> rows the run itself added, None: not known. The rest is theirs.

    Tables are named "schema.table", or "table" where exactly one schema has it.

    Returns:
        schema, table (str), before, after, expected, difference (Int64; after - expected, a table that is gone counting
        0; missing where nothing can say), verdict (FAILED, UNVERIFIED, PASSED), reason (str, maybe ""), grade (must,
        should, may). FAILED first, then UNVERIFIED, then by schema and table.
    """
    sides = _by_name(before), _by_name(after)
    unseen = left_out or {}, left_out_before or {}
    names = {*sides[0], *sides[1], *unseen[0], *unseen[1]}
    rows, why = placed(expected or {}, names), placed(unknown or {}, names)
    weights = placed(grades or {}, names)
    made, gone = (placed(dict.fromkeys(tables, ""), names) for tables in (created, dropped))

    def known(name: str) -> _Known:
        told: Any = {"expected": rows.get(name), "unknown": why.get(name, ""), "own": (own or {}).get(name)}
        seen: Any = {"left_out": unseen[0].get(name, ""), "left_out_before": unseen[1].get(name, "")}
        fate: Any = {"is_created": name in made, "is_dropped": name in gone, "is_worked_on": name in worked_on}
        return _Known(**told, **seen, **fate, is_shared=name in (own or {}), grade=weights.get(name, Grade.MUST))

    return _sorted([_of(name, sides, known(name), names) for name in names | set(rows) | set(why)])


def _of(name: str, sides: Sequence[Mapping[str, int]], known: _Known, names: Collection[str]) -> dict[str, Any]:
    counted = sides[0].get(name), sides[1].get(name)
    return _line(name, *counted, _judge(*counted, known) if name in names else _unplaced(name, names, known))


def _by_name(tables: pd.DataFrame) -> dict[str, int]:
    counted = zip(tables["schema"], tables["table"], tables["rows"], strict=True)
    return {f"{schema}.{table}": int(rows) for schema, table, rows in counted}


def placed(named: Mapping[str, _Value], names: Collection[str]) -> dict[str, _Value]:
    """Returns the mapping with bare names completed where exactly one table bears them, and as written elsewhere.

    Args:
        named: by "schema.table" or "table".
        names: every table there is, "schema.table".
    """
    return {_complete(name, names): value for name, value in named.items()}


def _complete(name: str, names: Collection[str]) -> str:
    bearers = _bearers(name, names)
    return bearers[0] if name not in names and len(bearers) == 1 else name


def _bearers(name: str, names: Iterable[str]) -> list[str]:
    return sorted(full for full in names if full.partition(".")[2] == name)


def _judge(before: int | None, after: int | None, known: _Known) -> _Judgement:
    if known.left_out:
        is_aside = before is None and known.expected is None and not known.is_worked_on
        grade = Grade.SHOULD if is_aside else known.grade
        return _Judgement(verdict=Outcome.UNVERIFIED, reason=f"{_UNSEEN}{known.left_out}", grade=grade)
    if known.unknown:
        reason = f"its rule has no number: {known.unknown}"
        return _Judgement(verdict=Outcome.UNVERIFIED, reason=reason, grade=known.grade)
    if known.left_out_before and known.expected is None and before is None and not known.is_dropped:
        grade = known.grade if known.is_worked_on else Grade.SHOULD
        return _Judgement(verdict=Outcome.UNVERIFIED, reason=f"{_UNSEEN_BEFORE}{known.left_out_before}", grade=grade)
    if after is None:
        return _judge_gone(before or 0, known)
    if before is None:
        return _judge_new(after, known)
    expected = before if known.expected is None else known.expected
    return _counted(before, expected, after, known, "" if known.expected is None else "expected by its rule")


def _judge_gone(before: int, known: _Known) -> _Judgement:
    if known.is_dropped or known.expected == 0:
        reason = "dropped by the plan" if known.is_dropped else "gone, as its rule of no rows allows"
        return _Judgement(verdict=Outcome.PASSED, expected=0, reason=reason, grade=known.grade)
    if known.expected is None and before == 0:
        return _Judgement(verdict=Outcome.PASSED, expected=0, reason="an empty table is gone", grade=Grade.MAY)
    expected = before if known.expected is None else known.expected
    reason = "the table is gone, and no rule declares it"
    return _Judgement(verdict=Outcome.FAILED, expected=expected, reason=reason, grade=known.grade)


def _judge_new(after: int, known: _Known) -> _Judgement:
    origin = "created by the plan" if known.is_created else "new table"
    if known.expected is None:
        return _Judgement(verdict=Outcome.PASSED, reason=f"{origin}, no rule", grade=Grade.MAY)
    return _counted(0, known.expected, after, known, f"{origin}, expected by its rule")


def _counted(before: int, expected: int, after: int, known: _Known, reason: str) -> _Judgement:
    difference = after - expected
    if known.is_shared and known.own is not None and known.own != expected - before:
        return _by_own(expected, known, expected - before)
    if not difference:
        return _Judgement(verdict=Outcome.PASSED, expected=expected, reason=reason, grade=known.grade)
    kind = "missing" if difference < 0 else "too many"
    told = f"{rows_text(abs(difference))} {kind}" + (f" ({reason})" if reason else "")
    if known.is_shared:
        return _traffic(expected, told, known)
    return _Judgement(verdict=Outcome.FAILED, expected=expected, reason=told, grade=known.grade)


def _by_own(expected: int, known: _Known, meant: int) -> _Judgement:
    """Judges a table of which the run itself added or removed another number of rows than it was meant to."""
    rule = "no rule declares it" if known.expected is None else f"by its rule it would have {_did(meant)}"
    reason = f"the run itself {_did(known.own or 0)}, and {rule}"
    return _Judgement(verdict=Outcome.FAILED, expected=expected, reason=reason, grade=known.grade)


def _did(rows: int) -> str:
    return f"{'added' if rows > 0 else 'removed'} {rows_text(abs(rows))}" if rows else "added and removed none"


def _traffic(expected: int, told: str, known: _Known) -> _Judgement:
    """Judges a table with another number of rows, of which the run itself did what it was meant to, or nobody knows."""
    if known.own is None:
        reason = f"{told}; how many the run itself added and removed is not known, {_OTHERS}"
        return _Judgement(verdict=Outcome.UNVERIFIED, expected=expected, reason=reason, grade=known.grade)
    grade = Grade.MAY if known.grade is Grade.MAY else Grade.SHOULD
    reason = f"{told}; the run itself {_did(known.own)}, {_OTHERS}"
    return _Judgement(verdict=Outcome.UNVERIFIED, expected=expected, reason=reason, grade=grade)


def _unplaced(name: str, names: Collection[str], known: _Known) -> _Judgement:
    bearers = _bearers(name, names)
    reason = "a rule speaks of it, and no such table was counted before or after"
    if bearers:
        reason = f"a rule names it, and {' and '.join(bearers)} bear the name: write the schema"
    return _Judgement(verdict=Outcome.UNVERIFIED, expected=known.expected, reason=reason, grade=known.grade)


def _line(name: str, before: int | None, after: int | None, judgement: _Judgement) -> dict[str, Any]:
    schema, dot, table = name.partition(".")
    expected = judgement.expected
    is_told = expected is not None and (before is not None or after is not None)
    return {
        "schema": schema if dot else "",
        "table": table if dot else name,
        "before": before,
        "after": after,
        "expected": expected,
        "difference": (after or 0) - expected if is_told and expected is not None else None,
        "verdict": judgement.verdict.value,
        "reason": judgement.reason,
        "grade": judgement.grade.value,
    }


def _sorted(lines: list[dict[str, Any]]) -> pd.DataFrame:
    lines.sort(key=lambda line: (_WORST_FIRST.index(Outcome(line["verdict"])), line["schema"], line["table"]))
    return pd.DataFrame(lines, columns=list(DTYPES)).astype(DTYPES)


def checks(frame: pd.DataFrame) -> list[Check]:
    """Returns one check per row of a comparison, in its order.

    Args:
        frame: as ``compare`` returns it.
    """
    return [_check(row) for row in frame.to_dict("records")]


def _check(row: Mapping[Hashable, Any]) -> Check:
    name = f"{row['schema']}.{row['table']}" if row["schema"] else str(row["table"])
    outcome = Outcome(row["verdict"])
    is_unseen = str(row["reason"]).startswith(_UNSEEN)
    return Check(
        name=f"rows of {name}",
        subject=name,
        grade=Grade(row["grade"]),
        outcome=outcome,
        expected=_number(row["expected"], "not told"),
        found=_number(row["after"], "not counted" if is_unseen else "no such table"),
        why=str(row["reason"]),
        next="" if outcome is Outcome.PASSED else _next(name, outcome, str(row["reason"])),
    )


def _number(value: Any, otherwise: str) -> str:
    return otherwise if pd.isna(value) else f"{int(value):,}"


def _next(name: str, outcome: Outcome, reason: str) -> str:
    if reason.startswith(_UNSEEN_BEFORE):
        return f"Compare {name} with the restored backup by a role that may see it (`alembook compare`)."
    if reason.startswith(_UNSEEN):
        return f"Let the role see {name}, or leave it out knowingly with `verify.exclude` in alembook.toml."
    if reason.endswith(_OTHERS):
        return (
            f"Compare {name} with the restored backup (`alembook compare`); with writers stopped this would be certain."
        )
    if outcome is Outcome.UNVERIFIED:
        return f"Correct the rule of {name} in checks.toml; until then nobody knows whether its rows are right."
    return (
        f"Do not go on. Find out which rows of {name} differ from the backup. If the change was meant, declare it "
        f"with a [[rows]] rule in checks.toml; if not, roll back."
    )


def rows_text(count: int) -> str:
    """Returns "1 row", "1,234 rows"."""
    return f"{count:,} row" + ("" if count == 1 else "s")
