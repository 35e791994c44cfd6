-- The rows of some groups of keys, 22 or 30 bytes for each: no value and no key among them.
-- Formatted with: as bucket.sql, without mask; and, where several rows may be alike: counted (binary form of rows), rows (how
--   many they are), place (the first of their ctids), grouping (by seed and hash).
-- Returns: one row: packed (bytea, NULL when there is no row): for each different row in binary, most significant byte
--   first: seed, hash, where several may be alike how often it is there (8 bytes each), and where it is (ctid: 4 bytes
--   page, 2 bytes place; of rows that are alike, the first).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT string_agg(int8send(found.seed) || int8send(found.hash){counted} || tidsend(found.place), ''::bytea) AS packed
  FROM (
        SELECT read.seed, {whole} AS hash, {rows} AS rows, {place} AS place
          FROM (SELECT {seed} AS seed, ctid AS place{columns} FROM ONLY {table} WHERE {span} AND {among} OFFSET 0) AS read
        {grouping}
       ) AS found
