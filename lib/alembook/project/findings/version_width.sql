-- How long a revision id may be in a version table.
-- Parameters: name (quoted as SQL needs it). Returns: width (0 = no limit); no row when the table is not there.
-- Locks: ACCESS SHARE on catalogues. Reads only.
SELECT CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 0 END AS width
  FROM pg_attribute AS a
 WHERE a.attrelid = to_regclass(%(name)s)
   AND a.attname = 'version_num'
   AND NOT a.attisdropped
