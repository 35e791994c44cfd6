-- Backends of one run, by the application name each of its connections carries; the session that holds its locks left out.
-- Parameters: pattern (LIKE), session (application name to leave out). Returns: pid, application_name, state, query_start.
-- Locks: none. Reads only.
SELECT pid, application_name, state, query_start
  FROM pg_stat_activity
 WHERE application_name LIKE %(pattern)s
   AND application_name <> %(session)s
   AND datname = current_database()
   AND pid <> pg_backend_pid()
 ORDER BY pid
