-- Indexes that a failed CREATE INDEX CONCURRENTLY (or REINDEX) left behind.
-- Parameters: none. Returns: name (schema.index), "table" (schema.table).
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS "table"
  FROM pg_index AS i
 WHERE NOT i.indisvalid
   AND NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = i.indexrelid AND c.relkind = 'I')
 ORDER BY 1
