-- What checksums are computed under, until the transaction ends.
-- Parameters: timeout_ms (text; "0" is no limit).
-- Returns: one row of no interest. Locks: none. Reads only.
--   Text forms of values are pinned, so that equal values read equal on every server; with an empty search_path every
--   name in a text (regclass) is whole. Pieces are what runs side by side, so one statement needs no further processes.
--   Sorting millions of rows into groups would spill; hashing them, with room for it, does not.
SELECT set_config('statement_timeout', %(timeout_ms)s, true),
       set_config('search_path', '', true),
       set_config('TimeZone', 'UTC', true),
       set_config('DateStyle', 'ISO, YMD', true),
       set_config('IntervalStyle', 'postgres', true),
       set_config('bytea_output', 'hex', true),
       set_config('extra_float_digits', '1', true),
       set_config('lc_monetary', 'C', true),
       set_config('jit', 'off', true),
       set_config('enable_sort', 'off', true),
       set_config('work_mem', '64MB', true),
       set_config('max_parallel_workers_per_gather', '0', true)
