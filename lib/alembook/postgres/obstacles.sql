-- What stands in the way of putting another database in the place of this one.
-- Parameters: name (of the database).
-- Returns: one row: "user", owner, may_create, is_owner, elsewhere (a database from which it can be renamed; NULL = none),
--   endless (text[], sessions in it that this role may not end), slots (text[], logical ones), prepared (text[]),
--   subscriptions (text[], enabled), unsettable (text[], roles with settings in it that this role may not give to another).
-- Locks: ACCESS SHARE on shared catalogues. Reads only.
SELECT current_user::text AS "user",
       pg_get_userbyid(d.datdba)::text AS owner,
       me.rolsuper OR me.rolcreatedb AS may_create,
       me.rolsuper OR pg_has_role(d.datdba, 'USAGE') AS is_owner,
       (SELECT other.datname::text
          FROM pg_database AS other
         WHERE other.datname <> d.datname
           AND other.datallowconn
           AND has_database_privilege(other.oid, 'CONNECT')
         ORDER BY other.datname <> 'postgres', other.datname <> 'template1', other.datname
         LIMIT 1) AS elsewhere,
       ARRAY(SELECT format('pid %%s (%%s, %%s)', a.pid, coalesce(nullif(a.application_name, ''), 'no application name'), a.usename)
               FROM pg_stat_activity AS a
               LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
              WHERE a.datname = d.datname
                AND a.usesysid IS NOT NULL
                AND NOT me.rolsuper
                AND (r.rolsuper OR NOT (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))
              ORDER BY a.pid) AS endless,
       ARRAY(SELECT s.slot_name::text FROM pg_replication_slots AS s WHERE s.database = d.datname ORDER BY 1) AS slots,
       ARRAY(SELECT p.gid FROM pg_prepared_xacts AS p WHERE p.database = d.datname ORDER BY 1) AS prepared,
       ARRAY(SELECT s.subname::text FROM pg_subscription AS s WHERE s.subdbid = d.oid AND s.subenabled ORDER BY 1) AS subscriptions,
       ARRAY(SELECT DISTINCT r.rolname::text
               FROM pg_db_role_setting AS s
               JOIN pg_roles AS r ON r.oid = s.setrole
              WHERE s.setdatabase = d.oid
                AND NOT (me.rolsuper OR r.oid = me.oid OR (NOT r.rolsuper AND me.rolcreaterole
                         AND (current_setting('server_version_num')::int < 160000
                              OR pg_has_role(r.oid, 'USAGE WITH ADMIN OPTION'))))
              ORDER BY 1) AS unsettable
  FROM pg_database AS d, pg_roles AS me
 WHERE d.datname = %(name)s
   AND me.rolname = current_user
