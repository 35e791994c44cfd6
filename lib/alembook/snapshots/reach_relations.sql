-- Tables and views of the user's schemas.
-- Parameters: none.
-- Returns: name ("schema.name"), is_table (it holds rows that can be counted).
-- Locks: ACCESS SHARE on the catalogue. Reads only.
SELECT n.nspname || '.' || c.relname AS name, c.relkind IN ('r', 'f') AS is_table
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
