"""Damage done by hand between upgrade and verification: each kind is found, by the check that is named for it."""

from __future__ import annotations

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.steps import backfill
from alembook.verdict import Grade, Outcome
from tests.steps.conftest import Desk, closed_by, noticed

#: what -> (statement, {name of the check: what it says it found}).
DAMAGE = {
    "a row is deleted": (
        "DELETE FROM visits WHERE id = 7",
        {"rows of public.visits": "199", "values of public.visits": "different"},
    ),
    "a row is duplicated": (
        "INSERT INTO heap SELECT * FROM heap WHERE b = 'b3'",
        {"rows of public.heap": "51", "values of public.heap": "different: a, b"},
    ),
    "one column of one row changes": (
        "UPDATE people SET note = 'other' WHERE id = 7",
        {"values of public.people": "different: note"},
    ),
    "NULL becomes the empty string": (
        "UPDATE people SET note = '' WHERE id = 5",
        {"values of public.people": "different: note"},
    ),
    "a value moves to another row": (
        "UPDATE people p SET score = q.score FROM people q WHERE (p.id, q.id) IN ((3, 4), (4, 3))",
        {"values of public.people": "different: score"},
    ),
    "a value moves to another row of a table without a key": (
        "UPDATE heap SET a = CASE b WHEN 'b1' THEN 2 ELSE 1 END WHERE b IN ('b1', 'b2')",
        {"values of public.heap": "different"},
    ),
    "a trailing space": (
        "UPDATE people SET name = name || ' ' WHERE id = 8",
        {"values of public.people": "different: name"},
    ),
    "a time zone shift": (
        "UPDATE people SET born = born AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin'",
        {"values of public.people": "different: born"},
    ),
    "float rounding": (
        "UPDATE people SET score = score::float4",
        {"values of public.people": "different: score"},
    ),
    "a value of a partition": (
        "UPDATE events SET what = 'nothing' WHERE id = 40",
        {"values of public.events_2026": "different: what"},
    ),
    "a sequence behind its table": (
        "SELECT setval('people_id_seq', 50)",
        {"sequence public.people_id_seq is ahead of public.people.id": "behind them"},
    ),
    "an orphan": (
        "SET session_replication_role = replica; UPDATE visits SET person_id = 999 WHERE id = 3; RESET ALL",
        {
            "values of public.visits": "different: person_id",
            "every public.visits (person_id) is in public.people (id)": "1 row",
        },
    ),
    "a table is emptied": (
        "TRUNCATE events_2025",
        {"rows of public.events_2025": "0", "values of public.events_2025": "different"},
    ),
    "a table is gone": (
        "DROP TABLE events_2025",
        {
            "rows of public.events": "30",
            "values of public.events": "different",
            "table public.events_2025 is as the run left it": "not there",
        },
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_by_the_check_named_for_it(done: Desk, name: str) -> None:
    """And by no other: what was not damaged passes. The schema is in test_drift."""
    statement, expected = DAMAGE[name]
    done.execute(statement)
    found = closed_by(done.verify())
    assert {check: each.found for check, each in found.items()} == expected
    assert {each.outcome for each in found.values()} == {Outcome.FAILED}


def test_which_rows_differ_is_told_from_a_kept_copy(done: Desk, filled: Desk, server18: Server) -> None:
    """Missing, extra and changed rows, with the columns; the keys where the policy shows them."""
    name = f"alembook_{done.run().run_id.lower()}"
    told = f'{{"by": "alembook", "run": "{done.run().run_id}", "target": "demo", "keep": true}}'
    with connections.closing(connections.connect(server18.ensure(), application_name="alembook test")) as connection:
        connections.execute(connection, f'CREATE DATABASE "{name}" TEMPLATE {filled.database.dbname}')
        connections.execute(connection, f"COMMENT ON DATABASE \"{name}\" IS '{told}'")
        try:
            done.configure(show_keys="true", more='[targets.demo.rehearsal]\nscratch = "file:database-url"')
            done.execute(
                "DELETE FROM visits WHERE id = 7; UPDATE people SET note = '' WHERE id IN (5, 10);"
                "INSERT INTO visits OVERRIDING SYSTEM VALUE VALUES (900, 1, 'new')"
            )
            verified = done.verify()
        finally:
            connections.execute(connection, f'DROP DATABASE "{name}" WITH (FORCE)')
    assert verified.rows.note == f"compared with the copy {name}"
    assert verified.rows.frame[["table", "kind", "column", "key"]].to_dict("records") == [
        {"table": "people", "kind": "changed", "column": "note", "key": "5"},
        {"table": "people", "kind": "changed", "column": "note", "key": "10"},
        {"table": "visits", "kind": "missing", "column": "", "key": "7"},
        {"table": "visits", "kind": "extra", "column": "", "key": "900"},
    ]
    assert verified.rows.note == f"compared with the copy {name}"
    assert "2 changed: 5, 10" in verified.failing().plain
    assert "1 missing, 1 extra: 7, 900" in verified.failing().plain


def test_without_a_copy_nobody_says_which_rows(done: Desk) -> None:
    """And that is said."""
    done.execute("DELETE FROM visits WHERE id = 7")
    verified = done.verify()
    assert verified.rows.frame.empty
    assert verified.facts["which_rows"] == (
        "no copy of before the change is kept: `alembook compare` names the rows once the backup is restored"
    )


def test_keys_stay_out_of_the_record_unless_they_may_show(done: Desk) -> None:
    """An orphan's value is a customer's."""
    damage = "SET session_replication_role = replica; UPDATE visits SET person_id = 98765 WHERE id = 3; RESET ALL"
    done.execute(damage)
    done.verify()
    texts = [path.read_text("utf-8") for path in done.run().path.rglob("*") if path.is_file()]
    assert not [text for text in texts if "98765" in text]
    done.configure(show_keys="true")
    why = closed_by(done.verify())["every public.visits (person_id) is in public.people (id)"].why
    assert why == "rows that point at nothing; they point at 98765"


def test_a_key_range_that_shrank_says_where_rows_are_missing(done: Desk) -> None:
    """Found at the ends of the key's index, before and after; the key of another table says nothing here."""
    done.execute("DELETE FROM visits WHERE id > 190")
    verified = done.verify()
    why = "its key id ran from 1 to 200, and runs from 1 to 190"
    assert closed_by(verified)["values of public.visits"].why.endswith(why)
    assert why in verified.tables().plain
    assert [check.name for check in verified.checks if "its key" in check.why] == ["values of public.visits"]


def test_what_others_write_is_told_from_damage_while_writers_run(done: Desk) -> None:
    """Rows and values of a table of which the run changed no row: a should that is UNVERIFIED."""
    done.configure(writers="running")
    done.execute("INSERT INTO heap VALUES (1, 'new'); UPDATE events SET what = 'x' WHERE id = 40")
    verified = done.verify()
    assert verified.gate.is_open
    traffic = {name: check for name, check in noticed(verified).items() if check.grade is Grade.SHOULD}
    assert {name: check.outcome for name, check in traffic.items()} == {
        "rows of public.heap": Outcome.UNVERIFIED,
        "values of public.heap": Outcome.UNVERIFIED,
        "values of public.events_2026": Outcome.UNVERIFIED,
    }
    assert traffic["rows of public.heap"].why == (
        "1 row too many; the run itself added and removed none, and others may write"
    )
    done.execute("INSERT INTO people (name) VALUES ('new'); UPDATE people SET note = 'x' WHERE id = 1")
    verified = done.verify()
    assert verified.gate.is_open
    found = noticed(verified)
    assert {found[f"{what} of public.people"].outcome for what in ("rows", "values")} == {Outcome.UNVERIFIED}
    assert "the run itself changed none of its rows, and others may write" in found["values of public.people"].why


def test_what_the_run_itself_did_is_damage_whoever_else_writes(desk: Desk) -> None:
    """The server counted its rows in its own transaction: one deleted by it fails, one inserted by others or not."""
    revision = next((desk.folder / "project/migrations/versions").glob("2b*.py"))
    deleting = 'op.execute("DELETE FROM visits WHERE id = 7")\n    op.create_index'
    text = revision.read_text(encoding="utf-8").replace("op.create_index", deleting, 1)
    revision.write_text(text, encoding="utf-8")
    desk.configure(writers="running")
    desk.migrate("head")
    desk.execute("INSERT INTO visits (person_id, place) VALUES (1, 'by the application')")
    check = closed_by(desk.verify())["rows of public.visits"]
    assert (check.outcome, check.expected, check.found, check.why) == (
        Outcome.FAILED,
        "200",
        "200",
        "the run itself removed 1 row, and no rule declares it",
    )


NICKNAMES = """
from alembook.backfills import SQL, Backfill

backfill = Backfill(
    name="nicknames",
    after="2b0000000042",
    table="people",
    key=("id",),
    pending="nickname IS NULL",
    apply=SQL(
        "UPDATE people SET nickname = 'n' FROM batch WHERE people.id = batch.id",
        "INSERT INTO heap SELECT id, 'moved' FROM batch",
    ),
)
"""


def test_what_a_backfill_did_is_told_from_traffic(desk: Desk) -> None:
    """Counted in each batch; with a batch of which nothing was told, nobody knows whose rows they are: a must."""
    folder = desk.folder / "project/migrations/backfills"
    folder.mkdir()
    (folder / "nicknames.py").write_text(NICKNAMES, encoding="utf-8")
    desk.configure(writers="running")
    desk.migrate("head")
    with desk.book("backfill", stage=1) as book:
        backfill.run(book).require()
    desk.execute("INSERT INTO heap VALUES (1, 'by the application'); INSERT INTO people (name) VALUES ('new')")
    found = {check.name: check for check in desk.verify().checks}
    heap, people = found["rows of public.heap"], found["rows of public.people"]
    assert (heap.outcome, heap.found, heap.why) == (
        Outcome.FAILED,
        "151",
        "the run itself added 100 rows, and no rule declares it",
    )
    assert (people.grade, people.outcome) == (Grade.SHOULD, Outcome.UNVERIFIED)
    events = desk.run().path / "events/50_backfill.s1.kernel.jsonl"
    told = [line for line in events.read_text(encoding="utf-8").splitlines() if "backfill_batch" not in line]
    events.write_text("\n".join(told) + "\n", encoding="utf-8")
    people = closed_by(desk.verify())["rows of public.people"]
    assert (people.outcome, people.why) == (
        Outcome.UNVERIFIED,
        "1 row too many; how many the run itself added and removed is not known, and others may write",
    )


def test_a_sequence_that_cannot_be_asked_is_unverified(done: Desk) -> None:
    """The role lost its right to it, or its table was not read: never PASSED."""
    role = f"reader_{done.database.dbname}"
    done.execute(
        f"CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
        f"GRANT USAGE ON SCHEMA alembook TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA alembook TO {role}"
    )
    try:
        url = (done.folder / "database-url").read_text(encoding="utf-8").replace("postgres@", f"{role}@", 1)
        (done.folder / "database-url").write_text(url, encoding="utf-8")
        check = noticed(done.verify())["sequence public.people_id_seq is ahead of public.people.id"]
        assert (check.grade, check.outcome, check.why) == (
            Grade.SHOULD,
            Outcome.UNVERIFIED,
            "the role may not read the sequence",
        )
    finally:
        done.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
