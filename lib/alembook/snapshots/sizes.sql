-- How large tables are, by their files rather than by the catalogue's estimate.
-- Parameters: tables (text[]: quoted names).
-- Returns: one row per table that is still there: name, pages (of 8 kB, of the heap).
-- Locks: ACCESS SHARE on each table for a moment. Reads only.
SELECT name,
       ceil(pg_relation_size(to_regclass(name)) / current_setting('block_size')::numeric)::bigint AS pages
  FROM unnest(%(tables)s::text[]) AS name
 WHERE to_regclass(name) IS NOT NULL
