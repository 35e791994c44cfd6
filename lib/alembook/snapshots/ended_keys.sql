-- Indexes by whose order the ends of a key are found without reading the table.
-- Parameters: tables (oid[]).
-- Returns: one row per index: table_oid, columns (text[], in its order). Left out: indexes that are partial, invalid, of
--   another method than btree, over expressions, or in an order (direction, NULLs, collation, operators) other than that
--   of ORDER BY over these columns.
-- Locks: ACCESS SHARE on the catalogue. Reads only.
SELECT i.indrelid::bigint AS table_oid, array_agg(a.attname::text ORDER BY n.n) AS columns
  FROM pg_index AS i
  JOIN pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
 CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS n (n)
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n.n]
  JOIN pg_opclass AS o ON o.oid = i.indclass[n.n]
 WHERE i.indrelid = ANY (%(tables)s::oid[]) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
 GROUP BY i.indrelid, i.indexrelid
HAVING bool_and(o.opcdefault AND i.indcollation[n.n] = a.attcollation)
   AND (bool_and(i.indoption[n.n] = 0) OR bool_and(i.indoption[n.n] = 3))
