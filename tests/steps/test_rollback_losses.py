"""What a way back by restore loses in the tables and columns that the run itself made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alembook import errors
from alembook.postgres.embedded import Server
from tests.steps.shops import Shop, complete, opened


@pytest.fixture
def shop(server18: Server, tmp_path: Path) -> Iterator[Shop]:
    """Yields a shop at the first revision."""
    with opened(server18, tmp_path) as found:
        yield found


CHANGES = """
[[changes]]
table = "orders"
columns = ["kind", "note"]
"""


def test_what_the_application_put_into_tables_and_columns_of_the_run_needs_a_word(shop: Shop) -> None:
    """With writers running nobody can say whose they are; with writers stopped they are the run's."""
    shop.desk.configure(writers="running", more='[targets.demo.rehearsal]\nscratch = "file:database-url"')
    (shop.desk.folder / "project/migrations/checks.toml").write_text(CHANGES, encoding="utf-8")
    run = shop.begin("7b0000000003")
    shop.upgrade(run).require()
    shop.desk.execute("INSERT INTO labels SELECT n, 'l' FROM generate_series(1, 500) AS n")
    shop.desk.execute("UPDATE orders SET region = 'south' WHERE id <= 7")
    shop.desk.execute("UPDATE orders SET kind = 'x', note = 'y' WHERE id <= 2")
    done = shop.roll_back(run, "restore")
    assert isinstance(done.error, errors.Waiting)
    assert done.error.evidence["what is lost"].splitlines() == [
        "public.labels: it is not in the backup; its 500 rows stay in the database that is kept",
        "public.orders: 2 rows changed after it, which get their old values; all of it in columns the run itself "
        "changes: note, kind; 7 values of region, which the backup does not have",
    ]
    assert set(done.losses[done.losses["needs_a_word"]]["by"]) == {"the run or others"}
    shop.desk.configure(writers="stopped", more='[targets.demo.rehearsal]\nscratch = "file:database-url"')
    again = shop.roll_back(run, "restore", again=True)
    assert again.gate.is_open, (again.error, again.gate.closed_by)
    assert again.losses["by"].tolist() == ["the run", "the run"]


FOREIGN = """
    CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;
    CREATE FOREIGN TABLE theirs (id int) SERVER far
"""


def test_the_page_tables_hold_what_was_lost(shop: Shop) -> None:
    """The record has the table of losses and says what was kept; a password that is a column's name breaks nothing.

    A foreign table is no loss: the backup has none of its rows, nor would a restore take one.
    """
    shop.desk.execute("ALTER TABLE customers ADD COLUMN password text DEFAULT 'x'; CREATE TABLE password (id int)")
    shop.desk.execute(FOREIGN)
    reference = replace(shop.desk.database, password="password").url("libpq")
    (shop.desk.folder / "database-url").write_text(reference, encoding="utf-8")
    run = complete(shop)
    done = shop.roll_back(run, "restore")
    assert done.gate.is_open, (done.error, done.gate.closed_by)
    folder = shop.desk.run()
    assert pd.read_csv(folder.path / "tables/lost.csv")["table"].tolist() == ["public.labels"]
    assert done.facts["kept"]["the failed database"] in str(folder.receipt("rollback"))
    written = [path for path in (shop.desk.folder / "runs").rglob("*") if path.is_file()]
    assert [path for path in written if ":password@" in path.read_text(encoding="utf-8")] == []
