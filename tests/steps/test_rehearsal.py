"""A rehearsal observes what a revision does to a copy, and fails by name on what does not fit the data."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.steps import backup, inspection, rehearsal, upgrade
from alembook.steps.rehearsal import Rehearsal
from alembook.steps.upgrade import Upgrade
from alembook.verdict import Grade, Outcome
from tests.steps.conftest import Desk, copied, drop_copies, furnished
from tests.test_frame import ROOT

OWN_SERVER = '[targets.demo.rehearsal]\nscratch = "file:database-url"\n'
FILLED = """
    INSERT INTO accounts (id, email, kind, age, balance)
    SELECT n, 'user' || n % 40 || '@example.org', 'robot', n - 3, 1000000 + n FROM generate_series(1, 50) AS n;
    INSERT INTO notes (id, account_id, text)
    SELECT n, CASE WHEN n = 7 THEN 999 ELSE n END, 'a note longer than ten characters' FROM generate_series(1, 50) AS n;
"""
#: Revision -> what the failing check says was found, and why.
FAILS = {
    "5b0000000001": (
        "SQLSTATE 23502, table accounts, column region, 50 rows",
        'rows would have no value in it: column "region" of relation "accounts" contains null values; {every}',
    ),
    "5b0000000002": (
        "SQLSTATE 22001, table public.notes, column text, 50 rows",
        "values are longer than the new type: value too long for type character varying(10); {every}",
    ),
    "5b0000000003": (
        "SQLSTATE 23505, table accounts, constraint accounts_email, 20 rows",
        'rows are duplicates of one another: could not create unique index "accounts_email"; '
        "keys: 10, 50, 1, 41, 2, 42, 3, 43, 4, 44, 5, 45, 6, 46, 7, 47, 8, 48, 9, 49",
    ),
    "5b0000000004": (
        "SQLSTATE 23514, table accounts, constraint accounts_age, 2 rows",
        'rows violate the check: check constraint "accounts_age" of relation "accounts" is violated by some row; '
        "keys: 1, 2",
    ),
    "5b0000000005": (
        "SQLSTATE 23503, table notes, constraint notes_account, 1 row",
        'rows point at nothing: insert or update on table "notes" violates foreign key constraint "notes_account"; '
        "keys: 7",
    ),
    "5b0000000006": (
        "SQLSTATE 22P02, table public.accounts, column kind, 50 rows",
        'values cannot be read as the new type: invalid input value for enum kind: "..."; {every}',
    ),
    "5b0000000007": (
        "an error of its code, {folder}/project/migrations/versions/5b0000000007.py:17 in upgrade",
        "the revision's own code failed, where rows are: TypeError: tuple indices must be integers or slices, not str",
    ),
    "5b0000000008": (
        "SQLSTATE 22003, table public.accounts, column balance, 50 rows",
        "numbers are too large for the new type: numeric field overflow; {every}",
    ),
}
EVERY = "keys: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 and 30 more"


#: Takes the name of an example, and values for alembook.toml; returns a desk whose database is at its first revision.
Prepare = Callable[..., Desk]


@pytest.fixture(scope="session")
def first(server18: Server, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Desk]:
    """Returns what gives the desk of an example at its first revision, which copies are made of: migrated once."""

    @functools.cache
    def migrated(example: str) -> Desk:
        folder = tmp_path_factory.mktemp(example)
        made = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "tests/projects" / example, folder / "project", ignore=made)
        desk = furnished(folder, server18.create_database(f"{example}_{os.getpid()}"))
        desk.migrate({"surprising": "5a0000000001", "observed": "0b0000000001"}[example])
        return desk

    return migrated


@pytest.fixture
def prepared(server18: Server, first: Callable[[str], Desk], tmp_path: Path) -> Iterator[Prepare]:
    """Yields what prepares a desk of its own."""
    with contextlib.ExitStack() as stack:

        def prepare(example: str, **values: str) -> Desk:
            desk = stack.enter_context(copied(server18, first(example), tmp_path))
            desk.configure(**values)
            with (tmp_path / "alembook.toml").open("a", encoding="utf-8") as file:
                file.write(OWN_SERVER)
            return desk

        yield prepare


def rehearse(desk: Desk, to: str) -> Rehearsal:
    """Begins a run, backs up and rehearses."""
    begun = archive.begin(desk.folder / "runs", "demo", to=to)
    with desk.book("inspect", folder=begun) as book:
        inspection.inspect(book, to=to)
    with desk.book("backup") as book:
        backup.make(book).require()
    return again(desk)


def again(desk: Desk) -> Rehearsal:
    """Rehearses the latest run."""
    with desk.book("rehearse") as book:
        return rehearsal.rehearse(book)


def scratches(desk: Desk) -> list[str]:
    """Returns the scratch databases on the server of the target."""
    with desk.connect() as connection:
        found = connections.rows(connection, "SELECT datname FROM pg_database WHERE datname LIKE 'alembook\\_2%%'")
    run = desk.run().run_id.lower()
    return [row["datname"] for row in found if run in row["datname"]]


@pytest.mark.parametrize("revision", FAILS)
def test_a_revision_that_does_not_fit_fails_by_name(prepared: Prepare, revision: str) -> None:
    """One failing check names SQLSTATE, table, column, constraint, rows and keys; the target is as it was."""
    desk = prepared("surprising", show_keys="true")
    desk.execute(FILLED)
    found = rehearse(desk, revision)
    [failing] = found.gate.closed_by
    assert (failing.name, failing.outcome) == (f"revision {revision} fits the data", Outcome.FAILED)
    expected, why = (text.format(every=EVERY, folder=desk.folder) for text in FAILS[revision])
    assert (failing.found, failing.why) == (expected, why)
    assert failing.next
    assert "user7" not in str(found.to_json())
    assert desk.ask("SELECT version_num FROM alembic_version") == "5a0000000001"
    assert scratches(desk) == []


def test_keys_are_left_out_where_they_may_not_be_shown(prepared: Prepare) -> None:
    """How many rows is said, and by which query one finds them; no key is in the record."""
    desk = prepared("surprising")
    desk.execute(FILLED)
    found = rehearse(desk, "5b0000000004")
    [failing] = found.gate.closed_by
    assert failing.found == "SQLSTATE 23514, table accounts, constraint accounts_age, 2 rows"
    assert failing.why.endswith("; keys are left out (verify.show_keys)")
    assert "NOT (age &gt;= 0)" in found.judged().markup
    with desk.connect() as connection:
        assert [row["key"] for row in connections.rows(connection, failing.query)] == ["1", "2"]


def counters(desk: Desk) -> Any:
    """Returns what tells whether anybody wrote to the target: rows written so far, and its catalogue."""
    return desk.ask("""
        SELECT concat_ws('|',
            (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE schemaname = 'public'),
            (SELECT md5(string_agg(concat_ws(' ', oid, relname, relfilenode, relkind), ',' ORDER BY oid)) FROM pg_class
              WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace))
    """)


def assert_traced(found: Rehearsal) -> None:
    """Statement by statement: locks, what was written anew, rows and WAL; and the sizes, on the page and as a table."""
    traced = {row["statement"]: row for row in found.traced.to_dict("records")}
    volatile = traced["ALTER TABLE orders ADD COLUMN token UUID DEFAULT gen_random_uuid()"]
    assert volatile["locks taken"] == "ACCESS EXCLUSIVE public.orders"
    assert volatile["written anew"] == "table public.orders, index public.orders_pkey"
    assert volatile["wal_bytes"] > 0
    assert volatile["ms"] > 0
    index = traced["CREATE INDEX orders_customer_id ON orders (customer_id)"]
    assert (index["locks taken"], index["written anew"]) == ("SHARE public.orders", "")
    beside = traced["CREATE INDEX CONCURRENTLY customers_code ON customers (code)"]
    assert beside["locks taken"] == "not observed: outside a transaction"
    loop = [row for row in traced.values() if row["statement"].startswith("UPDATE customers SET code")]
    assert sum(row["rows"] for row in loop if row["times"] > 1) == 30
    assert not [text for text in traced if "alembic_version" in text]
    assert "table public.orders, index public.orders_pkey" in repr(found.statements())
    assert found.grown["table"].tolist()[0] == "the whole copy"
    assert found.grown["after_bytes"].tolist()[0] == found.facts["size_after_bytes"]
    assert "public.orders" in repr(found.sizes())
    assert found.path is not None
    kept = found.path.parent / "tables/rehearsed_statements.csv"
    assert len(kept.read_text(encoding="utf-8").splitlines()) == len(found.traced) + 1


def test_it_observes_and_touches_nothing(prepared: Prepare) -> None:
    """Locks, rewrites, rows and the way back are in the receipt; the target's catalogue and rows are as they were."""
    desk = prepared("observed")
    before = counters(desk)
    found = rehearse(desk, "head")
    assert found.gate.is_open, found.gate.closed_by
    assert counters(desk) == before
    assert len(scratches(desk)) == 1  # it is what verification compares with
    drop_copies(desk)
    seen = found.facts["revisions"]
    assert seen["0b0000000002"]["locks"]["public.orders"]["mode"] == "ACCESS EXCLUSIVE"
    assert seen["0b0000000002"]["rewrites"] == ["public.orders"]
    assert seen["0b0000000002"]["rebuilt"] == ["public.orders_pkey"]
    assert seen["0b0000000003"]["locks"]["public.orders"]["mode"] == "SHARE"
    assert seen["0b0000000004"]["locks"]["public.customers"]["mode"] == "SHARE ROW EXCLUSIVE"
    assert seen["0b0000000005"]["rewrites"] == []
    assert (seen["0b0000000006"]["statements"], seen["0b0000000006"]["repeated"]) == (52, 50)
    assert seen["0b0000000006"]["changes"]["public.customers"]["updated"] == 50
    assert seen["0b0000000007"]["unobserved"]
    assert found.seen["lock"].tolist()[5] in {"not observed", "SHARE UPDATE EXCLUSIVE"}
    assert found.facts["way_back"]["is_lossless"] is False
    assert [(each["table"], each["what does not come back"]) for each in found.facts["way_back"]["tables"]] == [
        ("public.orders", "values of total are not what they were")
    ]
    assert "values of total" in repr(found.way_back())
    assert "readers and writers" in repr(found.locks())
    assert_traced(found)
    assert "7 revisions" in repr(found.timeline())


def test_a_copy_that_was_worked_on_is_not_taken_for_the_backup(prepared: Prepare) -> None:
    """A rehearsal that was killed leaves its copy; the next one drops it, says so, and restores the dump again."""
    desk = prepared("observed")
    assert rehearse(desk, "0b0000000002").gate.is_open
    assert again(desk).gate.is_open
    assert len(scratches(desk)) == 1
    assert "scratch_used_before" in {event["event"] for event in desk.run().events_of("30_rehearse.kernel")}
    drop_copies(desk)


def test_without_a_place_it_is_unverified(prepared: Prepare) -> None:
    """No dump to restore: a should for this target, so the run goes on and says so."""
    desk = prepared("observed")
    rehearse(desk, "0b0000000002")
    shutil.rmtree(desk.folder / "backups")
    found = again(desk)
    [check] = found.checks
    assert (check.outcome, check.grade) == (Outcome.UNVERIFIED, Grade.SHOULD)
    assert check.why.startswith("There is no dump that could be restored for the rehearsal.")
    assert found.gate.is_open
    drop_copies(desk)


def upgraded(desk: Desk, stage: int = 1) -> Upgrade:
    """Upgrades the latest run."""
    with desk.book("upgrade", stage=stage) as book:
        return upgrade.apply(book)


def test_production_is_held_against_it(prepared: Prepare) -> None:
    """An upgrade that does what was rehearsed says so, revision by revision, with the times beside; so does the end."""
    desk = prepared("observed")
    rehearse(desk, "head")
    done = upgraded(desk)
    assert done.gate.is_open, done.gate.closed_by
    judged = {check.name: check.outcome for check in done.checks}
    for name in ("no lock is stronger than rehearsed", "as many rows change as rehearsed"):
        assert judged[name] is Outcome.PASSED
    assert done.beside["verdict"].tolist() == ["PASSED"] * 5 + ["UNVERIFIED", "PASSED"]
    [unheld] = [check for check in done.checks if check.name == "every revision is held against its rehearsal"]
    assert (unheld.outcome, unheld.why) == (Outcome.UNVERIFIED, "0b0000000007: its rows were not counted")
    assert done.beside["lock"].tolist()[:3] == ["ACCESS EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE"]
    assert done.beside["rows"].tolist()[4] == 50
    assert done.facts["predicted"][0]["lock rehearsed"] == "ACCESS EXCLUSIVE"
    verified = desk.verify()
    assert verified.gate.is_open, verified.gate.closed_by
    names = {check.name: check.outcome for check in verified.checks}
    assert names["the run ends at the schema that was rehearsed"] is Outcome.PASSED
    assert scratches(desk) == []


def test_rows_that_changed_since_close_the_gate(prepared: Prepare) -> None:
    """Another number of rows than rehearsed is named by revision and table. A fresh backup's copy names rows, too."""
    desk = prepared("observed")
    rehearse(desk, "0b0000000006")
    record = desk.run().path / "rehearsal.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    told["revisions"]["0b0000000006"]["changes"]["public.customers"]["updated"] = 7
    record.write_text(json.dumps(told), encoding="utf-8")
    drop_copies(desk)
    with desk.book("backup") as book:
        backup.make(book).require()
    found = upgraded(desk)
    [closed] = found.gate.closed_by
    assert closed.name == "as many rows change as rehearsed"
    assert closed.found == "0b0000000006: 50 rows of public.customers, rehearsed 7"
    desk.execute("DELETE FROM orders WHERE id = 7")
    rows = desk.verify().rows
    assert rows.frame[["table", "kind"]].to_dict("records") == [{"table": "orders", "kind": "missing"}]
    assert rows.note == f"compared with the copy {scratches(desk)[0]}; keys are left out (verify.show_keys)"
    drop_copies(desk)


def test_a_changed_module_is_seen_before_its_statement(prepared: Prepare) -> None:
    """A text outside the files of the plan changed: its revision is stopped, and nothing of it is kept."""
    desk = prepared("observed")
    texts = desk.folder / "elsewhere"
    texts.mkdir()
    (texts / "texts.txt").write_text("UPDATE orders SET total = total + 1", encoding="utf-8")
    file = desk.folder / "project/migrations/versions/0b0000000005.py"
    source = file.read_text(encoding="utf-8")
    read = f"    op.execute(open({str(texts / 'texts.txt')!r}).read())\n\n\ndef downgrade"
    file.write_text(source.replace("\n\ndef downgrade", read), encoding="utf-8")
    (desk.folder / "project/migrations/checks.toml").write_text(
        '[[changes]]\ntable = "orders"\ncolumns = ["total"]\n', encoding="utf-8"
    )
    assert rehearse(desk, "0b0000000005").gate.is_open
    (texts / "texts.txt").write_text("UPDATE orders SET total = total + 2", encoding="utf-8")
    found = upgraded(desk)
    assert isinstance(found.error, errors.UpgradeFailed)
    assert found.error.what == "The revision 0b0000000005 was not applied: it sends SQL that was not rehearsed."
    assert found.error.why == (
        "a statement has other literals than the rehearsed one. It was stopped before that statement: a module it "
        "imports, a setting or the data has changed."
    )
    assert found.error.state == "the database is at 0b0000000004, by its version table."
    assert desk.ask("SELECT sum(total) FROM orders") == 300 * 301 / 2
    drop_copies(desk)
