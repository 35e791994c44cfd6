-- Records one batch, in the batch's own transaction.
-- Formatted with: schema. Parameters: run_id, name, range, position (JSON), rows.
-- Returns: nothing; the row count is 1 unless somebody removed the row.
-- Locks: its own row. Writes.
UPDATE {schema}.backfill_progress
   SET position = %(position)s::jsonb,
       rows_done = rows_done + %(rows)s,
       batches = batches + 1,
       updated_at = clock_timestamp()
 WHERE run_id = %(run_id)s AND name = %(name)s AND range = %(range)s
