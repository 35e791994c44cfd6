"""A run is taken back by downgrade: after a failed upgrade, a complete one, a failed verify; with loss and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alembook import archive, errors
from alembook.archive import RunFolder
from alembook.postgres.embedded import Server
from alembook.verdict import Grade, Outcome
from tests.steps.shops import (
    CONTENTS,
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


def test_what_was_written_into_what_a_downgrade_drops_needs_a_word(shop: Shop) -> None:
    """Rows of a new table, values of a new column: the rehearsal could not see them; what stays is no loss."""
    run = lossless_complete(shop)
    shop.desk.execute("INSERT INTO labels VALUES (1, 'red'), (2, 'blue')")
    shop.desk.execute("UPDATE orders SET region = 'south' WHERE id = 3")
    shop.desk.execute("UPDATE customers SET name = 'other' WHERE id = 3")
    shop.desk.verify()  # once more: what came between the two is not the run's
    done = shop.roll_back(run, "downgrade")
    assert isinstance(done.error, errors.Waiting)
    assert done.error.evidence["what is lost"].splitlines() == [
        "public.labels: 2 rows written since verification; its downgrade drops the table",
        "public.orders: 1 row written since verification; its downgrade drops region",
    ]
    assert shop.desk.ask("SELECT version_num FROM alembic_version") == "7b0000000003"
    shop.desk.execute("UPDATE customers SET name = 'customer 3' WHERE id = 3")
    done = shop.roll_back(run, "downgrade", accept="public.labels, public.orders", again=True)
    assert done.gate.is_open, done.gate.closed_by
    assert [check.name for check in done.checks if check.outcome is not Outcome.PASSED] == []
    assert shop.unlike_its_backup(run) == []


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
