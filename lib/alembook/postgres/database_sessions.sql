-- Who is connected to a database; the server's own workers, which have no role, are left out.
-- Parameters: name, spare (a pid to leave out). Returns: pid, application, "user".
-- Locks: none. Reads only.
SELECT a.pid,
       coalesce(nullif(a.application_name, ''), 'no application name') AS application,
       a.usename::text AS "user"
  FROM pg_stat_activity AS a
 WHERE a.datname = %(name)s
   AND a.usesysid IS NOT NULL
   AND a.pid NOT IN (%(spare)s, pg_backend_pid())
   AND coalesce(a.backend_type, '') NOT IN ('parallel worker', 'autovacuum worker')
 ORDER BY a.pid
