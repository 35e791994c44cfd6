"""What a measurement costs is told before it is made."""

from __future__ import annotations

import json

from alembook.steps import backfill, before, cost, upgrade, verification
from tests.steps.conftest import Desk

ASSUMED = "at 100 MB/s, assumed: nothing large was measured yet"


def sized(desk: Desk, query: str) -> int:
    """Returns the bytes of tables a query names."""
    return int(desk.ask(f"SELECT sum(pg_table_size(oid)) FROM pg_class WHERE relname IN ({query})"))


def test_it_is_the_bytes_of_the_tables_in_scope(desk: Desk) -> None:
    """Rows and TOAST, no indexes; what the plan touches and its neighbours, or everything."""
    desk.plan("head")
    every = "'people', 'visits', 'heap', 'events_2025', 'events_2026', 'alembic_version'"
    with desk.book("upgrade", stage=1) as book:
        found = cost.estimate(book)
    assert (found.tables, found.size_bytes, found.basis) == (6, sized(desk, every), ASSUMED)
    assert found.seconds == found.size_bytes / cost.ASSUMED_PER_S
    desk.configure(scope="touched")
    with desk.book("upgrade", stage=1) as book:
        touched = cost.estimate(book)
    assert (touched.tables, touched.size_bytes) == (3, sized(desk, "'people', 'visits', 'alembic_version'"))


def test_what_was_measured_before_says_how_fast(done: Desk) -> None:
    """A small table says nothing about a large one; a large one does."""
    path = done.run().path / "before.json"
    receipt = json.loads(path.read_text(encoding="utf-8"))
    with done.book("verify") as book:
        assert cost.estimate(book).basis == ASSUMED
        receipt |= {"read_bytes": 500 * 1024**2, "seconds": 2.5}
        path.write_text(json.dumps(receipt), encoding="utf-8")
        found = cost.estimate(book)
    assert found.basis == "as fast as before the change"
    assert found.seconds == found.size_bytes / (200 * 1024**2)


def test_it_is_told_on_every_page_before_it_is_paid(desk: Desk) -> None:
    """When it is measured, and that it is not again: on the pages of inspect, upgrade and verify, in one form."""
    desk.plan("head")
    with desk.book("inspect") as book:
        told = cost.told(book).plain
    assert "tables, in one snapshot\nwhen: before the first revision, and once more when everything is done\n" in told
    assert f"for about: 1 s ({ASSUMED})\nlimit: 300 s for 256 MB of a table" in told
    with desk.book("upgrade", stage=1) as book:
        assert "when: before the first revision\n" in upgrade.preview(book).plain
        before.take(book)
        assert "measured before: at " in upgrade.preview(book).plain
    with desk.book("backfill", stage=1) as book:
        assert "; not again" in backfill.preview(book).plain
    with desk.book("verify") as book:
        assert "when: now\n" in verification.preview(book).plain
