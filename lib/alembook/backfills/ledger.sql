-- The ledger's table of progress, inside the target.
-- Formatted with: schema. Returns: nothing.
-- Writes: a schema and a table, when they are not there. One row per run, backfill and range of keys, so that workers
--   on different ranges never wait for each other's row.
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.backfill_progress (
    run_id text NOT NULL,
    name text NOT NULL,
    range integer NOT NULL,
    position jsonb,
    rows_done bigint NOT NULL DEFAULT 0,
    batches bigint NOT NULL DEFAULT 0,
    status text NOT NULL CHECK (status IN ('running', 'done', 'failed')),
    declaration text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, name, range)
);
COMMENT ON TABLE {schema}.backfill_progress IS 'Alembook: how far backfills are; written with each batch, in its transaction';
