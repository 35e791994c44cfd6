#variable_conflict use_column
DECLARE
    -- Rows of a table of which a value does not fit a type, found as ALTER TABLE would: by assigning it, row by row.
    -- Body of a DO block. Formatted with: type, value (an expression over a row), table, key (text of a row's key), limit
    --   (of so many rows the key is told).
    -- Leaves in the setting alembook.answer: {{"rows": how many, "keys": of the first of them}}.
    -- Locks: ACCESS SHARE on the table. Reads only, in a READ ONLY transaction.
    alembook_fit {type};
    alembook_row record;
    alembook_rows bigint := 0;
    alembook_keys jsonb := '[]';
BEGIN
    FOR alembook_row IN SELECT tableoid AS relation, ctid AS place FROM {table} LOOP
        BEGIN
            SELECT {value} INTO alembook_fit
              FROM {table} WHERE tableoid = alembook_row.relation AND ctid = alembook_row.place;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
            alembook_rows := alembook_rows + 1;
            IF alembook_rows <= {limit} THEN
                SELECT alembook_keys || to_jsonb({key}) INTO alembook_keys
                  FROM {table} WHERE tableoid = alembook_row.relation AND ctid = alembook_row.place;
            END IF;
        END;
    END LOOP;
    PERFORM set_config(
        'alembook.answer', jsonb_build_object('rows', alembook_rows, 'keys', alembook_keys)::text, true
    );
END
