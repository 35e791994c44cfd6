-- Does one backend hold both locks, in the database of this connection?
-- Parameters: mutex, nonce (bigint). Returns: boolean.
-- Locks: none. Reads only.
SELECT EXISTS (
    SELECT 1
      FROM pg_locks
     WHERE locktype = 'advisory'
       AND granted
       AND objsubid = 1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (classid::bigint << 32 | objid::bigint) IN (%(mutex)s, %(nonce)s)
     GROUP BY pid
    HAVING count(*) = 2
)
