-- Rows of a table that were inserted or updated since a snapshot, whoever did it.
-- Formatted with: table (identifier). Parameters: snapshot (text of a pg_snapshot of this server).
-- Returns: one value. A row's 32-bit xmin is taken for the id next to the snapshot's own; frozen rows are old. Rows of a
--   savepoint that was open at the snapshot's instant are missed (PostgreSQL manual, 9.27.7).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT count(*)
  FROM ONLY {table} AS t
 CROSS JOIN LATERAL (
        SELECT pg_snapshot_xmin(%(snapshot)s::pg_snapshot)::text::bigint AS oldest, t.xmin::text::bigint AS raw
     ) AS ids
 CROSS JOIN LATERAL (SELECT (ids.raw - ids.oldest %% 4294967296 + 4294967296) %% 4294967296 AS ahead) AS distance
 WHERE ids.raw > 2
   AND distance.ahead < 2147483648
   AND NOT pg_visible_in_snapshot((ids.oldest + distance.ahead)::text::xid8, %(snapshot)s::pg_snapshot)
