"""Progress inside the target."""

from __future__ import annotations

import pytest

from alembook import errors
from alembook.backfills import ledger
from alembook.backfills.ledger import Ledger, Progress
from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection


def book(connection: Connection, *, run_id: str = "run-1", schema: str | None = "Alem book") -> Ledger:
    """Returns a ledger in a schema whose name needs quotes."""
    return Ledger(connection=connection, schema=schema, run_id=run_id, name="doubling")


def test_progress_is_taken_up_where_it_was_left(connection18: Connection) -> None:
    """Position, rows and batches of the run come back, as text and numbers."""
    kept = book(connection18)
    assert kept.start("digest") == Progress()
    kept.advance(["7", "a'b"], 100)
    kept.advance(["9", "c"], 50)
    kept.end("failed")
    assert book(connection18).start("digest") == Progress(position=("9", "c"), rows_done=150, batches=2)


def test_another_run_begins_at_the_start(connection18: Connection) -> None:
    """Progress belongs to a run."""
    book(connection18).start("digest")
    book(connection18).advance(["7"], 100)
    assert book(connection18, run_id="run-2").start("digest") == Progress()


def test_a_changed_declaration_begins_at_the_start(connection18: Connection) -> None:
    """What was done is still counted, but no position is trusted."""
    book(connection18).start("digest")
    book(connection18).advance(["7"], 100)
    assert book(connection18).start("other") == Progress(rows_done=100, batches=1)


def test_what_is_done_begins_at_the_start_when_asked_again(connection18: Connection) -> None:
    """Rows that became pending since may lie anywhere."""
    book(connection18).start("digest")
    book(connection18).advance(["7"], 100)
    book(connection18).end("done")
    assert book(connection18).start("digest") == Progress(rows_done=100, batches=1)


def test_without_a_ledger_nothing_is_kept(connection18: Connection) -> None:
    """No schema is made."""
    kept = book(connection18, schema=None)
    assert kept.start("digest") == Progress()
    kept.advance(["7"], 100)
    kept.end("done")
    assert connections.scalar(connection18, "SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'") == 2


def test_a_row_that_is_gone_stops_the_backfill(connection18: Connection) -> None:
    """A batch whose progress cannot be kept is not committed."""
    kept = book(connection18)
    kept.start("digest")
    connections.execute(connection18, 'DELETE FROM "Alem book".backfill_progress')
    with pytest.raises(errors.BackfillFailed) as caught:
        kept.advance(["7"], 100)
    assert str(caught.value) == (
        "The progress row of doubling is gone from Alem book.backfill_progress.\n"
        "  left: the batches before this one are committed, this one is rolled back.\n"
        "  why:  somebody deleted it while the backfill ran.\n"
        "  next: Run the backfill again; it begins at the start and skips what is no longer pending."
    )


def test_a_role_that_may_not_make_it_is_told_what_to_do(connection18: Connection) -> None:
    """The way out without rights is named too."""
    connections.execute(connection18, "CREATE ROLE guest; SET ROLE guest")
    try:
        with pytest.raises(errors.BackfillFailed) as caught:
            book(connection18).start("digest")
    finally:
        connections.execute(connection18, "RESET ROLE; DROP ROLE guest")
    database = connection18.info.dbname
    assert str(caught.value) == (
        "The ledger in schema Alem book cannot be written.\n"
        "  left: unchanged: no batch was begun.\n"
        f"  why:  The server refused a query: permission denied for database {database}. SQLSTATE 42501.\n"
        "  next: Grant the role CREATE on the database, or set `ledger = false` to keep nothing in the target."
    )


def test_looking_for_it_makes_nothing(connection18: Connection) -> None:
    """``exists`` only reads."""
    assert not ledger.exists(connection18, "Alem book")
    ledger.ensure(connection18, "Alem book")
    ledger.ensure(connection18, "Alem book")
    assert ledger.exists(connection18, "Alem book")
