-- Everything about one piece of a table, in one pass over it: rows, NULLs, checksums, ends of keys.
-- Formatted with: number (of the piece: several are asked for at once with UNION ALL), seed (the hash of the key, or
--   nothing to tell rows apart by: 0), columns (each column as c1, c2, ...), keys (what is summed up of each row), present,
--   sums, lows, highs (aggregates over seed and c1, c2, ..., commas between), table (identifier), piece (a range of pages,
--   or TRUE), name (the table as a literal for regclass).
-- Returns: one row: number, rows, size_bytes (of the whole table with TOAST and indexes), keys (sum of the keys' hashes),
--   present (bigint[]: of each column, values that are not NULL), sums (numeric[]: sums of hashes), lows, highs
--   (numeric[]: ends), as they are asked for. Sums of 64-bit hashes are numeric and do not overflow; sums of pieces add
--   up. OFFSET 0 keeps the key's hash from being computed again for each column.
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT {number} AS number, count(*) AS rows, pg_total_relation_size({name}::regclass) AS size_bytes, sum({keys}) AS keys,
       ARRAY[{present}]::int8[] AS present, ARRAY[{sums}]::numeric[] AS sums,
       ARRAY[{lows}]::numeric[] AS lows, ARRAY[{highs}]::numeric[] AS highs
  FROM (SELECT {seed} AS seed{columns} FROM ONLY {table} WHERE {piece} OFFSET 0) AS read
