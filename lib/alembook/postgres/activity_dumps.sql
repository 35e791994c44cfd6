-- Sessions that dump this database now: each holds a lock on every table it has come to, until it ends.
-- Parameters: none.
-- Returns: pid, application, "user", seconds (since its transaction began; NULL where the role is not shown), tables (locked).
-- Locks: none. Reads only.
SELECT a.pid,
       coalesce(a.application_name, '') AS application,
       a.usename AS "user",
       extract(epoch FROM clock_timestamp() - a.xact_start)::float AS seconds,
       l.tables
  FROM pg_stat_activity AS a
  JOIN (SELECT k.pid, count(*) AS tables
          FROM pg_locks AS k
          JOIN pg_database AS d ON d.oid = k.database AND d.datname = current_database()
         WHERE k.locktype = 'relation' AND k.mode = 'AccessShareLock' AND k.granted AND k.relation >= 16384
         GROUP BY k.pid) AS l ON l.pid = a.pid
 WHERE a.pid <> pg_backend_pid()
   AND (a.application_name IN ('pg_dump', 'pg_dumpall')
        OR a.application_name LIKE 'alembook %%backup'
        OR a.query ~* '^\s*COPY .* TO stdout')
 ORDER BY a.pid
