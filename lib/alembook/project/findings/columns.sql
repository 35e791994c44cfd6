-- The columns of tables.
-- Parameters: oids (bigint[]). Returns: oid, column, type (as format_type writes it), not_null.
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT a.attrelid::bigint AS oid,
       a.attname AS "column",
       format_type(a.atttypid, a.atttypmod) AS type,
       a.attnotnull AS not_null
  FROM pg_attribute AS a
 WHERE a.attrelid = ANY (%(oids)s::bigint[]::oid[])
   AND a.attnum > 0
   AND NOT a.attisdropped
