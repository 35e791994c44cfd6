-- Tables a user made: ordinary tables, leaves of partitioned tables, foreign tables.
-- Parameters: none.
-- Returns: one row per table: oid, schema, table, pages (of the heap, as last vacuumed or analysed), is_foreign,
--   may_read (the role may select from it), hides_rows (row security would hide rows from the role).
--   Left out: system schemas, temporary tables, partitioned parents (they hold no row), views, materialized views.
-- Locks: ACCESS SHARE on the catalog; none on the tables, so one that is locked does not hold up the others. Reads only.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS "table",
       greatest(c.relpages, 0) AS pages,
       c.relkind = 'f' AS is_foreign,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
       row_security_active(c.oid) AS hides_rows
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema'
   AND n.nspname !~ '^pg_'
 ORDER BY n.nspname, c.relname
