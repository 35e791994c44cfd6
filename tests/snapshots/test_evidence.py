"""What checksums say of damage, and of changes that alter nothing."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alembook.postgres import connection as connections
from alembook.postgres import embedded
from alembook.postgres.connection import Connection
from alembook.postgres.embedded import Server
from alembook.snapshots import evidence, measurement
from alembook.snapshots.evidence import Evidence, Known
from alembook.snapshots.measurement import Measurement
from alembook.verdict import Check, Grade, Outcome
from tests.snapshots import everything

PEOPLE = """
    CREATE TABLE people (id serial PRIMARY KEY, name text, note varchar(30), score float8, paid numeric(10, 4),
                         born timestamptz, tags text[], extra json);
    INSERT INTO people (name, note, score, paid, born, tags, extra)
    SELECT 'name ' || i, CASE WHEN i % 5 > 0 THEN 'note ' || i END, i / 3.0, i / 7.0,
           timestamptz '2026-01-01 00:00+00' + i * interval '1 hour', ARRAY['t' || i], '{"a": 1}'
      FROM generate_series(1, 100) AS i;
    CREATE TABLE heap (a int, b text);
    INSERT INTO heap SELECT i % 10, 'b' || i FROM generate_series(1, 50) AS i
"""


def measured(connection: Connection, earlier: pd.DataFrame | None = None, **options: Any) -> Measurement:
    """Returns what is measured in a snapshot of its own."""
    with measurement.snapshot(connection):
        return measurement.measure(connection, earlier=earlier, **options)


def judged(before: Measurement, after: Measurement, **known: Any) -> dict[str, Evidence]:
    """Returns the evidence by table, checksums keyed as an archive holds them."""
    facts = {"changes": {}, "unread": {**before.unread, **after.unread}, "apart": after.apart, **known}
    return evidence.judge(
        evidence.keyed(before.columns, b"k"),
        evidence.keyed(after.columns, b"k"),
        Known(**facts),
    )


def changed(connection: Connection, statements: str, **known: Any) -> dict[str, Evidence]:
    """Returns the evidence of what statements did."""
    before = measured(connection)
    for statement in statements.split(";;"):
        connections.execute(connection, statement)
    return judged(before, measured(connection, before.columns), **known)


DAMAGE = {
    "a column of one row": ("UPDATE people SET name = 'other' WHERE id = 7", ("name",)),
    "NULL to empty": ("UPDATE people SET note = '' WHERE id = 5", ("note",)),
    "empty where there was a value": ("UPDATE people SET note = NULL WHERE id = 6", ("note",)),
    "a value moved to another row": (
        "UPDATE people p SET score = q.score FROM people q WHERE (p.id, q.id) IN ((3, 4), (4, 3))",
        ("score",),
    ),
    "NULL moved to another row": (
        "UPDATE people SET note = CASE id WHEN 5 THEN 'note 6' END WHERE id IN (5, 6)",
        ("note",),
    ),
    "a trailing space": ("UPDATE people SET note = note || ' ' WHERE id = 8", ("note",)),
    "a time zone shift": ("UPDATE people SET born = born + interval '1 hour'", ("born",)),
    "float rounding": ("UPDATE people SET score = score::float4 WHERE id = 1", ("score",)),
    "decimals lost": ("ALTER TABLE people ALTER paid TYPE numeric(10, 2)", ("paid",)),
    "a text cut": ("ALTER TABLE people ALTER name TYPE varchar(6) USING left(name, 6)", ("name",)),
    "an element of an array": ("UPDATE people SET tags = tags || NULL::text WHERE id = 2", ("tags",)),
    "json written differently": ("""UPDATE people SET extra = '{"a":1}' WHERE id = 2""", ("extra",)),
    "two columns": ("UPDATE people SET name = upper(name), score = -score", ("name", "score")),
    "a row deleted and another inserted": ("UPDATE people SET id = 1000 WHERE id = 100", ()),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_its_column_named(connection18: Connection, name: str) -> None:
    """The number of rows is what it was in all of these; the other table stays equal."""
    statement, columns = DAMAGE[name]
    connections.execute(connection18, PEOPLE)
    found = changed(connection18, statement)
    assert (found["public.people"].outcome, found["public.people"].columns) == (Outcome.FAILED, columns)
    assert found["public.heap"].outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("statement", "columns"),
    [
        ("UPDATE heap SET b = b || ' ' WHERE b = 'b3'", ("b",)),
        ("UPDATE heap SET a = NULL WHERE b = 'b20'", ("a",)),
        ("UPDATE heap SET a = CASE b WHEN 'b1' THEN 2 ELSE 1 END WHERE b IN ('b1', 'b2')", ()),
        ("DELETE FROM heap WHERE b = 'b1';; INSERT INTO heap SELECT * FROM heap WHERE b = 'b2'", ("a", "b")),
    ],
)
def test_a_table_without_a_key_is_judged_by_its_rows(
    connection18: Connection, statement: str, columns: tuple[str, ...]
) -> None:
    """Also when each column holds the same values as before, in other rows."""
    connections.execute(connection18, PEOPLE)
    found = changed(connection18, statement)["public.heap"]
    assert (found.outcome, found.columns) == (Outcome.FAILED, columns)


NOTHING = {
    "a rewrite": "VACUUM FULL people",
    "a cluster": "CLUSTER people USING people_pkey",
    "an index": "CREATE INDEX ON people (name)",
    "an index built concurrently": "CREATE INDEX CONCURRENTLY ON people (name)",
    "a column with a default": "ALTER TABLE people ADD plan text NOT NULL DEFAULT 'basic'",
    "a column with a volatile default": "ALTER TABLE people ADD token uuid NOT NULL DEFAULT gen_random_uuid()",
    "a generated column": "ALTER TABLE people ADD twice float8 GENERATED ALWAYS AS (score * 2) STORED",
    "a wider integer": "ALTER TABLE people ALTER id TYPE bigint",
    "a wider text": "ALTER TABLE people ALTER note TYPE varchar(200)",
    "a varchar to text": "ALTER TABLE people ALTER note TYPE text",
    "more digits": "ALTER TABLE people ALTER paid TYPE numeric(20, 8)",
    "a column that goes": "ALTER TABLE people DROP score",
    "a type of another meaning": "ALTER TABLE people ALTER extra TYPE jsonb USING extra::jsonb",
    "rows in another place": "UPDATE people SET name = name",
    "a constraint": "ALTER TABLE people ADD CHECK (score > 0) NOT VALID;; ALTER TABLE people ADD UNIQUE (name)",
    "a not null": "ALTER TABLE people ALTER name SET NOT NULL",
    "a toast rewrite": "ALTER TABLE people ALTER name SET STORAGE EXTERNAL;; VACUUM FULL people",
    "an identity": "ALTER TABLE people ALTER id DROP DEFAULT",
    "a table that was renamed and back": "ALTER TABLE people RENAME TO p;; ALTER TABLE p RENAME TO people",
    "another order of rows": "CREATE TABLE h AS SELECT * FROM heap ORDER BY b DESC;; TRUNCATE heap;; "
    "INSERT INTO heap SELECT * FROM h",
    "statistics": "ANALYZE",
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_alters_no_value_raises_no_alarm(connection18: Connection, name: str) -> None:
    """Rewrites, indexes, new columns, wider types: every column both sides have is equal."""
    connections.execute(connection18, PEOPLE)
    found = changed(connection18, NOTHING[name])
    apart = {"a column that goes", "a type of another meaning", "a generated column"}
    apart |= {"a column with a default", "a column with a volatile default"}
    assert {table: (each.outcome, each.word) for table, each in found.items()} == {
        "public.people": (Outcome.PASSED, "equal on what both have" if name in apart else "equal"),
        "public.heap": (Outcome.PASSED, "equal"),
    }


def test_every_type_survives_a_rewrite(connection: Connection) -> None:
    """Built-in types, enums, composites, domains and ranges of a user; NULL in each of them."""
    connections.execute(connection, everything.script())
    assert changed(connection, "VACUUM FULL everything")["public.everything"].word == "equal"


def test_a_lost_value_of_every_type_is_seen(connection: Connection) -> None:
    """One value made NULL: the column is named, with its number of NULLs."""
    connections.execute(connection, everything.script())
    before = measured(connection)
    for column in everything.columns():
        first = f"(SELECT min(id) FROM everything WHERE {column} IS NOT NULL)"
        connections.execute(connection, f"UPDATE everything SET {column} = NULL WHERE id = {first}")
        after = measured(connection, before.columns)
        found = judged(before, after)["public.everything"]
        assert (found.columns, found.nulls.partition(" ")[0]) == ((column,), column)
        before = after


@pytest.mark.parametrize(("old", "new"), [(16, 18), (18, 18), (18, 16)])
def test_dump_and_restore_raises_no_alarm(
    server16: Server, server18: Server, tmp_path: Path, old: int, new: int
) -> None:
    """Into another major version and into another database: enums have other oids there, and the sums are the same."""
    servers = {16: server16, 18: server18}
    name = f"moved_{old}_{new}_{abs(hash(tmp_path)) % 10**9}"
    source, goal = servers[old].create_database(name), servers[new].create_database(f"{name}_there")
    with contextlib.ExitStack() as stack:
        here, there = (
            stack.enter_context(contextlib.closing(connections.connect(each, application_name="alembook test")))
            for each in (source, goal)
        )
        connections.execute(there, "CREATE TYPE shifts_the_oids AS ENUM ('a')")
        connections.execute(here, everything.script())
        connections.execute(here, PEOPLE)
        dump = [str(embedded.binaries(18 if new == 18 else 16) / "pg_dump"), "--no-owner", source.conninfo()]
        if (old, new) == (18, 16):
            dump[0] = str(embedded.binaries(18) / "pg_dump")
        text = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
        kept = [line for line in text.splitlines() if not line.startswith(("SET transaction_timeout", "\\restrict"))]
        kept = [line for line in kept if not line.startswith("\\unrestrict")]
        psql = [str(embedded.binaries(18) / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", goal.conninfo()]
        subprocess.run(psql, input="\n".join(kept), capture_output=True, text=True, check=True)
        before = measured(here)
        found = judged(before, measured(there, before.columns))
    assert {each.word for each in found.values()} == {"equal"}
    assert set(found) == {"public.everything", "public.people", "public.heap"}


def test_another_number_of_nulls_is_a_difference_whatever_the_sums_say(connection18: Connection) -> None:
    """NULLs are counted exactly; sums of hashes only almost surely differ."""
    connections.execute(connection18, PEOPLE)
    before = measured(connection18)
    after = measured(connection18, before.columns)
    at = after.columns["column"] == "note"
    after.columns.loc[at, "nulls"] += 1
    assert judged(before, after)["public.people"].columns == ("note",)


def test_a_table_without_a_key_of_which_nothing_is_comparable_is_unverified(connection18: Connection) -> None:
    """Its only column has another meaning now."""
    connections.execute(connection18, "CREATE TABLE t (v text); INSERT INTO t VALUES ('1')")
    found = changed(connection18, "ALTER TABLE t ALTER v TYPE int USING 7")["public.t"]
    assert (found.outcome, found.grade, found.reason) == (
        Outcome.UNVERIFIED,
        Grade.MUST,
        "it has no key, and no column is what it was: nothing could be compared",
    )


@pytest.mark.parametrize("change", ["ALTER TABLE t DROP gone", "ALTER TABLE t ALTER gone TYPE text"])
def test_rows_without_a_key_are_compared_whole_or_not_as_rows(connection18: Connection, change: str) -> None:
    """Where a column went, each other one holds what it held; in which rows, nobody can say."""
    connections.execute(
        connection18, "CREATE TABLE t (a int, b int, gone int); INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)"
    )
    found = changed(connection18, f"UPDATE t SET b = 3 - b;; {change}")["public.t"]
    assert (found.outcome, found.grade) == (Outcome.UNVERIFIED, Grade.SHOULD)
    assert found.reason.startswith("it has no key: each column was compared by itself, and not which row holds which")


def test_what_is_declared_is_not_judged(connection18: Connection) -> None:
    """The other columns are; "*" is every column."""
    connections.execute(connection18, PEOPLE)
    statement = "UPDATE people SET name = upper(name), score = 0"
    found = changed(connection18, statement, changes={"public.people": {"name"}})["public.people"]
    assert (found.outcome, found.columns) == (Outcome.FAILED, ("score",))
    found = changed(connection18, "UPDATE people SET name = 'x'", changes={"public.people": {"name"}})["public.people"]
    assert (found.outcome, found.reason) == (Outcome.PASSED, "declared to change: name")
    found = changed(connection18, "UPDATE people SET id = id + 1000", changes={"public.people": {"*"}})["public.people"]
    assert (found.outcome, found.word) == (Outcome.PASSED, "not judged")


def test_a_table_whose_rows_come_and_go_by_rule_is_judged_while_its_keys_stay(connection18: Connection) -> None:
    """With other keys there is nothing to compare sums with; with the same ones the columns are judged."""
    connections.execute(connection18, PEOPLE)
    found = changed(connection18, "INSERT INTO people (name) VALUES ('new')", by_rule={"public.people"})
    assert (found["public.people"].outcome, found["public.people"].word) == (Outcome.PASSED, "not judged")
    found = changed(connection18, "UPDATE people SET score = 1", by_rule={"public.people"})
    assert (found["public.people"].outcome, found["public.people"].columns) == (Outcome.FAILED, ("score",))


def test_what_the_run_did_not_touch_may_be_traffic(connection18: Connection) -> None:
    """With writers running such a difference is no verdict: a should that is UNVERIFIED."""
    connections.execute(connection18, PEOPLE)
    found = changed(
        connection18, "UPDATE people SET name = 'x' WHERE id = 1", traffic={"public.people": evidence.TRAFFIC}
    )
    assert evidence.checks(found)[0] == Check(
        name="values of public.people",
        subject="public.people",
        grade=Grade.SHOULD,
        outcome=Outcome.UNVERIFIED,
        expected="unchanged",
        found="different: name",
        why="values of name are not what they were; the run itself changed none of its rows, and others may write",
        next="Compare public.people with the restored backup (`alembook compare`); with writers stopped this would be "
        "certain.",
    )


def test_a_key_that_is_gone_is_unverified_unless_declared(connection18: Connection) -> None:
    """Its sums were seeded by the key, and cannot be made again."""
    connections.execute(connection18, PEOPLE)
    statement = "ALTER TABLE people DROP id"
    assert changed(connection18, statement)["public.people"].outcome is Outcome.UNVERIFIED
    connections.execute(connection18, "ALTER TABLE people ADD id serial PRIMARY KEY")
    declared = {"public.people": {"id"}}
    assert changed(connection18, statement, changes=declared)["public.people"].outcome is Outcome.PASSED


def test_what_could_not_be_compared_is_said(connection18: Connection) -> None:
    """Columns that went, came, or have another type."""
    connections.execute(connection18, PEOPLE)
    statement = "ALTER TABLE people DROP score, ADD new int, ALTER extra TYPE jsonb USING extra::jsonb"
    assert changed(connection18, statement)["public.people"].reason == (
        "not compared: score is gone, extra was json, is jsonb, new is new"
    )


def test_a_pass_that_takes_too_long_is_unverified(connection18: Connection) -> None:
    """The table is counted all the same."""
    connections.execute(connection18, PEOPLE)
    connections.execute(
        connection18,
        "CREATE TABLE big AS SELECT repeat(md5(i::text), 30000) AS t, i AS id FROM generate_series(1, 300) AS i",
    )
    before = measured(connection18)
    with measurement.snapshot(connection18):
        after = measurement.measure(connection18, earlier=before.columns, timeout_s=0.001)
    assert after.tables["rows"].tolist() == before.tables["rows"].tolist()
    assert judged(before, after)["public.big"] == Evidence(
        outcome=Outcome.UNVERIFIED, word="unverified", reason="a pass over it took longer than 0.001 s"
    )
