-- Every ordinary table and partition of the user, with what the catalogue knows of its size.
-- Parameters: none. Returns: schema, "table", estimated_rows (-1 = never analysed), size_bytes (indexes and TOAST included), kind.
-- Locks: ACCESS SHARE on catalogues, and on each table while it is measured (so it waits for an ALTER TABLE). Reads only.
SELECT n.nspname AS schema,
       c.relname AS "table",
       c.reltuples::bigint AS estimated_rows,
       coalesce(pg_total_relation_size(c.oid), 0) AS size_bytes,
       CASE WHEN c.relispartition THEN 'partition' ELSE 'table' END AS kind
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND n.nspname NOT LIKE 'pg\_toast%'
 ORDER BY size_bytes DESC, 1, 2
