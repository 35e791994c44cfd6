-- What of this database a role that is no superuser could not give to a copy of it.
-- Parameters: none.
-- Returns: one row per owner whose role this one cannot take (kind 'owner', name, detail = one of its objects and how many
--   there are), per extension that is made by superusers alone (kind 'extension', name, detail = version), and per setting
--   of the database, or of roles in it, that not everybody may set (kind 'setting', name, detail = '').
--   Left out: what belongs to an extension or a column, indexes and TOAST, publications and event triggers (no copy has them).
--   Nothing for a superuser. A setting that nobody knows may turn out to be one that a superuser must set (guc.c).
-- Locks: ACCESS SHARE on catalogues. Reads only.
WITH owned (catalog, oid, owner) AS (
        SELECT 'pg_class'::regclass, oid, relowner FROM pg_class
         WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relpersistence <> 't'
        UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
        UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typowner FROM pg_type AS t
         WHERE t.typtype IN ('e', 'd', 'r')
            OR t.typtype = 'c' AND (SELECT relkind FROM pg_class AS c WHERE c.oid = t.typrelid) = 'c'
        UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace WHERE nspname !~ '^pg_'
        UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner FROM pg_largeobject_metadata
        UNION ALL SELECT 'pg_collation'::regclass, oid, collowner FROM pg_collation
        UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner FROM pg_conversion
        UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
        UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass
        UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily
        UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, fdwowner FROM pg_foreign_data_wrapper
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner FROM pg_foreign_server
        UNION ALL SELECT 'pg_language'::regclass, oid, lanowner FROM pg_language
        UNION ALL SELECT 'pg_default_acl'::regclass, oid, defaclrole FROM pg_default_acl
     ), foreign_ones AS (
        SELECT o.owner, min(described.type || ' ' || described.identity) AS first, count(*) AS objects
          FROM owned AS o, pg_identify_object(o.catalog, o.oid, 0) AS described
         WHERE o.oid >= 16384
           AND NOT pg_has_role(o.owner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
           AND NOT EXISTS (SELECT FROM pg_depend AS d
                            WHERE d.classid = o.catalog AND d.objid = o.oid
                              AND (d.deptype = 'e' OR d.deptype IN ('a', 'i') AND d.refobjsubid > 0))
         GROUP BY o.owner
     )
SELECT found.kind, found.name, found.detail
  FROM (SELECT 'owner' AS kind,
               pg_get_userbyid(owner)::text AS name,
               first || CASE WHEN objects > 1 THEN format(' and %%s more', objects - 1) ELSE '' END AS detail
          FROM foreign_ones
        UNION ALL
        SELECT 'extension', e.extname, e.extversion
          FROM pg_extension AS e
         WHERE e.oid >= 16384
           AND NOT EXISTS (SELECT FROM pg_available_extension_versions AS v
                            WHERE v.name = e.extname AND (v.trusted OR NOT v.superuser))
        UNION ALL
        SELECT DISTINCT 'setting', split_part(given.setting, '=', 1), ''
          FROM pg_db_role_setting AS s
          JOIN pg_database AS d ON d.oid = s.setdatabase AND d.datname = current_database(),
               unnest(s.setconfig) AS given (setting)
          LEFT JOIN pg_settings AS known ON known.name = split_part(given.setting, '=', 1)
         WHERE known.context IS DISTINCT FROM 'user') AS found
 WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
 ORDER BY 1, 2
