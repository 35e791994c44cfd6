"""Judging a partitioned table as one, where leaf by leaf would say something else than what became of its rows.

A table may be cut into partitions, a partition split, detached or dropped, and rows may change partitions. Then, and
where a rule speaks of the whole, rows and sums of all leaves are held against those of before; everywhere else each
leaf is judged by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from alembook.snapshots import evidence, measurement, partitions
from alembook.snapshots.comparison import rows_text

_SHOWN = 6
_NO_SUM = "its partitions were not all summed up, or not by one key over the same columns"


@dataclass(frozen=True, kw_only=True)
class Side:
    """What was measured at one instant.

    Attributes:
        tables: as ``measurement.Measurement.tables``.
        columns: as ``measurement.Measurement.columns``, keyed.
        partitions: as ``measurement.Measurement.partitions``.
        wholes: as ``measurement.Measurement.wholes``, keyed.
    """

    tables: pd.DataFrame
    columns: pd.DataFrame
    partitions: pd.DataFrame
    wholes: pd.DataFrame

    @cached_property
    def rows(self) -> dict[str, int]:
        """Returns "schema.table" -> rows of each table that was counted."""
        return {_name(row): int(row["rows"]) for row in self.tables.to_dict("records")}

    @cached_property
    def leaves(self) -> dict[str, list[str]]:
        """Returns root -> its leaves."""
        return partitions.leaves(self.partitions)

    @cached_property
    def roots(self) -> dict[str, str]:
        """Returns leaf -> its root."""
        return {leaf: root for root, leaves in self.leaves.items() for leaf in leaves}

    @cached_property
    def sums(self) -> dict[str, str]:
        """Returns "schema.table" -> sum of the keys of each table, and of each partitioned one as a whole."""
        found = pd.concat([self.columns, self.wholes]).to_dict("records")
        return {_name(row): str(row["checksum"]) for row in found if row["column"] == ""}

    def parts(self, name: str) -> list[str] | None:
        """Returns the tables that hold the rows of a table; None where there is no such table."""
        if name in self.leaves:
            return self.leaves[name]
        return [name] if name in self.rows else None

    def folded(self, unit: str, leaves: Collection[str]) -> Side:
        """Returns the side with one table instead of these leaves."""
        parts = self.parts(unit)
        if parts is None or parts == [unit]:
            return self
        own = self.tables[_names(self.tables).isin(parts)]
        schema, _, table = unit.partition(".")
        whole = (schema, table, int(own["rows"].sum()), int(own["size_bytes"].sum()))
        tables = pd.concat([_without(self.tables, leaves), measurement.frame([whole])], ignore_index=True)
        sums = self.wholes[(self.wholes["schema"] == schema) & (self.wholes["table"] == table)]
        columns = pd.concat([_without(self.columns, leaves), sums], ignore_index=True)
        return replace(self, tables=tables, columns=columns)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is declared of tables; all by "schema.table".

    Attributes:
        expected: table -> rows it must have afterwards.
        unknown: table -> why its rule has no number.
        dropped: tables the plan drops.
    """

    expected: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    dropped: Collection[str] = ()

    @property
    def named(self) -> set[str]:
        """Returns every table with a rule."""
        return {*self.expected, *self.unknown}


@dataclass(frozen=True, kw_only=True)
class Folded:
    """Both sides, with one table in the place of the leaves that are judged as one.

    Attributes:
        expected: as in ``Rules``; with what rules of leaves come to for the whole.
        unread: units whose values cannot be compared -> why.
        unseen: units that should be judged as one, and of which a leaf was not counted -> why. Not folded.
        moved: table -> whose partition it was and is, where that is another one, in words.
        told: unit -> what became of its partitions, in words.
        parts: unit -> its leaves before and after.
    """

    before: Side
    after: Side
    expected: Mapping[str, int]
    unread: Mapping[str, str]
    unseen: Mapping[str, str]
    moved: Mapping[str, str]
    told: Mapping[str, str]
    parts: Mapping[str, tuple[list[str], list[str]]]

    def own(self, rows: Mapping[str, int | None]) -> dict[str, int | None]:
        """Returns the rows the run itself added to tables others may write to, as ``comparison.compare`` takes them.

        Of a unit they are those of its leaves. Of one that lost a leaf, or has one that was another's, nobody knows
        them: it is judged strictly, and where a rule tells its number nobody says whose a difference is.
        """
        found = dict(rows)
        for unit, (then, now) in self.parts.items():
            added = [rows.get(leaf) for leaf in now]
            is_cut = bool({*then} - {*now, unit}) or not self.moved.keys().isdisjoint({*then, *now})
            if not is_cut and now:
                found[unit] = None if None in added else sum(each or 0 for each in added)
            elif unit in self.expected:
                found[unit] = None
        return found if rows else {}

    def traffic(self, why: Mapping[str, str]) -> dict[str, str]:
        """Returns why another value is no failure, as ``evidence.Known.traffic``; of units too."""
        found = dict(why)
        for unit, (_, now) in self.parts.items():
            whys = [why.get(leaf) for leaf in now]
            if whys and (None not in whys or evidence.WAY_BACK in whys):
                found[unit] = evidence.WAY_BACK if evidence.WAY_BACK in whys else evidence.TRAFFIC
        return found

    def read(self, names: Sequence[str]) -> list[str]:
        """Returns the tables that hold the rows of these."""
        found = [leaf for name in names for leaf in self.parts.get(name, ([], [name]))[1]]
        return list(dict.fromkeys(found))

    def judged(self, columns: pd.DataFrame) -> pd.DataFrame:
        """Returns the columns each table was judged by: a leaf that was not there before by those of its whole.

        Args:
            columns: of the time before, leaf by leaf, as ``Side.columns``.
        """
        known, found = set(_names(columns)), [columns]
        for unit, (_, now) in self.parts.items():
            whole = self.before.columns[_names(self.before.columns) == unit]
            for leaf in now:
                schema, _, table = leaf.partition(".")
                found += [] if leaf in known else [whole.assign(schema=schema, table=table)]
        return pd.concat(found, ignore_index=True)

    def explained(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns a comparison of rows that says what became of partitions, before the reason of each line."""
        said = {**self.moved, **self.told}
        pairs = zip(_names(frame), frame["reason"], strict=True)
        reasons = ["; ".join(part for part in (said.get(name, ""), reason) if part) for name, reason in pairs]
        return frame.assign(reason=pd.Series(reasons, index=frame.index, dtype=frame["reason"].dtype))


def fold(before: Side, after: Side, rules: Rules) -> Folded:
    """Returns both sides with the partitioned tables folded that are to be judged as one.

    Args:
        before: as it was measured.
        after: the same, later, measured with the columns and the wholes of before as ``earlier``.
        rules: what is declared; names of partitioned tables among them.
    """
    units = [unit for unit in sorted({*before.leaves, *after.leaves}) if _is_one(before, after, unit, rules)]
    unseen = {unit: why for unit in units if (why := _unseen(before, after, unit, rules))}
    parts = {
        unit: (before.parts(unit) or [], after.parts(unit) or [])
        for unit in units
        if unit not in unseen and not _is_out_of_scope(before, after, unit)
    }
    moved = {leaf: said for leaf in before.rows if leaf in after.rows and (said := _moved(before, after, leaf))}
    expected = dict(rules.expected)
    for unit, (then, now) in parts.items():
        expected |= _derived(before, unit, then, now, rules)
    kept = rules.named | moved.keys() | set(rules.dropped)
    sides = before, after
    for unit, (then, now) in parts.items():
        leaves = {*then, *now} - kept
        sides = sides[0].folded(unit, leaves), sides[1].folded(unit, leaves)
    return Folded(
        before=sides[0],
        after=sides[1],
        expected=expected,
        unread={
            unit: _NO_SUM
            for unit, (then, now) in parts.items()
            if then and now and not (unit in before.sums and unit in after.sums)
        },
        unseen=unseen,
        moved=moved,
        told={unit: _told(before, after, unit) for unit in parts},
        parts=parts,
    )


def _is_one(before: Side, after: Side, unit: str, rules: Rules) -> bool:
    """Says whether leaf by leaf would say something else of a partitioned table than the whole does."""
    if unit in rules.named or unit in rules.dropped:
        return True
    then, now = before.parts(unit), after.parts(unit) or []
    if then is None:
        return False
    changed = [(before, leaf) for leaf in then if leaf not in now] + [(after, leaf) for leaf in now if leaf not in then]
    if any(side.rows.get(leaf, 1) for side, leaf in changed):
        return True
    both = [leaf for leaf in then if leaf in before.rows and leaf in after.rows]
    differences = {after.rows[leaf] - before.rows[leaf] for leaf in both}
    if min(differences, default=0) < 0 < max(differences, default=0):
        return True
    is_same = unit in before.sums and before.sums[unit] == after.sums.get(unit)
    return is_same and any(before.sums.get(leaf) != after.sums.get(leaf) for leaf in both)


def _is_out_of_scope(before: Side, after: Side, unit: str) -> bool:
    """Says whether no leaf was counted where there are leaves: before, or, of a new one, afterwards."""
    side, leaves = (before, before.parts(unit)) if before.parts(unit) else (after, after.parts(unit))
    return bool(leaves) and not any(leaf in side.rows for leaf in leaves or ())


def _unseen(before: Side, after: Side, unit: str, rules: Rules) -> str:
    """Returns why a partitioned table cannot be judged as one; "" where it can, or nothing of it is in scope."""
    if _is_out_of_scope(before, after, unit):
        return ""
    sides = [(side, leaf) for side in (before, after) for leaf in side.parts(unit) or ()]
    uncounted = [leaf for side, leaf in sides if leaf not in side.rows]
    if uncounted:
        return f"its partition {uncounted[0]} was not counted"
    nameless = [leaf for _, leaf in sides if leaf in rules.unknown and leaf != unit]
    return f"the rule of its partition {nameless[0]} has no number" if nameless and unit not in rules.named else ""


def _derived(before: Side, unit: str, then: Sequence[str], now: Sequence[str], rules: Rules) -> dict[str, int]:
    """Returns what rules of leaves, and leaves the plan drops, come to for the whole; nothing where there are none."""
    added = {leaf: rules.expected[leaf] for leaf in now if leaf not in then and leaf in rules.expected}
    ruled = [leaf for leaf in then if leaf in rules.expected or leaf in rules.dropped]
    if unit in rules.named or unit in rules.dropped or not (added or ruled):
        return {}
    kept = {leaf: rules.expected.get(leaf, 0 if leaf in rules.dropped else before.rows[leaf]) for leaf in then}
    return {unit: sum(kept.values()) + sum(added.values())}


def _moved(before: Side, after: Side, leaf: str) -> str:
    """Returns whose partition a table was and is, in words; "" where that is the same."""
    was, now = before.roots.get(leaf), after.roots.get(leaf)
    if was == now:
        return ""
    if was and now:
        return f"was a partition of {was}, is one of {now}"
    return f"was a partition of {was}, and is none any more" if was else f"is a partition of {now} now"


def _told(before: Side, after: Side, unit: str) -> str:
    """Returns what became of the partitions of a table, in words."""
    found = list(_changes(before, after, unit))
    shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    return f"judged as a whole: {shown}" if shown else "judged as a whole"


def _changes(before: Side, after: Side, unit: str) -> Iterator[str]:
    then, now = before.parts(unit) or [], after.parts(unit) or []
    if unit in (*then, *now):
        yield "it was one table, and is partitioned" if unit in then else "it was partitioned, and is one table"
    for leaf in sorted({*then, *now} - {unit}):
        was, is_now = before.rows.get(leaf, 0), after.rows.get(leaf, 0)
        if leaf in then and leaf in now:
            if was != is_now:
                yield f"{leaf} {was:,} -> {is_now:,}"
        elif leaf in then:
            yield f"{leaf} ({rows_text(was)}) {'left it' if leaf in after.rows else 'is gone'}"
        else:
            yield f"{leaf} ({rows_text(is_now)}) {'came to it' if leaf in before.rows else 'is new'}"


def _without(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    return frame[~_names(frame).isin(list(names))]


def _names(frame: pd.DataFrame) -> pd.Series[str]:
    return frame["schema"] + "." + frame["table"]


def _name(row: Mapping[Hashable, Any]) -> str:
    return f"{row['schema']}.{row['table']}"
