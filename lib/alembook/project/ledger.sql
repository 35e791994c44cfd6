-- What runs applied in this database: each row is written by the transaction of the revision it tells of.
-- Identifiers: schema. Parameters: none. Returns: nothing.
-- Locks: none on tables of the user. Writes: a schema and a table, where they are missing.
-- The primary key also lets the table be published by a publication FOR ALL TABLES.
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.applied (
    run_id text NOT NULL,
    revision text NOT NULL,
    down_revision text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('up', 'down')),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seconds double precision NOT NULL,
    sha256 text NOT NULL,
    changes jsonb,
    PRIMARY KEY (run_id, revision, direction, applied_at)
);
ALTER TABLE {schema}.applied ADD COLUMN IF NOT EXISTS changes jsonb;
COMMENT ON TABLE {schema}.applied IS 'Alembic revisions applied by Alembook; one row each, committed with the revision.'
