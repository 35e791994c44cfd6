-- Scratch databases on this server, known by their names.
-- Parameters: pattern (a regular expression).
-- Returns: name, comment ('' without one), size_bytes (NULL where the role may not ask), by name.
-- Locks: none. Reads only.
SELECT d.datname AS name,
       coalesce(shobj_description(d.oid, 'pg_database'), '') AS comment,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END AS size_bytes
  FROM pg_database AS d
 WHERE d.datname ~ %(pattern)s
 ORDER BY 1
