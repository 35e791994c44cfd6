-- Foreign keys of the user's tables, those of a partitioned table once.
-- Parameters: none.
-- Returns: one row per foreign key: child, parent (schema, table), child_tables, parent_tables ("schema.table" of each
--   table that holds the rows: the leaves of a partitioned one), is_parted (of the child), columns, referenced (names, in
--   pairs), operators (how the pairs are compared, with their schemas), is_full (MATCH FULL), is_temporal (PERIOD).
-- Locks: ACCESS SHARE on the catalogue. Reads only.
WITH tables AS (
        SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind,
               ARRAY(SELECT ln.nspname || '.' || l.relname
                       FROM pg_partition_tree(c.oid) AS t
                       JOIN pg_class AS l ON l.oid = t.relid
                       JOIN pg_namespace AS ln ON ln.oid = l.relnamespace
                      WHERE t.isleaf) AS leaves
          FROM pg_class AS c
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
     )
SELECT child.schema AS child_schema,
       child.name AS child_table,
       parent.schema AS parent_schema,
       parent.name AS parent_table,
       CASE WHEN child.relkind = 'p' THEN child.leaves ELSE ARRAY[child.schema || '.' || child.name] END AS child_tables,
       CASE WHEN parent.relkind = 'p' THEN parent.leaves ELSE ARRAY[parent.schema || '.' || parent.name] END
           AS parent_tables,
       child.relkind = 'p' AS is_parted,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, n)
               JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.attnum ORDER BY u.n) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, n)
               JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.attnum ORDER BY u.n) AS referenced,
       ARRAY(SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')'
               FROM unnest(k.conpfeqop) WITH ORDINALITY AS u (oid, n)
               JOIN pg_operator AS o ON o.oid = u.oid
               JOIN pg_namespace AS n ON n.oid = o.oprnamespace ORDER BY u.n) AS operators,
       k.confmatchtype = 'f' AS is_full,
       coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false) AS is_temporal
  FROM pg_constraint AS k
  JOIN tables AS child ON child.oid = k.conrelid
  JOIN tables AS parent ON parent.oid = k.confrelid
 WHERE k.contype = 'f' AND k.conparentid = 0
 ORDER BY 1, 2, k.conname
