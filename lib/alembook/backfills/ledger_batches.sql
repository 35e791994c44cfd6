-- How many batches of each backfill a run has committed.
-- Formatted with: schema. Parameters: run_id.
-- Returns: one row per backfill: name, batches. Locks: ACCESS SHARE on the ledger. Reads only.
SELECT name, sum(batches)::bigint AS batches FROM {schema}.backfill_progress WHERE run_id = %(run_id)s GROUP BY name
