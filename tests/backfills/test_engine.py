"""Running a backfill: to its end, once for every row, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alembook import errors
from alembook.backfills import SQL, Backfill
from alembook.backfills.pace import Pace
from alembook.config import Backfill as Policy
from tests.backfills.conftest import DOUBLE, Workshop

#: 0 where every item was doubled exactly once.
WRONG = "SELECT count(*) FROM items WHERE NOT done OR value <> (id % 1000) * 2 + 1"


def test_every_row_is_done_once(workshop: Workshop, declare: Callable[..., Backfill]) -> None:
    """Batches, events, outcome and ledger agree with each other and with the table."""
    workshop.make_items(1234)
    outcome = workshop.run(declare())
    assert workshop.ask(WRONG) == 0
    assert (outcome.rows_done, outcome.pending_before, outcome.pending_after, outcome.passes) == (1234, 1234, 0, 1)
    assert (outcome.batches, outcome.resumed_from) == (len(outcome.frame), 0)
    assert outcome.frame["rows"].sum() == 1234
    assert {name: str(kind) for name, kind in outcome.frame.dtypes.items()} == {
        "at": "datetime64[us, UTC]",
        "rows": "int64",
        "ms": "float64",
        "size": "int64",
    }
    assert [event["rows"] for event in workshop.told("batch")] == outcome.frame["rows"].tolist()
    assert (workshop.events[0]["event"], workshop.events[-1]["event"]) == ("started", "finished")
    assert workshop.told("batch")[-1]["pending"] == 0
    kept = "SELECT rows_done || ' ' || batches || ' ' || status FROM alembook.backfill_progress WHERE run_id = 'run-1'"
    assert workshop.ask(kept) == f"1234 {outcome.batches} done"


def test_without_a_ledger_nothing_is_kept_in_the_target(workshop: Workshop, declare: Callable[..., Backfill]) -> None:
    """The condition alone says what is left."""
    workshop.make_items(300)
    outcome = workshop.run(declare(), ledger=None)
    assert (outcome.rows_done, workshop.ask(WRONG)) == (300, 0)
    assert workshop.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'alembook'") == 0


def test_what_is_done_is_not_done_again(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """A second time there is nothing to do, in the same run and in another."""
    workshop18.make_items(300)
    workshop18.run(declare())
    again = workshop18.run(declare())
    other = workshop18.run(declare(), run_id="run-2")
    assert (again.rows_done, again.batches, again.resumed_from, again.passes) == (0, 0, 300, 0)
    assert (other.rows_done, other.resumed_from) == (0, 0)
    assert workshop18.ask(WRONG) == 0


def test_an_empty_table_is_done(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """No batch is needed for no rows."""
    workshop18.make_items(0)
    outcome = workshop18.run(declare())
    assert (outcome.batches, outcome.frame.empty) == (0, True)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uuid", "md5(i::text)::uuid"),
        ("text", "chr(65 + i % 60) || ' it''s %s \\ ' || i"),
        ('text COLLATE "C"', "chr(65 + i % 60) || i"),
        ("varchar(12)", "i || 'é'"),
        ("char(9)", "i || ' x'"),
        ("timestamptz", "timestamptz '2020-01-01 12:00:00.123456+02' + i * interval '37 min'"),
        ("date", "date '2020-01-01' + i"),
        ("numeric(20,4)", "i / 7.0"),
        ("double precision", "i / 7.0"),
        ("bytea", "decode(md5(i::text), 'hex')"),
        ("bigint", "-i * 1000003::bigint"),
        ("mood", "(i % 500)::text::mood"),
    ],
)
def test_a_key_may_be_of_any_ordered_type(
    workshop18: Workshop, declare: Callable[..., Backfill], kind: str, value: str
) -> None:
    """Position goes out as text and comes back, without a row lost or done twice."""
    labels = ", ".join(f"'{number}'" for number in range(500))
    rows = 499 if kind == "mood" else 1000
    workshop18.do(
        f"CREATE TYPE mood AS ENUM ({labels}); CREATE TABLE items (id {kind} PRIMARY KEY, value bigint, done bool)"
    )
    workshop18.do(f"INSERT INTO items SELECT {value}, 1, false FROM generate_series(1, {rows}) AS i")
    outcome = workshop18.run(declare())
    assert (outcome.rows_done, outcome.passes, outcome.batches > 3) == (rows, 1, True)
    assert workshop18.ask("SELECT count(*) FROM items WHERE value <> 3") == 0


def test_a_key_may_have_several_columns(workshop: Workshop, declare: Callable[..., Backfill]) -> None:
    """They are compared as a row: sparse, of mixed types, many rows alike in the first."""
    workshop.do('CREATE TABLE items (tenant uuid, "Name" text, value bigint, done bool, PRIMARY KEY (tenant, "Name"))')
    workshop.do(
        "INSERT INTO items SELECT md5((i / 400)::text)::uuid, 'n' || i, 1, false FROM generate_series(1, 2000) AS i"
    )
    joined = """UPDATE items SET value = value * 2 + 1, done = true FROM batch
                 WHERE (items.tenant, items."Name") = (batch.tenant, batch."Name")"""
    outcome = workshop.run(declare(key=("tenant", "Name"), apply=SQL(joined)))
    assert (outcome.rows_done, outcome.passes) == (2000, 1)
    assert workshop.ask("SELECT count(*) FROM items WHERE value <> 3") == 0


def test_a_partitioned_table_is_walked_whole(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """Its leaves are one table to the key."""
    workshop18.do(
        """CREATE TABLE items (id int PRIMARY KEY, value bigint, done bool) PARTITION BY HASH (id);
           CREATE TABLE items_0 PARTITION OF items FOR VALUES WITH (MODULUS 2, REMAINDER 0);
           CREATE TABLE items_1 PARTITION OF items FOR VALUES WITH (MODULUS 2, REMAINDER 1);
           INSERT INTO items SELECT i, i % 1000, false FROM generate_series(1, 700) AS i"""
    )
    assert workshop18.run(declare()).rows_done == 700
    assert workshop18.ask(WRONG) == 0


def test_rows_may_move_to_another_table(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """Several statements share a batch, and a row that is deleted is no longer pending."""
    workshop18.make_items(500)
    workshop18.do("CREATE TABLE moved (id int PRIMARY KEY, value bigint)")
    insert = "INSERT INTO moved SELECT id, value FROM batch JOIN items USING (id)"
    delete = "DELETE FROM items USING batch WHERE items.id = batch.id"
    assert workshop18.run(declare(apply=SQL(insert, delete))).rows_done == 500
    assert (
        workshop18.ask("SELECT count(*) FROM moved JOIN generate_series(1, 500) AS i ON i = id AND value = i % 1000")
        == 500
    )


def test_the_size_of_batches_follows_their_time(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """Fast batches grow, slow ones shrink."""
    workshop18.make_items(3000)
    fast = workshop18.run(declare(), pace=Pace(first=100, target_ms=5_000))
    assert fast.frame["size"].tolist() == [100, 150, 225, 337, 505, 757, 1135]
    workshop18.do("UPDATE items SET done = false")
    slow = workshop18.run(declare(), run_id="run-2", pace=Pace(first=1000, target_ms=0.001))
    assert slow.frame["size"].tolist()[:4] == [1000, 200, 100, 100]


def test_a_batch_that_fails_is_rolled_back_and_gone_on_from(
    workshop: Workshop, declare: Callable[..., Backfill]
) -> None:
    """What was committed stays; the error names no value; after the repair nothing is done twice."""
    workshop.make_items(1000)
    workshop.do(
        "ALTER TABLE items ADD note text NOT NULL DEFAULT 'ok'; UPDATE items SET note = 'sk-secret' WHERE id = 700"
    )
    failing = declare(apply=SQL(DOUBLE.replace("true", "note = 'ok' OR note::int > 0")))
    with pytest.raises(errors.BackfillFailed) as caught:
        workshop.run(failing, pace=Pace(first=250, largest=250))
    assert str(caught.value) == (
        "The backfill doubling failed in batch 3.\n"
        "  left: 500 rows in 2 batches are committed; nothing is half done.\n"
        "  why:  SQLSTATE 22P02: invalid input syntax for type integer.\n"
        "  next: Correct what doubling declares, or the rows it met, then run again: it goes on from here."
    )
    assert workshop.ask("SELECT count(*) FROM items WHERE done") == 500
    assert workshop.ask("SELECT status FROM alembook.backfill_progress") == "failed"
    workshop.do("UPDATE items SET note = 'ok'")
    outcome = workshop.run(failing)
    assert (outcome.resumed_from, outcome.rows_done, workshop.ask(WRONG)) == (500, 500, 0)


def test_rows_that_stay_pending_are_told_by_number(workshop: Workshop, declare: Callable[..., Backfill]) -> None:
    """The others are done and counted."""
    workshop.make_items(1000)
    stuck = declare(apply=SQL(f"{DOUBLE} AND items.id % 100 <> 99"))
    with pytest.raises(errors.BackfillFailed) as caught:
        workshop.run(stuck, pace=Pace(first=100, largest=100))
    assert str(caught.value) == (
        "The backfill doubling leaves 10 rows pending.\n"
        "  left: 990 rows in 10 batches are committed; nothing is half done.\n"
        "  why:  they were in a batch, and `apply` did not make `pending` false for them.\n"
        "  next: Look at what is pending in items; leave out of `pending` what `apply` cannot do."
    )
    assert workshop.ask("SELECT rows_done FROM alembook.backfill_progress") == 990
    assert workshop.ask("SELECT count(*) FROM items WHERE done AND value = (id % 1000) * 2 + 1") == 990


def test_a_first_batch_without_effect_ends_it(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """A declaration that does nothing is not run over millions of rows first."""
    workshop18.make_items(1000)
    idle = declare(apply=SQL("UPDATE items SET value = 0 FROM batch WHERE items.id = batch.id"))
    with pytest.raises(errors.BackfillFailed) as caught:
        workshop18.run(idle)
    assert str(caught.value) == (
        "The backfill doubling changes nothing: 100 rows of its first batch stay pending.\n"
        "  left: unchanged by this attempt: no batch was committed.\n"
        "  why:  `apply` did not make `pending` false for them.\n"
        "  next: Correct `apply`, or leave out of `pending` what it cannot do."
    )
    assert workshop18.ask("SELECT count(*) FROM items WHERE value = 0") == 1


def test_a_lost_session_stops_it_between_batches(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """The caller's word is asked for before each batch, and its error comes through."""
    workshop18.make_items(1000)

    def still_right() -> None:
        if len(workshop18.told("batch")) == 2:
            raise errors.SessionLost("The session that holds the run's locks is gone.")

    with pytest.raises(errors.SessionLost):
        workshop18.run(declare(), still_right=still_right, pace=Pace(first=100, largest=100))
    assert workshop18.ask("SELECT count(*) FROM items WHERE done") == 200
    assert workshop18.run(declare()).resumed_from == 200
    assert workshop18.ask(WRONG) == 0


def test_a_lost_connection_loses_no_batch(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """The server ends the backend in the middle of a batch: its rows are rolled back, and running again goes on."""
    workshop18.make_items(1000)
    deadly = SQL(
        "UPDATE items SET value = value * 2 + 1, done = true FROM batch WHERE items.id = batch.id",
        "SELECT pg_terminate_backend(pg_backend_pid()) FROM batch WHERE id = 550",
    )
    with pytest.raises(errors.BackfillFailed) as caught:
        workshop18.run(declare(apply=deadly), pace=Pace(first=100, largest=100))
    assert caught.value.state == "500 rows in 5 batches are committed; nothing is half done."
    assert workshop18.ask("SELECT rows_done FROM alembook.backfill_progress") == 500
    outcome = workshop18.run(declare())
    assert (outcome.rows_done, workshop18.ask(WRONG)) == (500, 0)


def test_more_than_one_worker_is_not_available_yet(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """It is refused rather than run with one."""
    with pytest.raises(errors.NotAvailableYet) as caught:
        workshop18.run(declare(), policy=Policy(workers=2))
    assert str(caught.value) == (
        "backfill.workers is more than 1, which this version understands and cannot do yet.\n"
        "  why:  ranges of keys for several workers come later.\n"
        "  next: Set workers = 1 of this target in alembook.toml."
    )
