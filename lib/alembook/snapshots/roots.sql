-- Partitioned tables that are no partition themselves; those without a partition too.
-- Parameters: none.
-- Returns: one row per table: schema, table. Left out: system schemas, temporary tables.
-- Locks: ACCESS SHARE on the catalog. Reads only.
SELECT n.nspname AS schema,
       c.relname AS "table"
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'p'
   AND NOT c.relispartition
   AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema'
   AND n.nspname !~ '^pg_'
 ORDER BY n.nspname, c.relname
