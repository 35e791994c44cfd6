-- What columns hold that nobody gave them: their constant default, or what they are computed from.
-- Parameters: tables (text[], names as SQL writes them).
-- Returns: one row per column: "table" (as given), column_name, type (as PostgreSQL writes it), default_text (expression;
--   NULL = none), is_generated (computed from other columns).
-- Locks: ACCESS SHARE on the catalogue. Reads only.
SELECT t.name AS "table",
       a.attname::text AS column_name,
       format_type(a.atttypid, a.atttypmod) AS type,
       pg_get_expr(d.adbin, d.adrelid) AS default_text,
       a.attgenerated <> '' AS is_generated
  FROM unnest(%(tables)s::text[]) AS t (name)
  JOIN pg_attribute AS a ON a.attrelid = to_regclass(t.name)
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0
   AND NOT a.attisdropped
