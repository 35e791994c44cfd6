-- Sums of a table by groups of keys.
-- Formatted with: seed (the hash of the key, or of the row where there is none), columns, hash (of what differs, seeded
--   with read.seed), table (identifier), mask (groups - 1, groups being a power of two).
-- Returns: up to mask + 1 rows: bucket, rows, keys, hashes (numeric sums).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
--   Sorting millions of rows into groups would spill; hashing them does not (enable_sort is off in this transaction).
SELECT (read.seed & {mask})::pg_catalog.int4 AS bucket, count(*) AS rows, sum(read.seed) AS keys, sum({hash}) AS hashes
  FROM (SELECT {seed} AS seed{columns} FROM ONLY {table} OFFSET 0) AS read
 GROUP BY 1
