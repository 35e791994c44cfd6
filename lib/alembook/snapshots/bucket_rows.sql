-- The rows of some groups of keys: hashes only, and the key as text where it was asked for.
-- Formatted with: seed, columns, table, mask as in bucket.sql; buckets (array of the groups), hashes (of each differing
--   column, seeded with read.seed), key (text[] of the key's columns, or NULL).
-- Returns: one row per row: seed, key, then a hash per column.
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT read.seed, {key} AS key{hashes}
  FROM (SELECT {seed} AS seed{columns} FROM ONLY {table} OFFSET 0) AS read
 WHERE (read.seed & {mask})::pg_catalog.int4 = ANY ({buckets})
