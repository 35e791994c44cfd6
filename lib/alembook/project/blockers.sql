-- Who blocks the connections of one application.
-- Parameters: application_name (of the waiting ones).
-- Returns: waiting (pid), pid (0 = a prepared transaction), application, "user", state, since (text), query, is_own.
-- Locks: takes the lock manager's shared latches for an instant (pg_blocking_pids). Reads only.
SELECT waiting.pid AS waiting,
       blocking.pid AS pid,
       other.application_name AS application,
       other.usename AS "user",
       other.state AS state,
       to_char(coalesce(other.xact_start, other.state_change) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       other.query AS query,
       coalesce(other.application_name = waiting.application_name, false) AS is_own
  FROM pg_stat_activity AS waiting
 CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
  LEFT JOIN pg_stat_activity AS other ON other.pid = blocking.pid
 WHERE waiting.application_name = %(application_name)s
   AND waiting.datname = current_database()
   AND waiting.wait_event_type = 'Lock'
 ORDER BY 1, 2
