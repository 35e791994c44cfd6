-- Rows of a table that are alike in some values, one beside the other.
-- Formatted with: key (text of a row's key, or NULL), table, values (expressions), condition (which rows count), order
--   (the key).
-- Returns: one row per row of which there is another with the same values: key. Locks: ACCESS SHARE on the table. Reads
--   only; sorts the table.
SELECT key
  FROM (
       SELECT {key} AS key,
              row_number() OVER (ORDER BY {values}, {order}) AS place,
              count(*) OVER (PARTITION BY {values}) AS times
         FROM {table}
        WHERE {condition}
       ) AS counted
 WHERE times > 1
 ORDER BY place
