-- Records how a range ended. A range that is done begins at the start again when it is asked for once more.
-- Formatted with: schema. Parameters: run_id, name, range, status (done or failed).
-- Returns: nothing. Locks: its own row. Writes.
UPDATE {schema}.backfill_progress
   SET status = %(status)s,
       position = CASE WHEN %(status)s = 'done' THEN NULL ELSE position END,
       updated_at = clock_timestamp()
 WHERE run_id = %(run_id)s AND name = %(name)s AND range = %(range)s
