-- Logical replication slots of this database.
-- Parameters: none. Returns: slot, active, retained_bytes (WAL the server keeps for it; NULL on a standby).
-- Locks: none. Reads only.
SELECT s.slot_name AS slot,
       s.active,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint END AS retained_bytes
  FROM pg_replication_slots AS s
 WHERE s.database = current_database()
 ORDER BY 1
