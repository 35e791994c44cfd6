-- How many rows of the batch are still pending after they were done: stuck ones.
-- Formatted with: table, columns, pending. Returns: one number.
-- Locks: ACCESS SHARE on the table. Reads only.
SELECT count(*)
  FROM {table}
 WHERE (
{pending}
       )
   AND ({columns}) IN (SELECT {columns} FROM pg_temp.batch)
