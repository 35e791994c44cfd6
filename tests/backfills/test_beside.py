"""Running a backfill beside an application that writes: nobody's update is lost, and no wait is unbounded."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from alembook import errors
from alembook.backfills import SQL, Backfill
from alembook.backfills.pace import Pace
from alembook.postgres import connection as connections
from tests.backfills.conftest import Workshop

#: 0 where every item was doubled exactly once.
WRONG = "SELECT count(*) FROM items WHERE NOT done OR value <> (id % 1000) * 2 + 1"


class Acting(list[Any]):
    """A list of events that acts when one is appended."""

    def __init__(self, act: Callable[[Any], None]) -> None:
        super().__init__()
        self._act = act

    def append(self, event: Any) -> None:
        """Keeps the event and acts."""
        super().append(event)
        self._act(event)


def test_rows_that_appear_behind_the_walk_are_taken_by_another_pass(
    workshop: Workshop, declare: Callable[..., Backfill]
) -> None:
    """An old application inserts and changes rows during the first pass; at the end nothing is pending."""
    workshop.make_items(3000)
    workshop.do("ALTER TABLE items ADD seen bigint")
    copying = declare(
        pending="seen IS DISTINCT FROM value",
        apply=SQL("UPDATE items SET seen = value FROM batch WHERE items.id = batch.id"),
    )
    patient = partial(workshop.connect, lock_timeout="10s")
    began, stop = threading.Event(), threading.Event()
    workshop.events = Acting(lambda event: stop.set() if event["event"] == "pass" else None)

    def write() -> None:
        with contextlib.closing(workshop.connect(lock_timeout="0")) as other:
            for number in range(1, 3000):
                if stop.is_set():
                    return
                connections.execute(other, f"INSERT INTO items VALUES (-{number}, 5)")
                connections.execute(other, f"UPDATE items SET value = value + 1 WHERE id = {number}")
                began.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert began.wait(30)
        outcome = workshop.run(copying, pace=Pace(first=100, largest=100), connect=patient)
    finally:
        stop.set()
        writer.join()
    late = workshop.ask("SELECT count(*) FROM items WHERE seen IS DISTINCT FROM value")
    assert (outcome.pending_after, outcome.passes >= 2) == (0, True)
    assert late <= 2
    assert workshop.run(copying, run_id="run-2").rows_done == late
    assert workshop.ask("SELECT count(*) FROM items WHERE seen IS DISTINCT FROM value") == 0


def test_an_update_of_the_application_is_not_lost(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """The batch waits for the row, and its statement sees what the application committed."""
    workshop18.make_items(10)
    with contextlib.closing(workshop18.connect()) as other:
        connections.execute(other, "BEGIN; UPDATE items SET value = 1000 WHERE id = 5")
        commit = threading.Timer(0.3, lambda: connections.execute(other, "COMMIT"))
        commit.start()
        workshop18.run(declare(), connect=lambda: workshop18.connect(lock_timeout="5s"))
        commit.join()
    assert workshop18.ask("SELECT value FROM items WHERE id = 5") == 2001


def test_a_lock_that_is_released_in_time_is_waited_for(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """The batch is rolled back, halved and tried again."""
    workshop18.make_items(1000)
    with contextlib.closing(workshop18.connect()) as other:
        connections.execute(other, "BEGIN; UPDATE items SET value = value WHERE id = 5")
        release = threading.Timer(0.6, lambda: connections.execute(other, "COMMIT"))
        release.start()
        outcome = workshop18.run(declare(), pace=Pace(first=400))
        release.join()
    retries = workshop18.told("retry")
    assert [(event["sqlstate"], event["attempt"]) for event in retries][:1] == [("55P03", 1)]
    assert outcome.frame["size"][0] < 400
    assert workshop18.ask(WRONG) == 0


def test_a_lock_that_is_not_released_ends_it(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """There is no unbounded last try, and the text says what to end."""
    workshop18.make_items(100)
    with contextlib.closing(workshop18.connect()) as other:
        connections.execute(other, "BEGIN; UPDATE items SET value = value WHERE id = 5")
        with pytest.raises(errors.BackfillFailed) as caught:
            workshop18.run(declare(), attempts=2, connect=lambda: workshop18.connect(lock_timeout="50ms"))
    assert str(caught.value) == (
        "The backfill doubling failed in batch 1.\n"
        "  left: unchanged by this attempt: no batch was committed.\n"
        "  why:  a lock was not available in time, 2 times (SQLSTATE 55P03: canceling statement due to lock timeout).\n"
        "  next: End the transactions that hold locks on items, then run again: it goes on from here."
    )
    assert workshop18.ask("SELECT count(*) FROM items WHERE done") == 0


def test_a_deadlock_costs_a_try_and_no_row(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """Another transaction takes the same rows the other way round."""
    workshop18.make_items(10)
    both = SQL("UPDATE items SET value = value * 2 + 1, done = true WHERE id IN (SELECT id FROM batch)")
    with contextlib.closing(workshop18.connect(lock_timeout="0", deadlock_timeout="10s")) as other:
        connections.execute(other, "BEGIN; UPDATE items SET value = value WHERE id = 9")

        def cross() -> None:
            time.sleep(0.3)
            connections.execute(other, "UPDATE items SET value = value WHERE id = 1")
            connections.execute(other, "COMMIT")

        crossing = threading.Thread(target=cross)
        crossing.start()
        connect = partial(workshop18.connect, lock_timeout="0", deadlock_timeout="600ms")
        workshop18.run(declare(apply=both), connect=connect)
        crossing.join()
    assert [event["sqlstate"] for event in workshop18.told("retry")] == ["40P01"]
    assert workshop18.ask(WRONG) == 0


def test_an_application_that_never_stops_is_told_not_chased(
    workshop18: Workshop, declare: Callable[..., Backfill]
) -> None:
    """After ten passes the text says who has to change."""
    workshop18.make_items(100)

    def undo(event: Any) -> None:
        if event["event"] == "batch":
            workshop18.do("UPDATE items SET done = false WHERE id = 1")

    workshop18.events = Acting(undo)
    with pytest.raises(errors.BackfillFailed) as caught:
        workshop18.run(declare(), pace=Pace(first=1000))
    assert str(caught.value) == (
        "The backfill doubling still has 1 row pending after 10 passes.\n"
        "  left: 109 rows in 10 batches are committed; nothing is half done.\n"
        "  why:  rows become pending as fast as they are done: something still writes them the old way.\n"
        "  next: Deploy the application that writes the new way, or stop the writers; then run again."
    )
