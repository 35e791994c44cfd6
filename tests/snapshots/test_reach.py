"""Which tables words lead to."""

from __future__ import annotations

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.snapshots import reach

SCHEMA = """
    CREATE SCHEMA app;
    CREATE TABLE app.people (id int PRIMARY KEY);
    CREATE TABLE app.visits (id int PRIMARY KEY, person int REFERENCES app.people);
    CREATE TABLE app.notes (id int, visit int REFERENCES app.visits ON DELETE CASCADE);
    CREATE TABLE app.trail (what text);
    CREATE TABLE app.alone (id int);
    CREATE TABLE app."Odd Name" (id int);
    CREATE TABLE app.days (day date) PARTITION BY RANGE (day);
    CREATE TABLE app.days_1 PARTITION OF app.days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')
        PARTITION BY RANGE (day);
    CREATE TABLE app.days_1_a PARTITION OF app.days_1 DEFAULT;
    CREATE VIEW app.seen AS SELECT * FROM app.people;
    CREATE FUNCTION app.log() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO app.trail VALUES (TG_OP); RETURN NEW; END';
    CREATE TRIGGER log AFTER INSERT ON app.alone FOR EACH ROW EXECUTE FUNCTION app.log();
    CREATE FUNCTION app.tidy() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM app."Odd Name"; END;
"""


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("UPDATE people SET id = 1", {"app.people"}),
        ("UPDATE APP.PEOPLE SET id = 1", {"app.people"}),
        ("op.add_column('people')", {"app.people"}),
        ("UPDATE seen SET id = 1", {"app.people"}),
        ("UPDATE days SET day = NULL", {"app.days_1_a"}),
        ("DELETE FROM visits", {"app.visits", "app.notes"}),
        ("INSERT INTO alone VALUES (1)", {"app.alone", "app.trail"}),
        ("SELECT app.tidy()", {"app.Odd Name"}),
        ('DELETE FROM "Odd Name"', {"app.Odd Name"}),
        ("UPDATE peoples SET id = 1", set()),
        ("", set()),
    ],
)
def test_words_lead_to_tables(connection18: Connection, text: str, named: set[str]) -> None:
    """By their names, through views, partitions, triggers, functions and keys that follow."""
    connections.execute(connection18, SCHEMA)
    assert reach.read(connection18).named(reach.words(text)) == named


def test_neighbours_are_one_foreign_key_away(connection18: Connection) -> None:
    """On both sides of it, and the parts of a partitioned one."""
    connections.execute(connection18, SCHEMA)
    connections.execute(
        connection18,
        """ALTER TABLE app.days ADD person int REFERENCES app.people;
           CREATE TABLE app.far (id int PRIMARY KEY); ALTER TABLE app.people ADD far int REFERENCES app.far;
           CREATE TABLE app.farther (id int REFERENCES app.far)""",
    )
    found = reach.read(connection18)
    assert found.with_neighbours({"app.people"}) == {"app.people", "app.visits", "app.days_1_a", "app.far"}
    assert found.with_neighbours({"app.days_1_a"}) == {"app.days_1_a", "app.people"}
    assert found.with_neighbours(set()) == set()
