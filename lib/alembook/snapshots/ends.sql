-- The lowest and the highest key of a table, found at the ends of an index: no row between them is read.
-- Formatted with: number (of the table: several are asked for at once with UNION ALL), key (the key as text), table
--   (identifier), up, down (the key's columns, comma between: ascending, and descending).
-- Returns: one row: number, lowest, highest (text; NULL for an empty table).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT {number} AS number,
       (SELECT {key} FROM ONLY {table} ORDER BY {up} LIMIT 1) AS lowest,
       (SELECT {key} FROM ONLY {table} ORDER BY {down} LIMIT 1) AS highest
