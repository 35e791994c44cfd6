-- Who and where this session is.
-- Parameters: none.
-- Returns: one row: version, version_num, database, database_oid, "user", address, port, in_recovery, server_time, encoding, collation.
-- Locks: ACCESS SHARE on pg_database. Reads only.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::int AS version_num,
       current_database() AS database,
       d.oid::bigint AS database_oid,
       current_user AS "user",
       host(inet_server_addr()) AS address,
       inet_server_port() AS port,
       pg_is_in_recovery() AS in_recovery,
       clock_timestamp() AS server_time,
       pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS collation
  FROM pg_database AS d
 WHERE d.datname = current_database()
