-- What this database uses that another server must have, before a dump of it can be restored there.
-- Parameters: none.
-- Returns: one row: version_num, started_at,
--   encoding, provider (c = libc, i = ICU, b = builtin), "collate", ctype, locale (of ICU or builtin; NULL), icu_rules (NULL),
--   extensions (name -> version), collations (ready-made ones that columns use, name -> provider), makes_icu (whether it
--   has ICU collations of its own), tablespaces, roles (of the server), settings (of the database: "name=value").
-- Locks: ACCESS SHARE on system catalogs. Reads only.
SELECT current_setting('server_version_num')::int AS version_num,
       pg_postmaster_start_time()::text AS started_at,
       pg_encoding_to_char(d.encoding) AS encoding,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider,
       d.datcollate AS "collate",
       d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       to_jsonb(d) ->> 'daticurules' AS icu_rules,
       (SELECT coalesce(jsonb_object_agg(e.extname, e.extversion), '{}') FROM pg_extension AS e) AS extensions,
       (SELECT coalesce(jsonb_object_agg(c.collname, c.collprovider), '{}')
          FROM pg_collation AS c
         WHERE c.oid < 16384
           AND c.collprovider IN ('c', 'i')
           AND c.collname NOT IN ('C', 'POSIX', 'ucs_basic')
           AND EXISTS (SELECT
                         FROM pg_attribute AS a
                        WHERE a.attcollation = c.oid AND a.attrelid >= 16384 AND NOT a.attisdropped)) AS collations,
       EXISTS (SELECT FROM pg_collation AS c WHERE c.oid >= 16384 AND c.collprovider = 'i') AS makes_icu,
       ARRAY(SELECT t.spcname::text
               FROM pg_tablespace AS t
              WHERE t.spcname NOT LIKE 'pg\_%%'
                AND (t.oid = d.dattablespace OR t.oid IN (SELECT r.reltablespace FROM pg_class AS r))
              ORDER BY 1) AS tablespaces,
       ARRAY(SELECT r.rolname::text FROM pg_roles AS r WHERE r.rolname NOT LIKE 'pg\_%%' ORDER BY 1) AS roles,
       coalesce((SELECT s.setconfig
                   FROM pg_db_role_setting AS s
                  WHERE s.setdatabase = d.oid AND s.setrole = 0), '{}') AS settings
  FROM pg_database AS d
 WHERE d.datname = current_database()
