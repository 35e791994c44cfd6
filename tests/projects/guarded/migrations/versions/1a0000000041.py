"""One of everything that verification looks after

Revision ID: 1a0000000041
Revises: None
"""
from alembic import op

revision = "1a0000000041"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = """
    CREATE TYPE mood AS ENUM ('sad', 'calm', 'glad');
    CREATE TABLE people (id serial PRIMARY KEY, name text NOT NULL, note text, score float8, paid numeric(10, 4),
                         born timestamptz, mood mood);
    CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                         person_id int NOT NULL REFERENCES people (id), place text);
    CREATE TABLE heap (a int, b text);
    CREATE TABLE events (id int NOT NULL, at date NOT NULL, what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER quiet BEFORE UPDATE ON heap FOR EACH ROW EXECUTE FUNCTION quiet();
    CREATE VIEW glad_people AS SELECT id, name FROM people WHERE mood = 'glad';
"""
ROWS = """
    INSERT INTO people (name, note, score, paid, born, mood)
    SELECT 'name ' || i, CASE WHEN i % 5 > 0 THEN 'note ' || i END, i / 3.0, i / 7.0,
           timestamptz '2026-01-01 00:00+00' + i * interval '1 hour', (ARRAY['sad', 'calm', 'glad'])[1 + i % 3]::mood
      FROM generate_series(1, 100) AS i;
    INSERT INTO visits (person_id, place) SELECT 1 + i % 100, 'place ' || i FROM generate_series(1, 200) AS i;
    INSERT INTO heap SELECT i % 10, 'b' || i FROM generate_series(1, 50) AS i;
    INSERT INTO events SELECT i, date '2025-12-01' + i, 'event ' || i FROM generate_series(1, 60) AS i;
"""


def upgrade():
    op.execute(SCHEMA)
    op.execute(ROWS)


def downgrade():
    op.execute("DROP TABLE events, heap, visits, people CASCADE; DROP FUNCTION quiet(); DROP TYPE mood")
