-- Tables that a plan touches: who owns them, what hides their rows, and who reads their changes.
-- Parameters: names (text[], quoted as SQL needs it, found by the session's search_path).
-- Returns: "table" (schema.table), owner, is_owner, hides_rows (row-level security applies to this role), is_partitioned,
--   publications (text[]).
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT DISTINCT format('%%I.%%I', n.nspname, c.relname) AS "table",
       pg_get_userbyid(c.relowner) AS owner,
       pg_has_role(c.relowner, 'USAGE') AS is_owner,
       row_security_active(c.oid) AS hides_rows,
       c.relkind = 'p' AS is_partitioned,
       ARRAY(SELECT p.pubname::text FROM pg_publication_tables AS p
              WHERE p.schemaname = n.nspname AND p.tablename = c.relname ORDER BY 1) AS publications
  FROM unnest(%(names)s::text[]) AS given(name)
  JOIN pg_class AS c ON c.oid = to_regclass(given.name)
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
 ORDER BY 1
