-- Who holds an advisory lock in this database.
-- Parameters: key (bigint). Returns: pid, application_name, backend_start.
-- Locks: none. Reads only.
SELECT l.pid, a.application_name, a.backend_start
  FROM pg_locks AS l
  LEFT JOIN pg_stat_activity AS a USING (pid)
 WHERE l.locktype = 'advisory'
   AND l.granted
   AND l.objsubid = 1
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = %(key)s
