-- Everything about one piece of a table, in one pass over it: rows, NULLs, checksums, ends of keys.
-- Formatted with: seed (the hash of the key, or nothing to tell rows apart by: 0), columns (each column as c1, c2, ...),
--   aggregates (over seed and c1, c2, ...), table (identifier), piece (a range of pages, or TRUE), name (the table as a
--   literal for regclass).
-- Returns: one row: rows, size_bytes (of the whole table with TOAST and indexes), keys (sum of the keys' hashes), and
--   n1 (values that are not NULL), h1 (sum of hashes), lo1, hi1 (ends), ... of c1, c2, ... as they are asked for.
--   Sums of 64-bit hashes are numeric and do not overflow; sums of pieces add up. OFFSET 0 keeps the key's hash from
--   being computed again for each column.
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT count(*) AS rows, pg_total_relation_size({name}::regclass) AS size_bytes{aggregates}
  FROM (SELECT {seed} AS seed{columns} FROM ONLY {table} WHERE {piece} OFFSET 0) AS read
