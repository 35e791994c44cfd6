-- What a server offers to a dump that is to be restored there, and whether the role may make a database.
-- Parameters: extensions, collations (names that are needed).
-- Returns: one row: version, version_num, started_at, "user", may_create, lacks_extensions, lacks_collations, has_icu.
-- Locks: ACCESS SHARE on system catalogs. Reads only.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       pg_postmaster_start_time()::text AS started_at,
       current_user AS "user",
       (SELECT r.rolcreatedb OR r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) AS may_create,
       ARRAY(SELECT n FROM unnest(%(extensions)s::text[]) AS n
              WHERE n NOT IN (SELECT a.name FROM pg_available_extensions AS a) ORDER BY 1) AS lacks_extensions,
       ARRAY(SELECT n FROM unnest(%(collations)s::text[]) AS n
              WHERE n NOT IN (SELECT c.collname FROM pg_collation AS c) ORDER BY 1) AS lacks_collations,
       EXISTS (SELECT FROM pg_collation AS c WHERE c.collprovider = 'i' AND c.collname LIKE '%%-x-icu') AS has_icu
