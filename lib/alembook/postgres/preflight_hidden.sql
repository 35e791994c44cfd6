-- Tables whose rows row-level security hides from this role: pg_dump refuses them.
-- Parameters: none. Returns: "table" (schema.table).
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT format('%%I.%%I', n.nspname, c.relname) AS "table"
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relrowsecurity
   AND row_security_active(c.oid)
 ORDER BY 1
