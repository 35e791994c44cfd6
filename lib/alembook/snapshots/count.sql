-- Rows of one piece of a table, without reading a column, and the table's size.
-- Formatted with: table (identifier), name (the same as a literal for regclass), piece (a range of pages, or TRUE).
-- Returns: one row: rows (of the piece itself, not of what inherits from it), size_bytes (heap, TOAST and indexes).
-- Locks: ACCESS SHARE on the table, until the transaction ends. Reads only.
SELECT count(*) AS rows, pg_total_relation_size({name}::regclass) AS size_bytes FROM ONLY {table} WHERE {piece}
