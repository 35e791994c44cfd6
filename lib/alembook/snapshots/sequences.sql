-- Sequences that give columns their values, and where they stand.
-- Parameters: tables (oid[]).
-- Returns: one row per column and sequence: table_oid, "column", sequence (schema.name), next (the next value it gives),
--   ascends, may_read (the role may ask where it is). A sequence is a column's that owns it (serial, identity), or whose
--   default is nextval() of it and nothing else, owned or not; a partition's columns have those of its root too.
--   Left out: sequences that begin again at their end, and defaults that compute something else from one.
-- Locks: ACCESS SHARE on each sequence for an instant. Reads only; a position is of now, not of the snapshot.
WITH asked (oid, whole) AS (
        SELECT t.oid, pg_partition_root(t.oid)::oid FROM unnest(%(tables)s::oid[]) AS t (oid)
     ), used (oid, "column", sequence) AS (
        SELECT t.oid, a.attname, d.objid
          FROM asked AS t
          JOIN pg_depend AS d
            ON d.refobjid IN (t.oid, t.whole) AND d.refclassid = 'pg_class'::regclass
           AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
          JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        UNION
        SELECT t.oid, a.attname, d.refobjid
          FROM asked AS t
          JOIN pg_attrdef AS e ON e.adrelid IN (t.oid, t.whole)
          JOIN pg_depend AS d
            ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid AND d.refclassid = 'pg_class'::regclass
           AND d.deptype = 'n'
          JOIN pg_attribute AS a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
         WHERE pg_get_expr(e.adbin, e.adrelid) ~ '^\(?nextval\(''.*''::regclass\)\)?(::(integer|smallint|bigint))?$'
     )
SELECT u.oid::bigint AS table_oid,
       u."column",
       n.nspname || '.' || s.relname AS sequence,
       coalesce(p.last_value::numeric + q.seqincrement, q.seqstart) AS next,
       q.seqincrement > 0 AS ascends,
       has_sequence_privilege(s.oid, 'SELECT') OR has_sequence_privilege(s.oid, 'USAGE') AS may_read
  FROM used AS u
  JOIN pg_class AS s ON s.oid = u.sequence AND s.relkind = 'S'
  JOIN pg_namespace AS n ON n.oid = s.relnamespace
  JOIN pg_sequence AS q ON q.seqrelid = s.oid AND NOT q.seqcycle
  JOIN pg_sequences AS p ON p.schemaname = n.nspname AND p.sequencename = s.relname
  JOIN pg_attribute AS a ON a.attrelid = u.oid AND a.attname = u."column" AND a.atttypid IN (20, 21, 23)
