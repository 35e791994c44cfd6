-- Whether the server counts what is written to the database, and since when.
-- Parameters: none. Returns: one row: version_num, is_counted, counted_since (text; "" = never begun anew).
-- Locks: none. Reads only.
SELECT current_setting('server_version_num')::int AS version_num,
       current_setting('track_counts')::boolean AS is_counted,
       coalesce(s.stats_reset::text, '') AS counted_since
  FROM pg_stat_database AS s
 WHERE s.datname = current_database()
