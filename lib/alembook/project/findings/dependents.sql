-- What depends on a table, or on one of its columns, besides the table itself: views and rules, foreign keys of other
-- tables, indexes, constraints, generated columns, triggers, policies; and functions whose text names both.
-- Parameters: oid (bigint), column (text, NULL = the whole table), word (the table's bare name).
-- Returns: what (text, one line each).
-- Locks: ACCESS SHARE on catalogues. Reads only. A function's text is only searched: it may speak of another table.
WITH place AS (
    SELECT a.attnum FROM pg_attribute AS a
     WHERE a.attrelid = %(oid)s::bigint::oid AND a.attname = %(column)s AND NOT a.attisdropped
), bound AS (
    SELECT DISTINCT d.classid, d.objid
      FROM pg_depend AS d
     WHERE d.refclassid = 'pg_class'::regclass
       AND d.refobjid = %(oid)s::bigint::oid
       AND (%(column)s::text IS NULL OR d.refobjsubid IN (SELECT attnum FROM place))
       AND d.deptype IN ('n', 'a')
)
SELECT CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass::text AS what
  FROM bound AS b
  JOIN pg_rewrite AS r ON b.classid = 'pg_rewrite'::regclass AND r.oid = b.objid
  JOIN pg_class AS v ON v.oid = r.ev_class
 WHERE v.oid <> %(oid)s::bigint::oid
 UNION
SELECT 'constraint ' || c.conname || ' of ' || c.conrelid::regclass::text
  FROM bound AS b
  JOIN pg_constraint AS c ON b.classid = 'pg_constraint'::regclass AND c.oid = b.objid
 WHERE c.conrelid <> %(oid)s::bigint::oid OR %(column)s::text IS NOT NULL
 UNION
SELECT 'index ' || i.oid::regclass::text
  FROM bound AS b
  JOIN pg_class AS i ON b.classid = 'pg_class'::regclass AND i.oid = b.objid AND i.relkind = 'i'
 WHERE %(column)s::text IS NOT NULL
 UNION
SELECT 'policy ' || p.polname || ' on ' || p.polrelid::regclass::text
  FROM bound AS b
  JOIN pg_policy AS p ON b.classid = 'pg_policy'::regclass AND p.oid = b.objid
 UNION
SELECT 'trigger ' || t.tgname
  FROM bound AS b
  JOIN pg_trigger AS t ON b.classid = 'pg_trigger'::regclass AND t.oid = b.objid
 WHERE NOT t.tgisinternal AND %(column)s::text IS NOT NULL
 UNION
SELECT 'function ' || p.oid::regprocedure::text || ' (its text names it)'
  FROM pg_proc AS p
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
   AND p.prosrc ~ ('\m' || regexp_replace(%(word)s, '\W', '\\\&', 'g') || '\M')
   AND (%(column)s::text IS NULL OR p.prosrc ~ ('\m' || regexp_replace(%(column)s, '\W', '\\\&', 'g') || '\M'))
 ORDER BY 1
