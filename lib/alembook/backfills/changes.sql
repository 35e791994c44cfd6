-- Rows this transaction has inserted, updated and deleted so far, table by table, as the server counts them.
-- Parameters: none.
-- Returns: one row per table that was changed, "table" (schema.table), inserted, updated, deleted, with what earlier
--   transactions of the session have not handed on yet; one row with "table" NULL where track_counts is off. Rows of a
--   savepoint that was rolled back are in it; a TRUNCATE sets them back to nothing. Temporary tables are left out. OFFSET 0
--   keeps each number from being asked for twice.
-- Locks: ACCESS SHARE on the catalogue. Reads only.
SELECT t."table", t.inserted, t.updated, t.deleted
  FROM (
        SELECT n.nspname || '.' || c.relname AS "table",
               pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
               pg_stat_get_xact_tuples_updated(c.oid) AS updated,
               pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
          FROM pg_class AS c
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
        OFFSET 0
       ) AS t
 WHERE t.inserted + t.updated + t.deleted > 0
UNION ALL
SELECT NULL, 0, 0, 0 WHERE current_setting('track_counts') <> 'on'
