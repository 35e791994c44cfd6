-- What the role of this session may do, and how many connections are left for it.
-- Parameters: schemas (text[], '' = the first of the search_path).
-- Returns: one row: "user", bypasses_rls, denied (schemas it may not create in), missing (schemas that are not there),
--   reads_only (its transactions do, by default), reads_only_by (the statements that end it, where it is set for this role or
--   this database), may_create_schemas, left_on_server, left_for_role, left_in_database (NULL = no limit of its own).
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT current_user AS "user",
       r.rolsuper OR r.rolbypassrls AS bypasses_rls,
       ARRAY(SELECT n.nspname FROM pg_namespace AS n
              WHERE n.nspname IN (SELECT coalesce(nullif(name, ''), current_schema())
                                    FROM unnest(%(schemas)s::text[]) AS given(name))
                AND NOT has_schema_privilege(n.oid, 'CREATE')
              ORDER BY 1) AS denied,
       ARRAY(SELECT name FROM unnest(%(schemas)s::text[]) AS given(name)
              WHERE name <> '' AND NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = name)
              ORDER BY 1) AS missing,
       (SELECT s.reset_val = 'on' FROM pg_settings AS s WHERE s.name = 'default_transaction_read_only') AS reads_only,
       ARRAY(SELECT format('ALTER %%s RESET default_transaction_read_only',
                           CASE WHEN s.setrole = 0 THEN format('DATABASE %%I', d.datname)
                                WHEN s.setdatabase = 0 THEN format('ROLE %%I', r.rolname)
                                ELSE format('ROLE %%I IN DATABASE %%I', r.rolname, d.datname) END)
               FROM pg_db_role_setting AS s
              WHERE s.setdatabase IN (0, d.oid)
                AND s.setrole IN (0, r.oid)
                AND EXISTS (SELECT FROM unnest(s.setconfig) AS given (setting)
                             WHERE given.setting LIKE 'default_transaction_read_only=%%')
              ORDER BY 1) AS reads_only_by,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schemas,
       current_setting('max_connections')::int
           - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int END
           - (SELECT count(*) FROM pg_stat_activity
              WHERE datname IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend')::int AS left_on_server,
       CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit
           - (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)::int END AS left_for_role,
       CASE WHEN d.datconnlimit >= 0 AND NOT r.rolsuper THEN d.datconnlimit
           - (SELECT count(*) FROM pg_stat_activity WHERE datname = d.datname)::int END AS left_in_database
  FROM pg_roles AS r, pg_database AS d
 WHERE r.rolname = current_user
   AND d.datname = current_database()
