-- Rows whose foreign key over a period (PERIOD, PostgreSQL 18) is for a time that rows of the parent do not cover together.
-- Formatted with: child (identifier, ONLY before it where it is no partitioned table), parent, columns (the child's, each
--   with "child." before it), told (that none of its columns is NULL), pairs (the comparison of parent and child, the
--   period left out), period (column of the child), covering (column of the parent).
-- Returns: one row per such row: its columns as text. Locks: ACCESS SHARE on both tables. Reads only.
SELECT concat_ws(', ', {columns}) AS value
  FROM {child} AS child
 WHERE {told}
   AND NOT coalesce(
           child.{period} OPERATOR(pg_catalog.<@)
               (SELECT pg_catalog.range_agg(parent.{covering}) FROM {parent} AS parent WHERE {pairs}),
           false
       )
