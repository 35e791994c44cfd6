"""What each batch changed is counted in its own transaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alembook.backfills import SQL, Backfill, ledger
from tests.backfills.conftest import DOUBLE, Workshop

MOVED = "INSERT INTO done_items SELECT id FROM batch"


def test_each_batch_tells_what_it_changed(workshop: Workshop, declare: Callable[..., Backfill]) -> None:
    """Rows inserted, updated and deleted of each table, triggers' too; not its own notes, nor what others write."""
    workshop.make_items(250)
    workshop.do("""
        CREATE TABLE done_items (id int); CREATE TABLE log (id int);
        CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END';
        CREATE TRIGGER log AFTER INSERT ON done_items FOR EACH ROW EXECUTE FUNCTION log()
    """)

    def beside() -> None:
        workshop.do("INSERT INTO log SELECT generate_series(1, 7)")

    workshop.run(declare(apply=SQL(DOUBLE, MOVED)), still_right=beside)
    told = [event["changes"] for event in workshop.told("batch")]
    sizes = [event["rows"] for event in workshop.told("batch")]
    assert sum(sizes) == 250
    assert told == [
        {
            "public.items": {"inserted": 0, "updated": rows, "deleted": 0},
            "public.done_items": {"inserted": rows, "updated": 0, "deleted": 0},
            "public.log": {"inserted": rows, "updated": 0, "deleted": 0},
        }
        for rows in sizes
    ]
    assert ledger.batches(workshop.connection, "alembook", "run-1") == {"doubling": len(told)}


@pytest.mark.parametrize("reason", ["truncates", "does not count"])
def test_what_is_not_counted_is_not_known(workshop18: Workshop, declare: Callable[..., Backfill], reason: str) -> None:
    """A TRUNCATE sets the counts back; a server may be told not to count."""
    workshop18.make_items(50)
    workshop18.do("CREATE TABLE old (id int)")
    apply = SQL(DOUBLE, "TRUNCATE old") if reason == "truncates" else SQL(DOUBLE)
    settings = {} if reason == "truncates" else {"track_counts": "off"}
    workshop18.run(declare(apply=apply), connect=lambda: workshop18.connect(**settings))
    assert [event["changes"] for event in workshop18.told("batch")] == [None]


def test_a_ledger_that_is_not_kept_has_no_batches(workshop18: Workshop) -> None:
    """Nor one that is not there yet."""
    assert ledger.batches(workshop18.connection, None, "run-1") == {}
    assert ledger.batches(workshop18.connection, "alembook", "run-1") == {}
