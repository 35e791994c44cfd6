-- Rows ever written to each table of the user, committed or not, as the server's statistics count them.
-- Parameters: none. Returns: "table" (schema.table), "rows".
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT s.schemaname || '.' || s.relname AS "table",
       (s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::bigint AS "rows"
  FROM pg_stat_user_tables AS s
