-- The last key of the batch, as text, for the next one to begin after.
-- Formatted with: texts (key columns as text), descending (key columns, descending). Returns: one row, a column per key.
-- Locks: none of others. Reads only.
SELECT {texts} FROM pg_temp.batch ORDER BY {descending} LIMIT 1
