-- Keyed fingerprint of a query's keys and values: rows and a sum of hashes for each of 256 groups of keys.
-- Formatted with: query (verbatim; it was proved to be one statement with the columns key and value).
-- Reads the setting alembook.secret (hexadecimal, 32 bytes or more).
-- Returns: up to 256 rows: bucket (0..255), rows, hashes (numeric: sum of 64-bit hashes, so order does not matter and a
--   pair that occurs twice counts twice).
--   A hash is over secret || key || value, each of the latter with its length in front (-1 for NULL), so that neither
--   NULL and the empty string nor ('a', 'bc') and ('ab', 'c') are alike. Both are taken in their text form.
-- Locks: those of the query. Reads only.
SELECT bucket, count(*) AS rows, sum(hash) AS hashes
  FROM (
        SELECT coalesce(hashtextextended(key COLLATE "C", secret.seed) & 255, 0)::int AS bucket,
               ('x' || left(encode(sha256(
                   secret.bytes
                   || int4send(coalesce(octet_length(key), -1)) || coalesce(convert_to(key, encoding), ''::bytea)
                   || int4send(coalesce(octet_length(value), -1)) || coalesce(convert_to(value, encoding), ''::bytea)
               ), 'hex'), 16))::bit(64)::bigint AS hash
          FROM (
                SELECT declared.key::text AS key, declared.value::text AS value
                  FROM (
{query}
                       ) AS declared
                OFFSET 0
               ) AS pairs
         CROSS JOIN (
                SELECT decode(current_setting('alembook.secret'), 'hex') AS bytes,
                       ('x' || left(current_setting('alembook.secret'), 16))::bit(64)::bigint AS seed,
                       getdatabaseencoding() AS encoding
                OFFSET 0
               ) AS secret
       ) AS hashed
 GROUP BY bucket
