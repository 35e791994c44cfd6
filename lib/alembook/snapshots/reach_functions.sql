-- Functions and procedures of the user's schemas, with their texts.
-- Parameters: none.
-- Returns: name ("schema.name"), text. Left out: those of extensions, and those in C.
-- Locks: ACCESS SHARE on the catalogue. Reads only.
SELECT n.nspname || '.' || p.proname AS name,
       coalesce(nullif(p.prosrc, ''), pg_get_function_sqlbody(p.oid), '') AS text
  FROM pg_proc AS p
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
  JOIN pg_language AS l ON l.oid = p.prolang
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND l.lanname NOT IN ('c', 'internal') AND p.prokind IN ('f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
