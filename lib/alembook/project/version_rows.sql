-- The revisions a database says it is at.
-- Identifiers: table. Parameters: none. Returns: version_num, one row per branch that is applied.
-- Locks: ACCESS SHARE on the version table. Reads only.
SELECT version_num FROM {table} ORDER BY version_num
