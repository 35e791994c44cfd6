-- How many rows are still pending, counted.
-- Formatted with: table, pending. Returns: one number.
-- Locks: ACCESS SHARE on the table. Reads only.
SELECT count(*)
  FROM {table}
 WHERE (
{pending}
       )
