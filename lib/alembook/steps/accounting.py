"""What verification sees in one snapshot, and what becomes of each table by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from alembook.postgres import connection as connections
from alembook.project.plan import Plan
from alembook.snapshots import checks, comparison, ends, evidence, measurement, roots
from alembook.snapshots.evidence import Evidence
from alembook.steps import before, drift, standing, touched
from alembook.steps.runbook import Book
from alembook.verdict import Check, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the database showed in one snapshot.

    Attributes:
        now: what was measured.
        executed: tables that the run's statements lead to.
        own: what the run itself did to the tables.
        unmeasured: those of them that were there before and were not measured then.
        unreadable: those of them that could not be read then -> why.
        orphans: as ``orphans.count``.
        declared: the declared checks' outcomes.
        drifted: what became of the schema.
    """

    now: measurement.Measurement
    executed: set[str]
    own: touched.Own
    unmeasured: list[str]
    unreadable: Mapping[str, str]
    orphans: Mapping[str, Mapping[str, object]]
    declared: list[Check]
    drifted: drift.Drift


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of the tables.

    Attributes:
        counted: rows, as ``comparison.compare``.
        found: values, by "schema.table".
        changes: table -> columns that rules let change.
        frame: both side by side, as ``evidence.merge``.
        folded: which partitioned tables were judged as one.
    """

    counted: pd.DataFrame
    found: Mapping[str, Evidence]
    changes: Mapping[str, Collection[str]]
    frame: pd.DataFrame
    folded: roots.Folded

    def differing(self) -> list[str]:
        """Returns the tables whose rows or values are not what they should be, and can be looked into."""
        wrong = self.frame[self.frame["verdict"] != Outcome.PASSED.value]
        there = wrong[wrong["before"].notna() & wrong["after"].notna()]
        names = [f"{row['schema']}.{row['table']}" for row in there.to_dict("records")]
        is_read = {name for name, each in self.found.items() if each.word != "unverified"}
        return self.folded.read([name for name in names if name in is_read])


def look(book: Book, earlier: before.Before, rules: checks.Declared) -> Seen:
    """Returns what the database shows now. Reads only.

    Raises:
        errors.QueryFailed: a table could not be counted, or the catalogue not be read.
    """
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        executed = touched.executed(book, connection, gone=earlier.left_out)
        there, left_out = before.outline(book, connection)
        backfilled = touched.backfilled(book, connection)
        own = touched.own(book, connection, there, backfilled=backfilled, executed=executed)
        known = earlier.there | earlier.left_out.keys()
        unreadable = {name: why for name, why in earlier.left_out.items() if name in executed}
        new = {*there, *left_out} - known
        only = None if earlier.scope.tables is None else {*earlier.scope.tables, *new, *unreadable}
        worked_on = executed & {*there, *left_out, *unreadable}
        then = pd.concat([earlier.columns, earlier.wholes], ignore_index=True)
        now = before.measure(book, connection, earlier=then, only=only)
        return Seen(
            now=now,
            executed=worked_on,
            own=own,
            unmeasured=sorted(name for name in worked_on if only is not None and name not in only),
            unreadable=unreadable,
            orphans=before.orphaned(book, connection, now),
            declared=checks.after(
                connection,
                rules,
                earlier.values,
                before.key(book),
                applied=before.applied(book),
                timeout_s=before.limit_s(book),
            ),
            drifted=drift.judge(drift.moments(book), drift.read(book, connection)),
        )


def render(book: Book, earlier: before.Before, seen: Seen, rules: checks.Declared) -> Account:
    """Returns what became of each table, by counts and checksums before and after."""
    folded = _folded(book, earlier, seen)
    known = _known(book, earlier, seen, rules, folded)
    counted = _counted(book, earlier, seen, folded)
    found = evidence.judge(folded.before.columns, folded.after.columns, known)
    frame = evidence.merge(counted, found)
    return Account(counted=counted, found=found, changes=known.changes, frame=frame, folded=folded)


def _folded(book: Book, earlier: before.Before, seen: Seen) -> roots.Folded:
    """Returns what was measured before and now, with partitioned tables as one where that says more."""
    values, names = earlier.values, _every(earlier, seen)
    then = roots.Side(
        tables=earlier.tables, columns=earlier.columns, partitions=earlier.partitions, wholes=earlier.wholes
    )
    columns, wholes = (evidence.keyed(each, before.key(book)) for each in (seen.now.columns, seen.now.wholes))
    now = roots.Side(tables=seen.now.tables, columns=columns, partitions=seen.now.partitions, wholes=wholes)
    rules = roots.Rules(
        expected=comparison.placed({**values.expected(), **_version_rows(book.plan())}, names),
        unknown=comparison.placed(values.unknown(), names),
        dropped=set(comparison.placed(dict.fromkeys(before.dropped(book), ""), names)),
    )
    return roots.fold(then, now, rules)


def _every(earlier: before.Before, seen: Seen) -> set[str]:
    """Returns "schema.table" of every table of before or now, partitioned ones too."""
    frames = earlier.tables, seen.now.tables
    found = {f"{row['schema']}.{row['table']}" for frame in frames for row in frame.to_dict("records")}
    return found | {*seen.now.left_out, *earlier.partitions["root"], *seen.now.partitions["root"]}


def in_scope(seen: Seen) -> Check:
    """Judges whether every table the run worked on was measured before: its plan's texts are what told them."""
    shown = ", ".join(seen.unmeasured[:10])
    why = [f"statements of the run lead to {shown}, and the texts of its plan do not"] if shown else []
    why += [f"{name} could not be read: {reason}" for name, reason in [*seen.unreadable.items()][:10]]
    later = ' set scope = "all" in [verify] for later runs.' if shown else " let the role see them in later runs."
    return Check(
        name="every table the run worked on was measured before",
        outcome=Outcome.UNVERIFIED if why else Outcome.PASSED,
        expected=f"{len(seen.executed):,} tables",
        found=f"{len(seen.executed) - len(seen.unmeasured) - len(seen.unreadable):,} tables",
        why="; ".join(why),
        next=f"Compare them with the restored backup (`alembook compare`);{later}" if why else "",
    )


def _counted(book: Book, earlier: before.Before, seen: Seen, folded: roots.Folded) -> pd.DataFrame:
    """Returns rows before, after and expected, table by table."""
    values, version, names = earlier.values, _version_rows(book.plan()), _every(earlier, seen)
    counted = before.names(seen.now) - comparison.placed(version, names).keys()
    shared = counted if book.target.writers == "running" else set()
    compared = comparison.compare(
        folded.before.tables,
        folded.after.tables,
        expected=folded.expected,
        dropped=comparison.placed(dict.fromkeys(before.dropped(book), ""), names),
        unknown=comparison.placed(values.unknown(), names),
        grades=comparison.placed(values.grades(), names),
        left_out={**seen.now.left_out, **folded.unseen},
        left_out_before=_in_scope(earlier, seen),
        worked_on=seen.executed & (earlier.there | earlier.left_out.keys()),
        own=folded.own({name: seen.own.rows.get(name) for name in shared}),
    )
    return folded.explained(compared)


def _in_scope(earlier: before.Before, seen: Seen) -> dict[str, str]:
    """Returns the tables in scope, and those the run worked on, that could not be read before -> why."""
    return {n: why for n, why in earlier.left_out.items() if earlier.scope.holds(n) or n in seen.unreadable}


def _known(
    book: Book, earlier: before.Before, seen: Seen, rules: checks.Declared, folded: roots.Folded
) -> evidence.Known:
    """Returns what the rules, the plan and the record say of the tables, by "schema.table"."""
    now, every = seen.now, _every(earlier, seen)
    names = before.names(now) | folded.parts.keys()
    changes = {
        **comparison.placed(checks.changes(rules, before.applied(book)), every),
        **comparison.placed({_version_table(book.plan()): {evidence.EVERY}}, every),
    }
    unread = {
        **earlier.unread,
        **now.unread,
        **folded.unread,
        **({} if before.key(book) else dict.fromkeys(names, before.lost_key(book))),
    }
    return evidence.Known(
        changes=_of_leaves(changes, earlier, seen),
        by_rule=set(folded.expected) | set(comparison.placed(earlier.values.rows, every)),
        unread={name: why for name, why in unread.items() if name in names},
        apart=now.apart,
        ends=ends.moved(earlier.ends, now.ends, before.hiding(book), may_show=book.target.verify.show_keys),
        traffic=folded.traffic(_traffic(book, before.names(now), seen.own.worked_on)),
    )


def _of_leaves(
    changes: Mapping[str, Collection[str]], earlier: before.Before, seen: Seen
) -> dict[str, Collection[str]]:
    """Returns the columns that may change, with those of a partitioned table for each of its leaves."""
    found = {name: set(columns) for name, columns in changes.items()}
    for frame in (earlier.partitions, seen.now.partitions):
        for root, leaf in zip(frame["root"], frame["leaf"], strict=True):
            found.setdefault(leaf, set()).update(changes.get(root, ()))
    return {name: columns for name, columns in found.items() if columns}


def _traffic(book: Book, names: set[str], worked_on: Collection[str]) -> dict[str, str]:
    """Returns the tables in which another value is no failure -> why: somebody else's, or the way back's."""
    others = names.difference(worked_on) if book.target.writers == "running" else set()
    back = names.intersection(worked_on) if book.plan().direction == "down" else set()
    return {**dict.fromkeys(others, evidence.TRAFFIC), **dict.fromkeys(back, evidence.WAY_BACK)}


def _version_rows(plan: Plan) -> dict[str, int]:
    """Returns how many rows the version table must have: one for each head, none at base."""
    return {_version_table(plan): len(standing.end(plan))}


def _version_table(plan: Plan) -> str:
    """Returns the table in which Alembic notes the revision: the run is meant to change it."""
    return f"{plan.version_table_schema}.{plan.version_table}" if plan.version_table_schema else plan.version_table
