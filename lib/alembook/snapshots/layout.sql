-- Columns of the user's tables, with what is needed to choose each one's expression.
-- Parameters: tables (oid[]).
-- Returns: one row per column, in the order of the table: table_oid, name, type (as PostgreSQL writes it), base (name of
--   the type under its domains), is_builtin (base is PostgreSQL's own), kind (pg_type.typtype of base), element,
--   element_is_builtin (of an array; NULL otherwise), has_own_hash (PostgreSQL 18 has timestamptz_hash_extended),
--   key_position (1... in the key rows are told apart by; NULL outside).
--   The key is the primary key, else the narrowest unique index that is whole, valid, without expressions and NULL.
--   Left out: generated columns that are not stored (they hold nothing of their own).
-- Locks: ACCESS SHARE on the catalogue. Reads only.
WITH RECURSIVE base AS (
        SELECT oid AS type, oid AS base FROM pg_type WHERE typtype <> 'd'
        UNION ALL
        SELECT t.oid, b.base FROM pg_type AS t JOIN base AS b ON t.typbasetype = b.type WHERE t.typtype = 'd'
     ), keys AS (
        SELECT DISTINCT ON (i.indrelid) i.indrelid, i.indkey::int2[] AS attnums, i.indnkeyatts AS columns
          FROM pg_index AS i
         WHERE i.indrelid = ANY (%(tables)s::oid[])
           AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
           AND NOT EXISTS (
               SELECT FROM generate_subscripts(i.indkey, 1) AS n
                 JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]
                WHERE n < i.indnkeyatts AND NOT a.attnotnull
           )
         ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid
     )
SELECT a.attrelid AS table_oid,
       a.attname AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       t.typname AS base,
       t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype <> 'c' AS is_builtin,
       t.typtype AS kind,
       e.typname AS element,
       e.typnamespace = 'pg_catalog'::regnamespace AND e.typtype <> 'c' AS element_is_builtin,
       current_setting('server_version_num')::int >= 180000 AND t.oid = 'timestamptz'::regtype AS has_own_hash,
       array_position(k.attnums[0:k.columns - 1], a.attnum) AS key_position
  FROM pg_attribute AS a
  JOIN base AS b ON b.type = a.atttypid
  JOIN pg_type AS t ON t.oid = b.base
  LEFT JOIN pg_type AS raw ON raw.typarray = t.oid
  LEFT JOIN base AS eb ON eb.type = raw.oid
  LEFT JOIN pg_type AS e ON e.oid = eb.base
  LEFT JOIN keys AS k ON k.indrelid = a.attrelid
 WHERE a.attrelid = ANY (%(tables)s::oid[])
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND a.attgenerated <> 'v'
 ORDER BY a.attrelid, a.attnum
