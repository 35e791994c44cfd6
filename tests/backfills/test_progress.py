"""Looking at the state of all backfills."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from alembook import errors
from alembook.backfills import SQL, Backfill, progress
from alembook.postgres import connection as connections
from tests.backfills.conftest import Workshop


def test_the_state_of_all_is_told_without_creating_anything(
    workshop18: Workshop, declare: Callable[..., Backfill]
) -> None:
    """Not started, and why a number is missing; over a read-only connection."""
    workshop18.make_items(30)
    others = [declare(name="late", table="absent"), declare(name="early", pending="old_column IS NULL")]
    with contextlib.closing(
        connections.connect(workshop18.database, application_name="alembook test", read_only=True)
    ) as looking:
        states = progress.read(looking, [declare(), *others], schema="alembook")
    assert states["status"].tolist() == ["not started"] * 3
    assert states["pending"].isna().tolist() == [False, True, True]
    assert states["pending"][0] == 30
    assert states["reason"].tolist() == [
        "",
        "The backfill late cannot run: there is no table absent.",
        'SQLSTATE 42703: column "old_column" does not exist',
    ]
    assert {name: str(kind) for name, kind in states.dtypes.items()} == progress.DTYPES
    assert workshop18.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'alembook'") == 0


def test_the_latest_run_counts(workshop: Workshop, declare: Callable[..., Backfill]) -> None:
    """Its rows, batches and status; pending is counted now."""
    workshop.make_items(300)
    workshop.run(declare(), run_id="run-1")
    workshop.do("UPDATE items SET done = false WHERE id <= 250")
    dividing = "UPDATE items SET done = items.id / (items.id - 230) IS NOT NULL FROM batch WHERE items.id = batch.id"
    failing = declare(apply=SQL(dividing))
    with pytest.raises(errors.BackfillFailed):
        workshop.run(failing, run_id="run-2")
    state = progress.read(workshop.connection, [declare()], schema="alembook").iloc[0]
    assert (state["status"], state["run_id"], state["rows_done"], state["batches"]) == ("failed", "run-2", 100, 1)
    assert state["pending"] == 150


def test_without_a_ledger_only_pending_is_known(workshop18: Workshop, declare: Callable[..., Backfill]) -> None:
    """Nothing else is looked for."""
    workshop18.make_items(30)
    state = progress.read(workshop18.connection, [declare()], schema=None).iloc[0]
    assert (state["status"], state["pending"], state["run_id"]) == ("not started", 30, "")


def test_no_backfills_are_an_empty_table(workshop18: Workshop) -> None:
    """With its columns."""
    assert list(progress.read(workshop18.connection, [], schema="alembook").columns) == list(progress.DTYPES)
