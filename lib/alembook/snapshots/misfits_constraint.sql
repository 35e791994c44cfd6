-- The definition of a constraint, by its table and its name.
-- Parameters: table (text, as SQL writes it), name (text).
-- Returns: one row, or none where there is no such constraint: definition ("CHECK (...)"). Locks: none. Reads only.
SELECT pg_get_constraintdef(oid) AS definition
  FROM pg_constraint
 WHERE conrelid = to_regclass(%(table)s)
   AND conname = %(name)s
