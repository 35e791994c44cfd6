-- Where every sequence stands. A position is of now, whatever the snapshot (PostgreSQL manual 9.17).
-- Parameters: none.
-- Returns: sequence (schema.name), position (the last value given; NULL: none yet), ascends, cycles; by sequence.
-- Locks: ACCESS SHARE on each sequence for an instant. Reads only.
SELECT schemaname || '.' || sequencename AS sequence,
       last_value AS position,
       increment_by > 0 AS ascends,
       cycle AS cycles
  FROM pg_sequences
 ORDER BY 1
