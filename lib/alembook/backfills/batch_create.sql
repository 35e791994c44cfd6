-- The relation `batch` of a session: the key columns of a backfill's table, with their types and collations.
-- Formatted with: table, columns. Returns: nothing.
-- Locks: ACCESS SHARE on the table for a moment. Writes: a temporary table, emptied at every commit.
CREATE TEMPORARY TABLE batch ON COMMIT DELETE ROWS AS SELECT {columns} FROM {table} WITH NO DATA
