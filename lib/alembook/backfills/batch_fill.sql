-- Takes the next pending rows into the batch, in key order, and locks them.
-- Formatted with: table, columns, pending (a condition), following (keys after the last batch's), size. The condition
--   stands on lines of its own, so that a comment in it ends.
-- Returns: nothing; the row count is that of the batch, 0 at the end of the table.
-- Locks: FOR NO KEY UPDATE on the rows, in key order (readers and foreign keys to them do not wait). The rows are
--   checked again once locked, so they are pending then. Writes: the temporary table.
INSERT INTO pg_temp.batch ({columns})
SELECT {columns}
  FROM {table}
 WHERE (
{pending}
       )
   AND {following}
 ORDER BY {columns}
 LIMIT {size}
   FOR NO KEY UPDATE
