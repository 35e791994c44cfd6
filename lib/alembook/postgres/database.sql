-- What belongs to a database and not to anything in it: kept in the server's shared catalogues, so no dump restores it.
-- Parameters: name. Returns: one row, or none: oid, owner, "tablespace", connection_limit, is_template, allows_connections,
--   comment ('' without one), rights ({grantee ('' = PUBLIC), privilege, is_grantable}[]), settings ({role ('' = every),
--   setting ("name=value")}[]), labels (text[], security labels).
-- Locks: ACCESS SHARE on shared catalogues. Reads only.
SELECT d.oid::bigint AS oid,
       pg_get_userbyid(d.datdba)::text AS owner,
       t.spcname::text AS "tablespace",
       d.datconnlimit AS connection_limit,
       d.datistemplate AS is_template,
       d.datallowconn AS allows_connections,
       coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment,
       coalesce((SELECT jsonb_agg(DISTINCT jsonb_build_object('grantee', CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END,
                                                              'privilege', a.privilege_type, 'is_grantable', a.is_grantable))
                   FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a), '[]') AS rights,
       coalesce((SELECT jsonb_agg(jsonb_build_object('role', coalesce(r.rolname, ''), 'setting', entry)
                                  ORDER BY r.rolname NULLS FIRST, place)
                   FROM pg_db_role_setting AS s
                   LEFT JOIN pg_roles AS r ON r.oid = s.setrole
                  CROSS JOIN unnest(s.setconfig) WITH ORDINALITY AS given(entry, place)
                  WHERE s.setdatabase = d.oid), '[]') AS settings,
       ARRAY(SELECT l.provider || ' ' || l.label FROM pg_shseclabel AS l
              WHERE l.classoid = 'pg_database'::regclass AND l.objoid = d.oid ORDER BY 1) AS labels
  FROM pg_database AS d
  JOIN pg_tablespace AS t ON t.oid = d.dattablespace
 WHERE d.datname = %(name)s
