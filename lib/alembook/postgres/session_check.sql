-- Does this very session still hold both locks?
-- Parameters: mutex, nonce (bigint). Returns: boolean.
-- Locks: none. Reads only.
SELECT count(*) = 2
  FROM pg_locks
 WHERE locktype = 'advisory'
   AND granted
   AND objsubid = 1
   AND pid = pg_backend_pid()
   AND (classid::bigint << 32 | objid::bigint) IN (%(mutex)s, %(nonce)s)
