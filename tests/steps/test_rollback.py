"""A run is taken back by restore: after a failed upgrade, a complete one, a failed verify; what is lost is named."""

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
from alembook.verdict import Outcome
from tests.steps.shops import (
    CONTENTS,
    STANDING,
    Shop,
    complete,
    failed_upgrade,
    failed_verify,
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
