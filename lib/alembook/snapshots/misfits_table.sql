-- A table by its name, as SQL writes it.
-- Parameters: table (text).
-- Returns: one row, or none where there is no such table: oid, schema, table, pages (0). Locks: none. Reads only.
SELECT c.oid,
       n.nspname AS schema,
       c.relname AS table,
       0 AS pages
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass(%(table)s)
