-- What a question runs under, until its savepoint is rolled back.
-- Parameters: timeout_ms (text, milliseconds, "0" is no limit), secret (text; "" when the question needs none).
-- Returns: one row of no interest. Locks: none. Reads only.
--   Text forms of values are pinned, so that equal values read equal before and after. A cursor is read to its end, so
--   it is planned for that. Sorting millions of rows into 256 groups would spill; hashing them does not.
SELECT set_config('statement_timeout', %(timeout_ms)s, true),
       set_config('alembook.secret', %(secret)s, true),
       set_config('TimeZone', 'UTC', true),
       set_config('DateStyle', 'ISO, YMD', true),
       set_config('IntervalStyle', 'postgres', true),
       set_config('bytea_output', 'hex', true),
       set_config('extra_float_digits', '1', true),
       set_config('lc_monetary', 'C', true),
       set_config('cursor_tuple_fraction', '1', true),
       set_config('enable_sort', 'off', true)
