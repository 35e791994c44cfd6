"""What the checksums of two instants say of each table: which columns' values are not what they were.

A column keeps its values unless a rule declares that they change. Checksums speak of whole tables: where rows may come
and go by a rule, only a table whose keys are still the same is judged by its columns.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from alembook.snapshots.sequences import MAY_NOT_READ
from alembook.verdict import Check, Grade, Outcome

EVERY = "*"
#: Why another value is no failure, as ``Known.traffic`` has it.
TRAFFIC = "the run itself changed none of its rows, and others may write"
WAY_BACK = "the way back works on the table, and no rule says what it changes"
_JUDGED = ("checksum", "nulls")
_EQUAL_ON_BOTH = "equal on what both have"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the tables besides their checksums; tables are named "schema.table".

    Attributes:
        changes: table -> columns whose values a rule lets change; "*" is every one.
        by_rule: tables whose number of rows a rule gives: rows may come and go.
        unread: table -> why it has no checksums, on either side.
        apart: table -> what exists on one side only, in words.
        ends: table -> how the ends of its key moved, in words.
        traffic: table -> why a difference there is UNVERIFIED: ``TRAFFIC`` or ``WAY_BACK``.
    """

    changes: Mapping[str, Collection[str]]
    by_rule: Collection[str] = ()
    unread: Mapping[str, str]
    apart: Mapping[str, str]
    ends: Mapping[str, str] = field(default_factory=dict)
    traffic: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What became of one table's values.

    Attributes:
        outcome: FAILED when values differ that should not.
        word: "equal", "equal on what both have" (columns of one side only are named in ``reason``), "equal by column",
            "different", "not judged" or "unverified".
        columns: the columns that differ and should not; empty when the rows themselves do.
        nulls: how the number of NULLs changed, "column 5 -> 4", comma between.
        reason: why, in words; "" when there is nothing to say.
    """

    outcome: Outcome
    word: str
    columns: tuple[str, ...] = ()
    nulls: str = ""
    reason: str = ""
    grade: Grade = Grade.MUST


@dataclass(frozen=True, slots=True)
class _Side:
    """One table at one instant: what its rows come to, and its columns by name."""

    whole: Mapping[str, Any]
    columns: dict[str, Mapping[str, Any]]

    @property
    def key(self) -> list[str]:
        """Returns the columns of the key."""
        return [column for column, row in self.columns.items() if row["key"]]


def keyed(columns: pd.DataFrame, key: bytes) -> pd.DataFrame:
    """Returns a measured table of columns whose checksums say nothing without the key: HMAC-SHA-256, 128 bits of it.

    The sum over a table of one row is that row's hash, and could be tried against guessed values: without a key there
    are no checksums.
    """
    found = columns["checksum"].map(lambda checksum: hidden(checksum, key))
    return columns.assign(checksum=found.astype(columns["checksum"].dtype))


def hidden(checksum: str, key: bytes) -> str:
    """Returns a checksum that says nothing without the key; "" without a checksum or a key."""
    return hmac.new(key, checksum.encode(), hashlib.sha256).hexdigest()[:32] if checksum and key else ""


def judge(before: pd.DataFrame, after: pd.DataFrame, known: Known) -> dict[str, Evidence]:
    """Returns the evidence of each table that was measured on both sides, by "schema.table".

    Args:
        before: columns as ``measurement.Measurement.columns``, keyed or not.
        after: the same, measured with ``earlier=before``, and keyed alike.
        known: what else is known.
    """
    sides = _sides(before), _sides(after)
    names = [name for name in (*sides[0], *known.unread) if name in sides[1] or name in known.unread]
    return {name: _judge(name, sides[0].get(name), sides[1].get(name), known) for name in dict.fromkeys(names)}


def _sides(columns: pd.DataFrame) -> dict[str, _Side]:
    found: dict[str, _Side] = {}
    for row in columns.to_dict("records"):
        name = f"{row['schema']}.{row['table']}"
        if row["column"] == "":
            found[name] = _Side({str(key): value for key, value in row.items()}, {})
        else:
            found[name].columns[row["column"]] = {str(key): value for key, value in row.items()}
    return found


def _judge(name: str, before: _Side | None, after: _Side | None, known: Known) -> Evidence:
    changes = set(known.changes.get(name, ()))
    if EVERY in changes:
        return Evidence(outcome=Outcome.PASSED, word="not judged", reason="a rule lets all its values change")
    if before is None or after is None or name in known.unread:
        unread = known.unread.get(name, "it was not summed up on both sides")
        return _unverified("; ".join(part for part in (unread, known.ends.get(name)) if part))
    nulls = _nulls(before, after)
    if released := _released(name, before, after, known, changes):
        return Evidence(outcome=Outcome.PASSED, word="not judged", nulls=nulls, reason=released)
    if before.whole["meaning"] != after.whole["meaning"]:
        return _unverified("the key it was measured by is gone or has another type")
    differing = _differing(before, after, changes)
    why = _moved(before, after, changes, differing)
    if not differing and not why:
        apart = known.apart.get(name)
        if before.whole["meaning"] != "keys" and _is_moved(before, after):
            return _without_rows(before, after, _said(apart, changes), nulls)
        return Evidence(
            outcome=Outcome.PASSED, word=_EQUAL_ON_BOTH if apart else "equal", nulls=nulls, reason=_said(apart, changes)
        )
    differing = () if why else differing
    excuse = known.traffic.get(name)
    reason = "; ".join(part for part in (why or _named(differing), known.ends.get(name), excuse) if part)
    return Evidence(
        outcome=Outcome.UNVERIFIED if excuse else Outcome.FAILED,
        word="different",
        columns=differing,
        nulls=nulls,
        reason=reason,
        grade=Grade.SHOULD if excuse else Grade.MUST,
    )


def _unverified(why: str) -> Evidence:
    return Evidence(outcome=Outcome.UNVERIFIED, word="unverified", reason=why)


def _without_rows(before: _Side, after: _Side, said: str, nulls: str) -> Evidence:
    """Returns what can be said of a table without a key whose rows as such are not those measured before."""
    if not set(before.columns) & set(after.columns):
        return _unverified("it has no key, and no column is what it was: nothing could be compared")
    why = "it has no key: each column was compared by itself, and not which row holds which"
    outcome, reason = Outcome.UNVERIFIED, "; ".join(part for part in (why, said) if part)
    return Evidence(outcome=outcome, word="equal by column", nulls=nulls, reason=reason, grade=Grade.SHOULD)


def _is_moved(before: _Side, after: _Side) -> bool:
    return bool(before.whole["checksum"] != after.whole["checksum"])


def _released(name: str, before: _Side, after: _Side, known: Known, changes: Collection[str]) -> str:
    """Returns the rule by which sums over the table's rows need not be what they were; "" where none applies."""
    if not _is_moved(before, after):
        return ""
    if name in known.by_rule:
        return "its rows change by its rule"
    return "a rule lets its key change" if set(before.key) & set(changes) else ""


def _differing(before: _Side, after: _Side, changes: Collection[str]) -> tuple[str, ...]:
    """Returns the columns on both sides, outside the key and undeclared, whose sums or NULLs differ."""
    judged = [c for c in before.columns if c in after.columns and c not in changes and c not in before.key]
    return tuple(c for c in judged if any(before.columns[c][what] != after.columns[c][what] for what in _JUDGED))


def _moved(before: _Side, after: _Side, changes: Collection[str], differing: Collection[str]) -> str:
    """Returns what the rows as such say; "" when they are the same or cannot say anything the columns do not."""
    if not _is_moved(before, after):
        return ""
    if before.whole["meaning"] == "keys":
        return f"other values in its key {', '.join(before.key)} than before: rows came, went or were replaced"
    is_whole = set(before.columns) == set(after.columns) and not changes and not differing
    return "each column holds the values it held, and in other rows" if is_whole else ""


def _nulls(before: _Side, after: _Side) -> str:
    counts = [
        (c, int(row["nulls"]), int(after.columns[c]["nulls"]))
        for c, row in before.columns.items()
        if c in after.columns
    ]
    return ", ".join(f"{column} {then:,} -> {now:,}" for column, then, now in counts if then != now)


def _named(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:8]) + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
    return f"values of {shown} are not what they were"


def _said(apart: str | None, changes: Collection[str]) -> str:
    parts = [f"not compared: {apart}"] if apart else []
    parts += [f"declared to change: {', '.join(sorted(changes))}"] if changes else []
    return "; ".join(parts)


def merge(frame: pd.DataFrame, evidence: Mapping[str, Evidence]) -> pd.DataFrame:
    """Returns a comparison of rows with what the checksums say beside it, failures first.

    Args:
        frame: as ``comparison.compare`` returns it.
        evidence: as ``judge`` returns it.

    Returns:
        The frame with checksum ("equal", "different", "not judged", "unverified", "" where there is none), changed
        (columns that differ and should not) and nulls (str) after difference; verdict, reason and grade are the worse
        of the two.
    """
    lines = [_merged(row, evidence.get(f"{row['schema']}.{row['table']}")) for row in frame.to_dict("records")]
    at = frame.columns.get_loc("difference")
    names = list(frame.columns)
    where = int(at) + 1 if isinstance(at, int) else len(names)
    named = [*names[:where], "checksum", "changed", "nulls", *names[where:]]
    dtypes = {**frame.dtypes.to_dict(), "checksum": "str", "changed": "str", "nulls": "str"}
    merged = pd.DataFrame(lines, columns=named).astype(dtypes)
    worst = merged["verdict"].map({"FAILED": 0, "UNVERIFIED": 1, "PASSED": 2})
    return merged.iloc[worst.sort_values(kind="stable").index].reset_index(drop=True)


def _merged(row: Mapping[Any, Any], found: Evidence | None) -> dict[str, Any]:
    line = {str(name): value for name, value in row.items()}
    line |= {"checksum": "", "changed": "", "nulls": ""}
    if found is None:
        return line
    line |= {"checksum": found.word, "changed": ", ".join(found.columns), "nulls": found.nulls}
    line["reason"] = "; ".join(part for part in (row["reason"], found.reason) if part)
    is_clean = row["verdict"] == Outcome.PASSED.value
    if is_clean and found.outcome is not Outcome.PASSED:
        line |= {"verdict": found.outcome.value, "grade": found.grade.value}
    return line


def checks(evidence: Mapping[str, Evidence]) -> list[Check]:
    """Returns one check per table, those that are not PASSED first."""
    order = list(Outcome)
    named = sorted(
        evidence.items(), key=lambda item: (item[1].outcome is Outcome.PASSED, order.index(item[1].outcome), item[0])
    )
    return [_check(name, found) for name, found in named]


def _check(name: str, found: Evidence) -> Check:
    is_passed = found.outcome is Outcome.PASSED
    return Check(
        name=f"values of {name}",
        subject=name,
        grade=found.grade,
        outcome=found.outcome,
        expected="unchanged",
        found=found.word if not found.columns else f"different: {', '.join(found.columns)}",
        why="; ".join(part for part in (found.reason, f"NULLs: {found.nulls}" if found.nulls else "") if part),
        next="" if is_passed else _next(name, found),
    )


def _next(name: str, found: Evidence) -> str:
    look = f"Compare {name} with the restored backup (`alembook compare`)"
    declare = f"declare it with a [[changes]] rule for {name} in checks.toml"
    if found.word == "unverified":
        return f"{look}, or {declare} if its values were meant to change."
    if found.reason.endswith(TRAFFIC):
        return f"{look}; with writers stopped this would be certain."
    if found.grade is Grade.SHOULD:
        return f"{look}: it says which rows differ."
    return f"Do not go on. {look}: it says which rows differ. If the change was meant, {declare}; if not, roll back."


def sequences(before: pd.DataFrame, after: pd.DataFrame) -> list[Check]:
    """Returns one check per column and sequence: the next value it gives must be one the table has not had.

    A sequence that was behind before the change is only a *should*: the run did not do it.

    Args:
        before: sequences as ``measurement.Measurement.sequences``.
        after: the same, later.
    """
    behind = before[before["is_behind"]].to_dict("records")
    ahead = set(before.loc[~before["is_behind"], "sequence"])
    then = {_place(row) for row in behind} | {row["sequence"] for row in behind if row["sequence"] not in ahead}
    return [
        _sequence(row, was_behind=not then.isdisjoint((_place(row), row["sequence"])))
        for row in after.to_dict("records")
    ]


def _place(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("sequence", "schema", "table", "column"))


def _sequence(row: Mapping[Hashable, Any], *, was_behind: bool) -> Check:
    is_behind, table = bool(row["is_behind"]), f"{row['schema']}.{row['table']}"
    if row["why"]:
        return _unjudged(row, table)
    why = "it was so before the change" if was_behind else "the next INSERT would collide"
    return Check(
        name=f"sequence {row['sequence']} is ahead of {table}.{row['column']}",
        subject=table,
        grade=Grade.SHOULD if was_behind else Grade.MUST,
        outcome=Outcome.FAILED if is_behind else Outcome.PASSED,
        expected="ahead of the values in the table",
        found="behind them" if is_behind else "ahead of them",
        why=why if is_behind else "",
        next=f"Set it with setval() to the highest value of {row['column']}, before anybody inserts."
        if is_behind
        else "",
    )


def _unjudged(row: Mapping[Hashable, Any], table: str) -> Check:
    is_right = row["why"] == MAY_NOT_READ
    return Check(
        name=f"sequence {row['sequence']} is ahead of {table}.{row['column']}",
        subject=table,
        grade=Grade.SHOULD if is_right else Grade.MUST,
        outcome=Outcome.UNVERIFIED,
        expected="ahead of the values in the table",
        why=str(row["why"]),
        next=f"GRANT SELECT ON SEQUENCE {row['sequence']} to the role." if is_right else f"See values of {table}.",
    )
