-- The instant a transaction sees.
-- Parameters: none.
-- Returns: one row: taken_at (start of the transaction), snapshot (xmin:xmax:transactions in progress).
-- Locks: none. Reads only.
SELECT now() AS taken_at, pg_current_snapshot()::text AS snapshot
