-- Rows ever written to each table of the user, committed or not, as the server's statistics count them, and its file.
-- Parameters: none. Returns: "table" (schema.table; "large objects" is all of them), "rows", file (it changes with
--   TRUNCATE and with a rewrite). Left out: materialized views, whose rows come from others.
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT s.schemaname || '.' || s.relname AS "table",
       (s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::bigint AS "rows",
       c.relfilenode::bigint AS file
  FROM pg_stat_user_tables AS s
  JOIN pg_class AS c ON c.oid = s.relid
 WHERE c.relkind <> 'm'
 UNION ALL
SELECT 'large objects', sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::bigint, 0
  FROM pg_stat_sys_tables AS s
 WHERE s.relid IN ('pg_largeobject'::regclass, 'pg_largeobject_metadata'::regclass)
