-- Where the server keeps its data, and what tells it from another server at the same place.
-- Parameters: none. Returns: one row: data_directory (text), started_at (bigint, seconds since 1970, as postmaster.pid has it).
-- Locks: none. Reads only. Needs pg_read_all_settings for data_directory (SQLSTATE 42501 without it).
SELECT current_setting('data_directory') AS data_directory,
       extract(epoch FROM date_trunc('second', pg_postmaster_start_time()))::bigint AS started_at
