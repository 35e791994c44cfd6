-- What the catalogue knows of named tables, found as the session's search_path finds them.
-- Parameters: names (text[], quoted as SQL needs it).
-- Returns: name (as given), "table" (schema.table), oid, rows (-1 = never analysed), size_bytes, is_partitioned.
-- Locks: ACCESS SHARE on catalogues, and on each table while it is measured. Reads only.
SELECT given.name,
       format('%%I.%%I', n.nspname, c.relname) AS "table",
       c.oid::bigint AS oid,
       c.reltuples::bigint AS rows,
       coalesce(pg_total_relation_size(c.oid), 0) AS size_bytes,
       c.relkind = 'p' AS is_partitioned
  FROM unnest(%(names)s::text[]) AS given(name)
  JOIN pg_class AS c ON c.oid = to_regclass(given.name)
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
