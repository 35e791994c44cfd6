-- Rows and sums of hashes by groups of keys, over one span of pages of a table.
-- Formatted with: number (of the span: several are asked for at once with UNION ALL), seed (hash of a row's key; of the row
--   where the table has none), columns (those outside the key as c1, c2, ...), table (identifier), span (a range of pages,
--   or TRUE), among (the groups asked for, or TRUE), whole (hash of the row, over seed and c1, c2, ...), mask (groups - 1,
--   groups being a power of two).
-- Returns: up to mask + 1 rows: number, bucket, rows, hashes (numeric: sums of 64-bit hashes do not overflow, and add up).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
--   OFFSET 0 keeps seed from being computed again for each column. Groups are hashed, not sorted (pinned_settings.sql).
SELECT {number} AS number, (read.seed & {mask})::pg_catalog.int4 AS bucket, count(*) AS rows, sum({whole}) AS hashes
  FROM (SELECT {seed} AS seed{columns} FROM ONLY {table} WHERE {span} AND {among} OFFSET 0) AS read
 GROUP BY 2
