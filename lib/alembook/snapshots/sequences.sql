-- Sequences that belong to columns, and where they stand.
-- Parameters: tables (oid[]).
-- Returns: one row per column with a sequence of its own (serial, identity; a partition's is its root's): table_oid,
--   "column", sequence (schema.name), next (the next value it gives), ascends, may_read (the role may ask where it is).
--   Left out: sequences that begin again at their end.
-- Locks: ACCESS SHARE on each sequence for an instant. Reads only; a position is of now, not of the snapshot.
SELECT t.oid::bigint AS table_oid,
       a.attname AS "column",
       n.nspname || '.' || s.relname AS sequence,
       coalesce(p.last_value::numeric + q.seqincrement, q.seqstart) AS next,
       q.seqincrement > 0 AS ascends,
       has_sequence_privilege(s.oid, 'SELECT') OR has_sequence_privilege(s.oid, 'USAGE') AS may_read
  FROM unnest(%(tables)s::oid[]) AS t (oid)
  JOIN pg_depend AS d
    ON d.refobjid IN (t.oid, pg_partition_root(t.oid)::oid) AND d.refclassid = 'pg_class'::regclass
   AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_namespace AS n ON n.oid = s.relnamespace
  JOIN pg_sequence AS q ON q.seqrelid = s.oid AND NOT q.seqcycle
  JOIN pg_sequences AS p ON p.schemaname = n.nspname AND p.sequencename = s.relname
  JOIN pg_attribute AS owner ON owner.attrelid = d.refobjid AND owner.attnum = d.refobjsubid
  JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attname = owner.attname AND a.atttypid IN (20, 21, 23)
