"""What is measured before the change, and the secret its checksums are keyed with."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.snapshots import measurement
from alembook.steps import before
from tests.steps.conftest import Desk, copied


def checksums(desk: Desk, name: str) -> pd.DataFrame:
    """Returns the columns of a measurement in the record of the latest run."""
    return measurement.read_csv(desk.run().path / "tables" / f"{name}_columns.csv", measurement.COLUMN_DTYPES)


def test_whatever_is_measured_first_makes_the_secret(desk: Desk) -> None:
    """A backup comes before the change: its checksums are keyed too, and alike with what is measured later."""
    desk.migrate("1a0000000041")  # nothing to do: a run without a measurement
    with desk.book("backup") as book, connections.closing(book.connect()) as connection:
        with measurement.snapshot(connection):
            found = before.measure(book, connection)
        before.write(book, "backup", found)
        assert before.key(book) != b""
        before.take(book)
    kept = checksums(desk, "backup")
    plain = set(found.columns["checksum"]) - {""}
    assert not plain & set(kept["checksum"])
    pd.testing.assert_frame_equal(kept, checksums(desk, "before"))


def test_a_secret_that_was_lost_is_not_made_anew(done: Desk) -> None:
    """Checksums without it are not written at all: they could be tried against guessed values."""
    with done.book("verify") as book:
        next((done.folder / ".alembook/keys").glob(book.folder.run_id)).unlink()
    verified = done.verify()
    assert set(checksums(done, "after")["checksum"]) == {""}
    assert {check.why for check in verified.gate.closed_by} == {
        f"the run's key is gone: {done.folder / '.alembook/keys' / done.run().run_id}"
    }


def test_any_database_can_be_measured_as_the_target_was(desk: Desk, server18: Server, tmp_path: Path) -> None:
    """A restored copy, with the policy of the target and connections of its own."""
    with copied(server18, desk, tmp_path / "copy") as other, desk.book("backup") as book:

        def measured(place: Desk) -> measurement.Measurement:
            with place.connect() as connection, measurement.snapshot(connection):
                return before.measure(book, connection, connect=lambda: connection, only={"public.people"})

        here, there = measured(desk), measured(other)
        assert here.tables["table"].tolist() == ["people"]
        pd.testing.assert_frame_equal(here.columns, there.columns)
