-- Single rows by where they are: a hash for each column outside the key and, where they may be shown, key and values.
-- Formatted with: places (array of ctids that the transaction's snapshot sees), seed, columns, table as in bucket.sql;
--   key (its text, or NULL), row (text of the whole row, or NULL), hashes (of c1, c2, ...), values (their texts, or none).
-- Returns: one row per row: place (text), key, row, hashes (bigint[]), values (text[]).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT read.place::pg_catalog.text AS place,
       read.key,
       read.row,
       ARRAY[{hashes}]::pg_catalog.int8[] AS hashes,
       ARRAY[{values}]::pg_catalog.text[] AS values
  FROM (
        SELECT ctid AS place, {key} AS key, {row} AS row, {seed} AS seed{columns}
          FROM ONLY {table}
         WHERE ctid = ANY ({places}::pg_catalog.tid[])
        OFFSET 0
       ) AS read
