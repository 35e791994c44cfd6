-- Is the ledger's table of progress there?
-- Parameters: schema. Returns: boolean.
-- Locks: ACCESS SHARE on the catalog. Reads only.
SELECT to_regclass(quote_ident(%(schema)s) || '.backfill_progress') IS NOT NULL
