-- Other sessions in this database, as far as the role is shown them, and prepared transactions.
-- Parameters: none.
-- Returns: pid (0 = a prepared transaction), application, "user", state, seconds (since its transaction began; NULL = not
--   in one), is_hidden (the role is not shown what it does), task (pg_dump, wraparound or prepared, else ''), subject.
-- Locks: none. Reads only.
SELECT a.pid,
       coalesce(a.application_name, '') AS application,
       a.usename AS "user",
       coalesce(a.state, '') AS state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float AS seconds,
       a.state IS NULL AND a.backend_type IS NULL AS is_hidden,
       CASE WHEN a.application_name = 'pg_dump' THEN 'pg_dump'
            WHEN a.query LIKE 'autovacuum:%%(to prevent wraparound)' THEN 'wraparound'
            ELSE '' END AS task,
       CASE WHEN a.query LIKE 'autovacuum:%%(to prevent wraparound)' THEN a.query ELSE '' END AS subject
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database()
   AND a.pid <> pg_backend_pid()
 UNION ALL
SELECT 0, '', p.owner, 'prepared', extract(epoch FROM clock_timestamp() - p.prepared)::float, false, 'prepared', p.gid
  FROM pg_prepared_xacts AS p
 WHERE p.database = current_database()
 ORDER BY 5 DESC NULLS LAST, 1
