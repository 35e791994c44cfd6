-- How large tables are, by their files rather than by the catalogue's estimate.
-- Parameters: tables (text[]: quoted names).
-- Returns: one row per table that is still there: name, pages (of 8 kB, of the heap).
-- Locks: ACCESS SHARE on each table for a moment. Reads only.
SELECT t.name,
       ceil(pg_relation_size(t.found) / current_setting('block_size')::numeric)::bigint AS pages
  FROM (SELECT name, to_regclass(name) AS found FROM unnest(%(tables)s::text[]) AS name OFFSET 0) AS t
 WHERE t.found IS NOT NULL
