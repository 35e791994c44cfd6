"""A run is taken back by both ways after a failed upgrade, a complete one, a failed verify."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alembook import archive, errors
from alembook.archive import RunFolder
from alembook.postgres import connection as connections
from alembook.postgres import own, swap
from alembook.postgres.embedded import Server
from alembook.steps import backup, inspection, replacing
from alembook.verdict import Grade, Outcome
from tests.steps.shops import (
    CONTENTS,
    STANDING,
    Shop,
    complete,
    failed_upgrade,
    failed_verify,
    lossless_complete,
    lossless_failed_upgrade,
    lossless_failed_verify,
    lossy_complete,
    opened,
)


@pytest.fixture
def shop(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields a shop at the first revision."""
    with opened(server18, tmp_path) as found:
        yield found


@pytest.mark.parametrize("situation", [failed_upgrade, complete, failed_verify])
def test_restore_brings_the_backup_and_all_that_is_the_databases_own(
    shop: Shop, situation: Callable[[Shop], RunFolder]
) -> None:
    """Contents, rights, settings and comment are as before the run; the failed one is kept; the runs are linked."""
    before, own_before = shop.desk.ask(CONTENTS), shop.own()
    run = situation(shop)
    after = shop.desk.ask(STANDING)
    done = shop.roll_back(run, "restore", accept="*" if situation is failed_verify else "")
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert shop.desk.ask(CONTENTS) == before
    assert shop.unlike_its_backup(run) == []
    assert shop.own().differences(own_before) == []
    assert shop.as_app("SHOW search_path") == "shop, public"
    assert shop.as_app("SHOW statement_timeout") == "33s"
    assert shop.as_app("SELECT count(*) FROM public.orders") == 300
    (kept,) = shop.databases()
    assert kept.startswith(f"{shop.desk.database.dbname}_failed_")
    assert done.kept["the failed database"] == kept
    there = connections.connect(shop.desk.database.with_dbname(kept), application_name="test")
    with contextlib.closing(there) as connection:
        assert connections.scalar(connection, STANDING) == after
    assert shop.link(run) == ("restore", kept, run.run_id)


MUSTS = {
    "what is lost was accepted",
    "the database is where the run began",
    "the schema is as it was before the run",
    "the database has the rows of every table in the backup",
    "the database has the values of every table in the backup",
    "rows of public.orders",
    "values of public.orders",
}


@pytest.mark.parametrize("situation", [lossless_failed_upgrade, lossless_complete, lossless_failed_verify])
def test_a_downgrade_that_loses_nothing_brings_the_backup(shop: Shop, situation: Callable[[Shop], RunFolder]) -> None:
    """Rehearsed, so nobody is asked; every must PASSED, rows and checksums are the backup's, the runs are linked."""
    before = shop.desk.ask(CONTENTS)
    run = situation(shop)
    done = shop.roll_back(run, "downgrade")
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert {check.name for check in done.checks if check.grade is Grade.MUST} >= MUSTS
    assert [check.name for check in done.checks if check.outcome is not Outcome.PASSED] == []
    assert shop.unlike_its_backup(run) == []
    assert shop.desk.ask(CONTENTS) == before
    assert shop.as_app("SHOW search_path") == "shop, public"
    assert shop.as_app("SELECT count(*) FROM public.orders") == 300
    assert shop.link(run) == ("downgrade", "", run.run_id)
    assert list((shop.desk.run().path / "sql").glob("*7b0000000002*"))


@pytest.mark.parametrize("situation", [failed_upgrade, lossy_complete])
def test_a_downgrade_that_loses_names_it_and_waits(shop: Shop, situation: Callable[[Shop], RunFolder]) -> None:
    """As the rehearsal saw it, or as not known; people accept it; afterwards it is a should that FAILED, by table."""
    run = situation(shop)
    asked = shop.roll_back(run, "downgrade")
    assert isinstance(asked.error, errors.Waiting)
    what = asked.error.evidence["what is lost"]
    if situation is lossy_complete:
        assert what == "public.orders: values of note are not what they were (rehearsed)"
    else:
        assert what == "*: not known: the way back was not rehearsed"
    done = shop.roll_back(run, "downgrade", accept="public.orders" if situation is lossy_complete else "*", again=True)
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    lost = {check.name: check for check in done.checks if check.outcome is Outcome.FAILED and check.subject}
    assert lost.keys() <= {"rows of public.orders", "values of public.orders"}
    assert lost
    assert {check.grade for check in lost.values()} == {Grade.SHOULD}
    assert {check.why.partition("; ")[0] for check in lost.values()} == {"its loss was accepted"}
    assert {name.partition("public.")[2].partition(".")[0] for name in shop.unlike_its_backup(run)} == {"orders"}
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000001"
    assert shop.as_app("SHOW search_path") == "shop, public"
    assert shop.link(run) == ("downgrade", "", run.run_id)


def test_a_loss_that_no_rehearsal_saw_closes_the_gate(shop: Shop) -> None:
    """After a failed verify: an order is gone that others deleted. FAILED by name; accepted, it is taken back."""
    run = failed_verify(shop, rehearse=True)
    done = shop.roll_back(run, "downgrade", accept="*")
    assert {check.name for check in done.gate.closed_by} == {
        "the database has the rows of every table in the backup",
        "the database has the values of every table in the backup",
        "rows of public.orders",
        "values of public.orders",
    }
    rows = next(check for check in done.gate.closed_by if check.name == "rows of public.orders")
    assert (rows.expected, rows.found, rows.next) == (
        "300",
        "299",
        f"Bring the backup back: `alembook rollback {run.run_id} --by restore`; or accept it: "
        f"`alembook rollback {run.run_id} --by downgrade --accept-loss 'public.orders'`.",
    )
    assert run.stated(archive.ROLLED_BACK) == []
    again = shop.roll_back(run, "downgrade", accept="public.orders", again=True)
    assert again.gate.is_open, again.gate.closed_by
    equal = next(check for check in again.checks if check.name.endswith("the rows of every table in the backup"))
    assert equal.found == "21 rows in 2 tables; by themselves: public.orders (accepted as lost)"
    assert shop.link(run) == ("downgrade", "", run.run_id)


def test_an_unrehearsed_downgrade_waits_for_a_word(shop: Shop) -> None:
    """Nobody knows what it loses: exit 7, nothing is changed, and the text says what to type."""
    run = failed_upgrade(shop)
    done = shop.roll_back(run, "downgrade")
    assert isinstance(done.error, errors.Waiting)
    assert str(done.error) == (
        f"Rolling back run {run.run_id} by downgrade would lose something.\n"
        "  why:  nobody has accepted that yet. Nothing was changed.\n"
        f"  next: Read the list below. Then: `alembook rollback {run.run_id} --by downgrade --accept-loss '*'`; "
        "or go the other way back.\n"
        "  what is lost:\n"
        "    *: not known: the way back was not rehearsed"
    )
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000004"
    assert run.stated(archive.ROLLED_BACK) == []


def test_rows_written_after_the_backup_are_counted_before_anything_is_swapped(shop: Shop) -> None:
    """Written, changed and deleted rows by table; it waits; when people accept those tables by name, it is swapped."""
    run = complete(shop)
    shop.desk.execute("INSERT INTO customers VALUES (21, 'new')")
    shop.desk.execute("UPDATE customers SET name = 'other' WHERE id IN (1, 2)")
    shop.desk.execute("DELETE FROM customers WHERE id = 20 AND false; UPDATE orders SET customer_id = 1 WHERE id = 5")
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.Waiting)
    assert done.error.evidence == {
        "what is lost": "public.customers: 1 row written after the backup, 2 rows changed after it, which get their "
        "old values"
    }
    assert done.losses.set_index("table").loc["public.customers", "by"] == "others"
    assert done.losses.set_index("table").loc["public.orders", "by"] == "the run"
    assert shop.desk.ask("SELECT count(*) FROM customers") == 21
    (copy,) = shop.databases()
    assert copy.startswith(f"{shop.desk.database.dbname}_restored_")
    again = shop.roll_back(run, "restore", accept="public.customers", again=True)
    assert again.error is None, again.error
    assert shop.desk.ask("SELECT count(*) FROM customers") == 20
    assert again.facts["accepted"] == "public.customers"
    assert [name.rpartition("_")[0] for name in shop.databases()] == [f"{shop.desk.database.dbname}_failed"]


@pytest.mark.parametrize("point", ["closed", "swapped"])
def test_a_rollback_that_was_cut_off_goes_on(shop: Shop, point: str) -> None:
    """Killed after the live database was closed, or after both were renamed: the next one finishes it."""
    before, own_before = shop.desk.ask(CONTENTS), shop.own()
    run = complete(shop)
    shop.desk.execute("INSERT INTO customers VALUES (21, 'new')")
    assert isinstance(shop.roll_back(run, "restore").error, errors.Waiting)
    folder, copy = shop.desk.run(), shop.databases()[0]
    live, wanted = shop.own(), shop.swap(copy)
    with swap.elsewhere(shop.desk.database, wanted) as connection:
        own.carry_over(connection, live, copy)
        folder.write_receipt(replacing.STEM, wanted.to_json())
        swap.close(connection, wanted)
        if point == "swapped":
            swap.exchange(connection, wanted)
        else:
            assert swap.standing(connection, wanted) is swap.Standing.CLOSED
            swap.open_again(connection, wanted)
    done = shop.roll_back(run, "restore", accept="public.customers", again=True)
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert shop.desk.ask(CONTENTS) == before
    assert shop.own().differences(own_before) == []
    assert run.stated(archive.ROLLED_BACK)[0]["rolled_back_by"] == folder.run_id


def test_a_backup_of_after_the_change_is_no_way_back(shop: Shop) -> None:
    """None is made any more once the run began to change; one in an older record is passed over, with its tables."""
    before = shop.desk.ask(CONTENTS)
    run = complete(shop)
    with pytest.raises(errors.UsageError) as caught, shop.desk.book("backup", folder=run) as book:
        backup.make(book)
    assert str(caught.value) == (
        f"Run {run.run_id} has begun to change demo, and makes no further backup.\n"
        "  why:  what it would hold is no way back: the run's own changes are in it.\n"
        "  next: Keep the backup that was made before. For one of the database as it is now begin a run of its own: "
        "`alembook run -t demo --through backup`."
    )
    good = run.receipt("backup") or {}
    later = shop.begin("7b0000000004")
    path = run.write_receipt("backup", {**(later.receipt("backup") or {}), "kept_in": None})
    for table in (later.path / "tables").glob("*.csv"):
        shutil.copy(table, run.path / "tables" / f"{table.stem}.a2.csv")
    shutil.rmtree(later.path)
    done = shop.roll_back(run, "restore")
    assert done.gate.is_open, (done.error, done.gate.closed_by)
    assert (shop.desk.ask(CONTENTS), done.kept["the dump"]) == (before, good["folder"])
    assert path.exists()


def test_a_run_without_a_backup_of_its_start_is_not_restored(shop: Shop) -> None:
    """A backup taken elsewhere than the plan begins is FAILED, and is not restored over the database."""
    run = archive.begin(shop.desk.folder / "runs", "demo", to="7b0000000003")
    with shop.desk.book("inspect", folder=run) as book:
        inspection.inspect(book, to="7b0000000003")
    shop.desk.execute("UPDATE alembic_version SET version_num = '7b0000000002'")
    with shop.desk.book("backup", folder=run) as book:
        receipt = backup.make(book)
    (check,) = [check for check in receipt.gate.closed_by if check.outcome is Outcome.FAILED]
    assert (check.name, check.expected, check.found, check.why, check.next) == (
        "the backup is of where the plan begins",
        "7b0000000001",
        "7b0000000002",
        "somebody moved the database since the run was planned.",
        "Begin a new run.",
    )
    shop.desk.execute("UPDATE alembic_version SET version_num = '7b0000000001'")
    shop.upgrade(run).require()
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.RollbackFailed)
    assert done.error.why == "the run made none that PASSED at 7b0000000001, where it began."
    assert shop.databases() == []


def test_a_damaged_dump_is_not_swapped_in(shop: Shop) -> None:
    """A byte of the dump changed: refused by name, nothing was made, nothing was swapped."""
    run = complete(shop)
    dump = shop.desk.folder / (run.receipt("backup") or {})["folder"]
    victim = sorted(dump.glob("*.dat*"))[0]
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.RollbackFailed)
    assert done.error.why == f"1 of its files are gone or changed: {victim.name}."
    assert shop.databases() == []


def test_what_others_made_needs_a_word(shop: Shop) -> None:
    """It is not in the backup, and no statement of the run made it: tables, and what else is in the schema."""
    run = complete(shop)
    for statement in (
        "CREATE TABLE held (id serial PRIMARY KEY)",
        "CREATE FUNCTION two(int, int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "ALTER TABLE customers ADD COLUMN phone text",
        "ALTER TABLE customers ALTER COLUMN name DROP NOT NULL",
    ):
        shop.desk.execute(statement)
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.Waiting)
    assert done.error.evidence["what is lost"].splitlines() == [
        "public.held: it is not in the backup; its 0 rows stay in the database that is kept",
        "schema: column public.customers.name: changed after the backup, it gets its old form",
        "schema: column public.customers.phone: made after the backup; it stays in the database that is kept",
        "schema: function public.two(integer, integer): made after the backup; it stays in the database that is kept",
        "schema: publication everything: made after the backup; it stays in the database that is kept",
    ]
    assert "--accept-loss 'public.held, schema'" in done.error.next
    assert shop.roll_back(run, "restore", accept="public.held, schema", again=True).gate.is_open


def test_what_changed_nothing_is_refused(shop: Shop) -> None:
    """A failed first revision leaves nothing; the database is where the run began: exit 2."""
    shop.desk.migrate("7b0000000004")
    run = shop.begin("head")
    assert shop.upgrade(run).error is not None
    with pytest.raises(errors.UsageError) as caught:
        shop.roll_back(run, "restore")
    assert str(caught.value) == (
        f"Run {run.run_id} changed nothing: there is nothing to roll back.\n"
        "  why:  the database is at 7b0000000004, where the run began, and nothing of it was committed.\n"
        f"  next: `alembook abandon {run.run_id} --reason TEXT` ends it."
    )


def test_a_run_that_took_revisions_back(shop: Shop) -> None:
    """No downgrade undoes it: refused with what to do; its backup brings the rows that its downgrade dropped."""
    complete(shop)
    shop.desk.execute("UPDATE orders SET region = 'south' WHERE id = 3")
    run = shop.begin("7b0000000001")
    shop.upgrade(run).require()
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000001"
    with pytest.raises(errors.UsageError) as caught:
        shop.roll_back(run, "downgrade")
    assert str(caught.value) == (
        f"Run {run.run_id} took revisions back itself: no downgrade undoes that.\n"
        "  why:  it led from 7b0000000003 to 7b0000000001; what its downgrades dropped is in its backup.\n"
        f"  next: `alembook rollback {run.run_id} --by restore` brings the rows too; or `alembook run -t demo --to "
        "7b0000000003` applies the revisions again."
    )
    done = shop.roll_back(run, "restore")
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert shop.desk.ask("SELECT region FROM orders WHERE id = 3") == "south"
    assert shop.unlike_its_backup(run) == []
