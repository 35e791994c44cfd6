"""Partitioned tables judged as one: what is cut otherwise is not lost, and what is lost shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd
import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import comparison, evidence, measurement, roots
from alembook.snapshots.measurement import Measurement
from alembook.verdict import Check, Outcome

SCHEMA = """
    CREATE TABLE events (id int NOT NULL, at date NOT NULL, what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
    INSERT INTO events SELECT i, date '2026-01-01' + i, 'event ' || i FROM generate_series(1, 50) AS i;
    CREATE TABLE visits (id int PRIMARY KEY, place text);
    INSERT INTO visits SELECT i, 'place ' || i FROM generate_series(1, 20) AS i;
    CREATE TABLE plain (id int NOT NULL, at date NOT NULL, what text, PRIMARY KEY (id, at));
    INSERT INTO plain SELECT i, date '2026-03-01', 'more' FROM generate_series(100, 104) AS i;
"""
_SPLIT = """
    CREATE TABLE events_half (LIKE events INCLUDING ALL);
    WITH moved AS (DELETE FROM events_2 WHERE at >= '2026-02-15' RETURNING *)
    INSERT INTO events_half SELECT {values} FROM moved;
    ALTER TABLE events DETACH PARTITION events_2;
    ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-02-01') TO ('2026-02-15');
    ALTER TABLE events ATTACH PARTITION events_half FOR VALUES FROM ('2026-02-15') TO ('2026-03-01');
"""
SPLIT = _SPLIT.format(values="*")
#: The month of one partition ends a day earlier, and that of the next one begins so.
SHIFTED = """
    ALTER TABLE events DETACH PARTITION events_1;
    ALTER TABLE events DETACH PARTITION events_2;
    WITH moved AS (DELETE FROM events_1 WHERE at = '2026-01-31' RETURNING *) INSERT INTO events_2 SELECT * FROM moved;
    ALTER TABLE events ATTACH PARTITION events_1 FOR VALUES FROM ('2026-01-01') TO ('2026-01-31');
    ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-01-31') TO ('2026-03-01');
"""
SUBPARTED = """
    CREATE TABLE events_sub (LIKE events INCLUDING ALL) PARTITION BY LIST (id);
    CREATE TABLE events_sub_any PARTITION OF events_sub DEFAULT;
    INSERT INTO events_sub SELECT * FROM events_2;
    DROP TABLE events_2;
    ALTER TABLE events ATTACH PARTITION events_sub FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
"""
PARTED = """
    ALTER TABLE visits RENAME TO visits_all;
    CREATE TABLE visits (LIKE visits_all INCLUDING ALL) PARTITION BY RANGE (id);
    ALTER TABLE visits ATTACH PARTITION visits_all DEFAULT;
"""
WHOLE = """
    CREATE TABLE one (LIKE events INCLUDING ALL);
    INSERT INTO one SELECT * FROM events;
    DROP TABLE events;
    ALTER TABLE one RENAME TO events;
"""


def measured(connection: Connection, earlier: Measurement | None = None, **options: Any) -> Measurement:
    """Returns what is there now."""
    then = None if earlier is None else pd.concat([earlier.columns, earlier.wholes], ignore_index=True)
    with measurement.snapshot(connection):
        return measurement.measure(connection, earlier=then, **options)


def side(found: Measurement) -> roots.Side:
    """Returns a measurement as it is folded."""
    return roots.Side(
        tables=found.tables,
        columns=evidence.keyed(found.columns, b"k"),
        partitions=found.partitions,
        wholes=evidence.keyed(found.wholes, b"k"),
    )


def judged(
    before: Measurement,
    after: Measurement,
    *,
    expected: Mapping[str, int] | None = None,
    dropped: Collection[str] = (),
    own: Mapping[str, int | None] | None = None,
) -> dict[str, Check]:
    """Returns the checks of rows and values, by name."""
    folded = roots.fold(side(before), side(after), roots.Rules(expected=expected or {}, dropped=dropped))
    frame = comparison.compare(
        folded.before.tables,
        folded.after.tables,
        expected=folded.expected,
        dropped=dropped,
        left_out={**after.left_out, **folded.unseen},
        own=folded.own(own or {}),
    )
    known = evidence.Known(
        changes={}, by_rule=set(folded.expected), unread={**after.unread, **folded.unread}, apart=after.apart
    )
    found = evidence.judge(folded.before.columns, folded.after.columns, known)
    checks = [*comparison.checks(folded.explained(frame)), *evidence.checks(found)]
    return {check.name: check for check in checks}


def changed(connection: Connection, statement: str, **rules: Any) -> dict[str, Check]:
    """Returns the checks of a database that a statement changed."""
    connections.execute(connection, SCHEMA)
    before = measured(connection)
    connections.execute(connection, statement)
    return judged(before, measured(connection, before), **rules)


def wrong(checks: Mapping[str, Check]) -> dict[str, str]:
    """Returns the checks that are not PASSED: name -> outcome and why."""
    return {
        name: f"{check.outcome.value}: {check.why}"
        for name, check in checks.items()
        if check.outcome is not Outcome.PASSED
    }


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            SPLIT,
            {
                "rows of public.events": "judged as a whole: public.events_2 20 -> 14, "
                "public.events_half (6 rows) is new"
            },
        ),
        (
            SHIFTED,
            {"rows of public.events": "judged as a whole: public.events_1 30 -> 29, public.events_2 20 -> 21"},
        ),
        (
            PARTED,
            {
                "rows of public.visits": "judged as a whole: it was one table, and is partitioned, "
                "public.visits_all (20 rows) is new"
            },
        ),
        (
            WHOLE,
            {
                "rows of public.events": "judged as a whole: it was partitioned, and is one table, "
                "public.events_1 (30 rows) is gone, public.events_2 (20 rows) is gone"
            },
        ),
        (
            SUBPARTED,
            {
                "rows of public.events": "judged as a whole: public.events_2 (20 rows) is gone, "
                "public.events_sub_any (20 rows) is new"
            },
        ),
        (
            "CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
            {"rows of public.events_3": "new table, no rule", "rows of public.events_1": ""},
        ),
        (
            "CREATE SCHEMA far; CREATE TABLE far.everything (LIKE events INCLUDING ALL) PARTITION BY LIST (id); "
            "ALTER TABLE far.everything ATTACH PARTITION plain DEFAULT",
            {"rows of public.plain": "is a partition of far.everything now"},
        ),
    ],
)
def test_what_is_only_cut_otherwise_passes(connection18: Connection, statement: str, told: dict[str, str]) -> None:
    """No row is lost and no value is another one: equal as a whole, and what became of the partitions is told."""
    checks = changed(connection18, statement)
    assert wrong(checks) == {}
    assert {name: checks[name].why for name in told} == told


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "ALTER TABLE events DETACH PARTITION events_2",
            {
                "rows of public.events": "FAILED: judged as a whole: public.events_2 (20 rows) left it; "
                "20 rows missing",
                "values of public.events": "FAILED: other values in its key id, at than before: rows came, went or "
                "were replaced",
            },
        ),
        (
            "ALTER TABLE events ATTACH PARTITION plain FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
            {
                "rows of public.events": "FAILED: judged as a whole: public.plain (5 rows) came to it; 5 rows too many",
                "values of public.events": "FAILED: other values in its key id, at than before: rows came, went or "
                "were replaced",
            },
        ),
        (
            _SPLIT.format(values="id, at, 'other'"),
            {"values of public.events": "FAILED: values of what are not what they were"},
        ),
        (
            f"{SPLIT}; DELETE FROM events WHERE id = 50",
            {
                "rows of public.events": "FAILED: judged as a whole: public.events_2 20 -> 14, public.events_half "
                "(5 rows) is new; 1 row missing"
            },
        ),
        ("DELETE FROM events WHERE id = 1", {"rows of public.events_1": "FAILED: 1 row missing"}),
        (
            "DELETE FROM events WHERE id = 1; INSERT INTO events VALUES (51, '2026-02-20', 'new')",
            {
                "values of public.events": "FAILED: other values in its key id, at than before: rows came, went or "
                "were replaced"
            },
        ),
        (
            "DROP TABLE events",
            {"rows of public.events": "FAILED: judged as a whole: public.events_1 (30 rows) is gone"},
        ),
    ],
)
def test_what_is_lost_shows(connection18: Connection, statement: str, told: dict[str, str]) -> None:
    """A whole that has other rows or values than before is FAILED; what is lost in one leaf is told of the leaf."""
    found = wrong(changed(connection18, statement))
    assert {name: found.get(name, "")[: len(why)] for name, why in told.items()} == told


def test_a_detached_partition_is_judged_as_a_table_too(connection18: Connection) -> None:
    """Its own rows are all there; a rule of the whole says that it was meant."""
    checks = changed(connection18, "ALTER TABLE events DETACH PARTITION events_2", expected={"public.events": 30})
    assert wrong(checks) == {}
    assert checks["rows of public.events_2"].why == "was a partition of public.events, and is none any more"
    assert checks["values of public.events_2"].found == "equal"


def test_rules_of_leaves_hold_for_the_whole(connection18: Connection) -> None:
    """A leaf that a rule lets go, or the plan drops, is no loss of the whole; a rule of a whole without one is met."""
    drop = "DROP TABLE events_2"
    for rules in ({"expected": {"public.events_2": 0}}, {"dropped": ["public.events_2"]}):
        found = changed(connection18, drop, **rules)
        assert wrong(found) == {}
        assert found["rows of public.events"].expected == "30"
        connections.execute(connection18, "DROP TABLE events, visits, plain")
    empty = "DROP TABLE events_1, events_2"
    assert wrong(changed(connection18, empty, expected={"public.events": 0})) == {}


def test_the_runs_own_rows_of_a_whole(connection18: Connection) -> None:
    """Where others write, a whole is judged by what the run did to its leaves; one that lost a leaf strictly."""
    own: dict[str, int | None] = dict.fromkeys(("public.events_1", "public.events_2", "public.events_half"), 0)
    split = f"{SPLIT}; INSERT INTO events VALUES (51, '2026-02-20', 'by others')"
    found = wrong(changed(connection18, split, own=own))["rows of public.events"]
    assert found.startswith(
        "UNVERIFIED: judged as a whole: public.events_2 20 -> 14, public.events_half (7 rows) is new"
    )
    assert found.endswith("1 row too many; the run itself added and removed none, and others may write")
    connections.execute(connection18, "DROP TABLE events, visits, plain")
    detach = "ALTER TABLE events DETACH PARTITION events_2"
    assert changed(connection18, detach, own=own)["rows of public.events"].outcome is Outcome.FAILED
    connections.execute(connection18, "DROP TABLE events, events_2, visits, plain")
    by_rule = changed(connection18, detach, own=own, expected={"public.events": 31})["rows of public.events"]
    assert (by_rule.outcome, by_rule.found) == (Outcome.UNVERIFIED, "30")


def test_a_whole_is_traffic_where_its_leaves_are(connection18: Connection) -> None:
    """One leaf the run worked on is enough to judge the whole; on the way back one is enough to let it be."""
    connections.execute(connection18, SCHEMA)
    before = measured(connection18)
    connections.execute(connection18, SPLIT)
    folded = roots.fold(side(before), side(measured(connection18, before)), roots.Rules())
    leaves = ("public.events_1", "public.events_2", "public.events_half")
    every = dict.fromkeys(leaves, evidence.TRAFFIC)
    assert folded.traffic(every) == {**every, "public.events": evidence.TRAFFIC}
    assert "public.events" not in folded.traffic(dict.fromkeys(leaves[:2], evidence.TRAFFIC))
    back = folded.traffic({leaves[0]: evidence.WAY_BACK})
    assert back["public.events"] == evidence.WAY_BACK


def test_rows_that_differ_are_looked_for_in_the_leaves(connection18: Connection) -> None:
    """By the columns the whole was judged by, of a leaf that was not there before too."""
    connections.execute(connection18, SCHEMA)
    before = measured(connection18)
    connections.execute(connection18, PARTED)
    folded = roots.fold(side(before), side(measured(connection18, before)), roots.Rules())
    assert folded.read(["public.visits", "public.plain"]) == ["public.visits_all", "public.plain"]
    columns = folded.judged(before.columns)
    assert columns[columns["table"] == "visits_all"]["column"].tolist() == ["", "id", "place"]


def test_a_leaf_that_is_not_counted(connection18: Connection) -> None:
    """A foreign leaf is nobody's to count: the whole is UNVERIFIED where it would have to be judged, and only there."""
    connections.execute(
        connection18,
        f"{SCHEMA}; CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;"
        "CREATE TABLE logs (id int) PARTITION BY RANGE (id);"
        "CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (1) TO (10); INSERT INTO logs VALUES (1);"
        "CREATE FOREIGN TABLE logs_2 PARTITION OF logs FOR VALUES FROM (10) TO (20) SERVER far",
    )
    before = measured(connection18)
    same = wrong(judged(before, measured(connection18, before)))
    assert same == {"rows of public.logs_2": "UNVERIFIED: not counted: a foreign table: its rows are another server's"}
    ruled = wrong(judged(before, measured(connection18, before), expected={"public.logs": 1}))
    assert ruled["rows of public.logs"] == "UNVERIFIED: not counted: its partition public.logs_2 was not counted"
    connections.execute(connection18, "ALTER TABLE logs DETACH PARTITION logs_1")
    assert "rows of public.logs" in wrong(judged(before, measured(connection18, before)))


def test_leaves_that_do_not_add_up(connection18: Connection) -> None:
    """Sums by different keys say nothing of the whole: its rows are judged, its values UNVERIFIED."""
    parted = """
        CREATE TABLE keyless (a int, b text) PARTITION BY RANGE (a);
        CREATE TABLE keyless_1 PARTITION OF keyless FOR VALUES FROM (1) TO (10);
        CREATE TABLE keyless_2 (b text, a int PRIMARY KEY);
        ALTER TABLE keyless ATTACH PARTITION keyless_2 FOR VALUES FROM (10) TO (20);
        INSERT INTO keyless VALUES (1, 'x'), (11, 'y')"""
    connections.execute(connection18, parted)
    before = measured(connection18)
    found = wrong(judged(before, measured(connection18, before), expected={"public.keyless": 2}))
    assert found == {
        "values of public.keyless": "UNVERIFIED: its partitions were not all summed up, or not by one key over the "
        "same columns"
    }


def test_children_by_inheritance_are_no_partitions(connection18: Connection) -> None:
    """Each is judged by itself, as its parent is; so is what is out of scope not at all."""
    connections.execute(
        connection18, f"{SCHEMA}; CREATE TABLE child () INHERITS (plain); INSERT INTO child VALUES (1, now())"
    )
    before = measured(connection18)
    assert list(before.partitions["root"].unique()) == ["public.events"]
    connections.execute(connection18, "ALTER TABLE child NO INHERIT plain")
    assert wrong(judged(before, measured(connection18, before))) == {}
    some = measured(connection18, only={"public.visits"})
    connections.execute(connection18, "ALTER TABLE events DETACH PARTITION events_2")
    assert wrong(judged(some, measured(connection18, some, only={"public.visits"}))) == {}
