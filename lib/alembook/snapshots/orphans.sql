-- Rows whose foreign key points at no row.
-- Formatted with: child (identifier, ONLY before it where it is no partitioned table), parent, columns (the child's, each
--   with "child." before it), told (whether a row says something: none of its columns, or not all of them, is NULL),
--   pairs (the comparison of parent and child).
-- Returns: one row per such row: its columns as text. Locks: ACCESS SHARE on both tables. Reads only.
SELECT concat_ws(', ', {columns}) AS value
  FROM {child} AS child
 WHERE {told}
   AND NOT EXISTS (SELECT FROM {parent} AS parent WHERE {pairs})
