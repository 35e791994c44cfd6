"""The schema for the record of applied revisions."""

from __future__ import annotations

from alembook.postgres.connection import Connection, execute, rows
from alembook.project import ledger

KEY = """SELECT a.attname AS name
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indrelid = '"My Record".applied'::regclass AND i.indisprimary ORDER BY 1"""


def test_prepare_makes_it_once(connection18: Connection) -> None:
    """Schema and table are made where they are missing, with a primary key, and left alone where they are there."""
    ledger.prepare(connection18, "My Record")
    assert [row["name"] for row in rows(connection18, KEY)] == ["applied_at", "direction", "revision", "run_id"]
    execute(
        connection18,
        """INSERT INTO "My Record".applied (run_id, revision, down_revision, direction, seconds, sha256)
           VALUES ('r', 'a', '', 'up', 1, '')""",
    )
    ledger.prepare(connection18, "My Record")
    assert len(rows(connection18, 'SELECT * FROM "My Record".applied')) == 1


def test_an_existing_table_needs_no_rights(connection18: Connection) -> None:
    """A role that may not create schemas can use one that an administrator made."""
    ledger.prepare(connection18, "alembook")
    execute(connection18, "SET default_transaction_read_only = on")
    ledger.prepare(connection18, "alembook")


def test_a_table_of_an_earlier_version_gets_what_it_lacks(connection18: Connection) -> None:
    """A record without the column for changes keeps its rows and gets the column."""
    ledger.prepare(connection18, "alembook")
    execute(connection18, "ALTER TABLE alembook.applied DROP COLUMN changes")
    execute(
        connection18,
        """INSERT INTO alembook.applied (run_id, revision, down_revision, direction, seconds, sha256)
           VALUES ('r', 'a', '', 'up', 1, '')""",
    )
    ledger.prepare(connection18, "alembook")
    [row] = rows(connection18, "SELECT revision, changes FROM alembook.applied")
    assert (row["revision"], row["changes"]) == ("a", None)
