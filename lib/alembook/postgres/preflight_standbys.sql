-- The standbys that follow this server, and whether commits wait for one.
-- Parameters: none.
-- Returns: standby (its application_name), is_hidden (the role is not shown how far it is), lag_s (until it had replayed what
--   was flushed; NULL = not measured lately), behind_bytes (WAL it has not replayed), is_waited_for (a commit waits for it),
--   waits_for_some (synchronous_standby_names is set). One row without a standby (NULL) when none is connected.
-- Locks: none. Reads only. pg_monitor shows other roles' sessions.
SELECT s.application_name AS standby,
       coalesce(s.pid IS NOT NULL AND s.state IS NULL, false) AS is_hidden,
       extract(epoch FROM s.replay_lag)::float AS lag_s,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), s.replay_lsn)::bigint END AS behind_bytes,
       coalesce(s.sync_state IN ('sync', 'quorum'), false) AS is_waited_for,
       current_setting('synchronous_standby_names') <> '' AS waits_for_some
  FROM (SELECT) AS always
  LEFT JOIN pg_stat_replication AS s ON s.state IS DISTINCT FROM 'backup'
 ORDER BY 1
