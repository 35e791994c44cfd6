-- Opens the row of one range, or takes it up where it was left. A declaration that changed begins at the start again.
-- Formatted with: schema. Parameters: run_id, name, range, declaration (SHA-256).
-- Returns: one row: position (text[] as JSON, NULL at the start), rows_done, batches.
-- Locks: its own row. Writes.
INSERT INTO {schema}.backfill_progress AS kept (run_id, name, range, status, declaration)
VALUES (%(run_id)s, %(name)s, %(range)s, 'running', %(declaration)s)
ON CONFLICT (run_id, name, range) DO UPDATE
   SET status = 'running',
       position = CASE WHEN kept.declaration = excluded.declaration THEN kept.position END,
       declaration = excluded.declaration,
       updated_at = clock_timestamp()
RETURNING position, rows_done, batches
