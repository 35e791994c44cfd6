-- What a backfill needs to know of its table.
-- Parameters: schema (text or NULL: found by search_path), table, key (text[]).
-- Returns: no row when there is no such table; else one: schema, "table", kind (pg_class.relkind), columns (name -> SQL
--   text of its type, for the key columns that exist), nullable (text[]: key columns that may be NULL), is_unique (a
--   valid unique index, neither partial nor on expressions, covers key columns only).
-- Locks: ACCESS SHARE on the catalog. Reads only.
WITH named AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind
      FROM pg_class AS c
      JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = to_regclass(concat_ws('.', quote_ident(%(schema)s::text), quote_ident(%(table)s::text)))
), columns AS (
    SELECT a.attname::text AS name, a.attnum, a.attnotnull, format_type(a.atttypid, a.atttypmod) AS type
      FROM named AS t
      JOIN pg_attribute AS a ON a.attrelid = t.oid
     WHERE a.attname = ANY (%(key)s::text[]) AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT t.nspname AS schema,
       t.relname AS "table",
       t.relkind::text AS kind,
       (SELECT coalesce(jsonb_object_agg(name, type), '{}') FROM columns) AS columns,
       (SELECT coalesce(array_agg(name), '{}') FROM columns WHERE NOT attnotnull) AS nullable,
       EXISTS (
           SELECT
             FROM pg_index AS i
            WHERE i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
              AND (i.indkey::smallint[])[0 : i.indnkeyatts - 1] <@ (SELECT array_agg(attnum) FROM columns)
       ) AS is_unique
  FROM named AS t
