"""A run is taken back by both ways after a failed upgrade, a complete one, a failed verify."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres import own, swap
from alembook.postgres.embedded import Server
from alembook.steps import replacing
from alembook.verdict import Outcome
from tests.steps.shops import CONTENTS, STANDING, Shop, complete, failed_upgrade, failed_verify, opened


@pytest.fixture
def shop(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields a shop at the first revision."""
    with opened(server18, tmp_path) as found:
        yield found


@pytest.mark.parametrize("situation", [failed_upgrade, complete, failed_verify])
def test_restore_brings_the_backup_and_all_that_is_the_databases_own(shop: Shop, situation: object) -> None:
    """Contents, rights, settings and comment are as before the run; the failed one is kept; the runs are linked."""
    before, own_before = shop.desk.ask(CONTENTS), shop.own()
    run = situation(shop)  # type: ignore[operator]
    after = shop.desk.ask(STANDING)
    done = shop.roll_back(run, "restore", accept="*" if situation is failed_verify else "")
    assert done.error is None, done.error
    assert done.gate.is_open, done.gate.closed_by
    assert shop.desk.ask(CONTENTS) == before
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
    (said,) = run.stated(archive.ROLLED_BACK)
    assert (said["rolled_back_by"], said["way"], said["kept"]) == (shop.desk.run().run_id, "restore", kept)
    assert shop.desk.run().request()["rolls_back"] == run.run_id


@pytest.mark.parametrize("situation", [failed_upgrade, complete, failed_verify])
def test_downgrade_takes_back_what_it_can_and_says_what_it_cannot(shop: Shop, situation: object) -> None:
    """Version rows, counts and checksums are those from before, or the gate says which are not."""
    before = shop.desk.ask(CONTENTS)
    run = situation(shop)  # type: ignore[operator]
    done = shop.roll_back(run, "downgrade", accept="*")
    assert done.error is None, done.error
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000001"
    if situation is complete:
        assert done.gate.is_open, done.gate.closed_by
        assert shop.desk.ask(CONTENTS) == before
    noticed = {check.subject: check.grade.value for check in done.checks if check.outcome is Outcome.FAILED}
    assert noticed == ({} if situation is complete else {"public.orders": "should"})
    assert shop.as_app("SHOW search_path") == "shop, public"
    (said,) = run.stated(archive.ROLLED_BACK)
    assert (said["rolled_back_by"], said["way"]) == (shop.desk.run().run_id, "downgrade")
    assert list((shop.desk.run().path / "sql").glob("*7b0000000003*"))


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
    live = shop.own()
    wanted = swap.Swap(
        live=shop.desk.database.dbname,
        live_oid=live.oid,
        restored=copy,
        restored_oid=shop.own(copy).oid,
        kept=f"{shop.desk.database.dbname}_failed_x",
        elsewhere="postgres",
    )
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


def test_a_table_that_others_made_needs_a_word(shop: Shop) -> None:
    """It is not in the backup and no statement of the run names it."""
    run = complete(shop)
    shop.desk.execute("CREATE TABLE held (id int)")
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.Waiting)
    assert done.error.evidence == {
        "what is lost": "public.held: it is not in the backup; its 0 rows stay in the database that is kept"
    }


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


def test_the_page_tables_hold_what_was_lost(shop: Shop) -> None:
    """The record has the table of losses and the receipt says what was kept where."""
    run = complete(shop)
    done = shop.roll_back(run, "restore")
    folder = shop.desk.run()
    assert pd.read_csv(folder.path / "tables/lost.csv")["table"].tolist() == ["public.labels"]
    assert done.facts["kept"]["the failed database"] in str(folder.receipt("rollback"))
