-- The latest run of every backfill in the ledger, its ranges added up.
-- Formatted with: schema. Parameters: none.
-- Returns: one row per backfill: name, run_id, rows_done, batches, status (failed when a range failed, else running while
--   one does), started_at, updated_at.
-- Locks: ACCESS SHARE on the ledger. Reads only.
SELECT DISTINCT ON (name)
       name, run_id, sum(rows_done)::bigint AS rows_done, sum(batches)::bigint AS batches,
       CASE WHEN bool_or(status = 'failed') THEN 'failed' WHEN bool_or(status = 'running') THEN 'running' ELSE 'done' END AS status,
       min(started_at) AS started_at, max(updated_at) AS updated_at
  FROM {schema}.backfill_progress
 GROUP BY name, run_id
 ORDER BY name, max(updated_at) DESC
