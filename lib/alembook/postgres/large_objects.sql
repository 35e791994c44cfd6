-- What the large objects come to.
-- Parameters: none.
-- Returns: one row: objects (rows of pg_largeobject_metadata), checksum (sum of 64-bit hashes of their contents, each seeded
--   with the oid; NULL without any). An object larger than 1 GB is an error (54000): lo_get returns one value.
-- Locks: none on tables. Reads only.
SELECT count(*) AS objects,
       sum(hashtextextended(md5(lo_get(m.oid)), m.oid::bigint))::text AS checksum
  FROM pg_largeobject_metadata AS m
