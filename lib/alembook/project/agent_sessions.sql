-- The server's sessions of one agent.
-- Parameters: application_name. Returns: pid.
-- Locks: none. Reads only.
SELECT pid
  FROM pg_stat_activity
 WHERE application_name = %(application_name)s
   AND datname = current_database()
   AND pid <> pg_backend_pid()
 ORDER BY pid
