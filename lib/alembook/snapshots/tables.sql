-- Tables a user made: ordinary tables, leaves of partitioned tables, foreign tables.
-- Parameters: none.
-- Returns: one row per table: oid, schema, table, pages (of the heap, as last vacuumed or analysed), is_foreign,
--   may_read (the role may select from it), hides_rows (row security would hide rows from the role), root (schema.table
--   of the uppermost partitioned table it is a leaf of; NULL for others, and for children by inheritance),
--   is_extensions (an extension made it).
--   Left out: system schemas, temporary tables, partitioned parents (they hold no row), views, materialized views.
-- Locks: ACCESS SHARE on the catalog; none on the tables, so one that is locked does not hold up the others. Reads only.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS "table",
       greatest(c.relpages, 0) AS pages,
       c.relkind = 'f' AS is_foreign,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
       row_security_active(c.oid) AS hides_rows,
       (SELECT m.nspname || '.' || r.relname
          FROM pg_class AS r
          JOIN pg_namespace AS m ON m.oid = r.relnamespace
         WHERE c.relispartition AND r.oid = pg_partition_root(c.oid)) AS root,
       EXISTS (SELECT
                 FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS is_extensions
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema'
   AND n.nspname !~ '^pg_'
 ORDER BY n.nspname, c.relname
