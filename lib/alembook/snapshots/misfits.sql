-- Rows of a table of which a condition holds.
-- Formatted with: key (text of a row's key, or NULL), table, condition (SQL of somebody's revision), order (the key).
-- Returns: one row per such row: key. Locks: ACCESS SHARE on the tables. Reads only.
SELECT {key} AS key
  FROM {table}
 WHERE {condition}
 ORDER BY {order}
