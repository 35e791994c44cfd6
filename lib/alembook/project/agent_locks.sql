-- Tables that the connections of one application have locked just now, seen from beside.
-- Parameters: application_name. Returns: "table" ("schema.name"), mode (as pg_locks names it).
-- Locks: takes the lock manager's shared latches for an instant. Reads only.
SELECT DISTINCT n.nspname || '.' || c.relname AS "table", l.mode AS mode
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid AND a.datname = current_database()
  JOIN pg_class AS c ON c.oid = l.relation
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE a.application_name = %(application_name)s
   AND l.locktype = 'relation' AND l.granted
   AND c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.oid::bigint >= 16384
   AND n.nspname <> 'pg_toast'
 ORDER BY 1, 2
