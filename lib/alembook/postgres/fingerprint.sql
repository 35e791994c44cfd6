-- Every object of the user's schemas with its definition, as the server writes it down.
-- Parameters: leave_out (text[], further schemas that are not the user's).
-- Returns: kind, name (with its schema, "public.orders.id" for a column), definition; one row per object.
--   Left out: what belongs to an extension, temporary objects, internal triggers, NOT NULL as a constraint (PostgreSQL 18
--   names it; the column says it), owners, rights, comments, the order of columns, statistics targets, and what the
--   module's docstring lists.
--   A function is its header and the SHA-256 of its text, which may hold what nobody should read. So is the value of an
--   option of a foreign object, but for the harmless ones named in "options"; of one whose name speaks of a secret
--   there is the name alone.
--   What only some of the versions 14 to 18 have is read through to_jsonb(row).
-- Locks: ACCESS SHARE on the catalogue. Reads only. Needs search_path = '': only then every name is written with its schema.
WITH schemas AS (
        SELECT oid, quote_ident(nspname) AS name
          FROM pg_namespace
         WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' AND nspname <> ALL (%(leave_out)s::text[])
     ), owned AS (
        SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
     ), classes AS (
        SELECT c.*, s.name || '.' || quote_ident(c.relname) AS name
          FROM pg_class AS c
          JOIN schemas AS s ON s.oid = c.relnamespace
         WHERE c.relpersistence <> 't'
           AND NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid)
     ), tables AS (
        SELECT * FROM classes WHERE relkind IN ('r', 'p', 'f')
     ), options AS (
        SELECT o.classid, o.objid, string_agg(
                   CASE WHEN n.name ~* 'passw|pwd|secret|token|credential|key' THEN n.name || ' (not read)'
                        WHEN n.name = ANY ('{host,port,dbname,schema_name,table_name,column_name}'::text[]) THEN o.option
                        ELSE n.name || '=sha256:' || encode(sha256(convert_to(o.option, 'UTF8')), 'hex') END,
                   ', ' ORDER BY n.name) AS text
          FROM (SELECT 'pg_foreign_table'::regclass, ftrelid, unnest(ftoptions) FROM pg_foreign_table
                UNION ALL
                SELECT 'pg_foreign_server'::regclass, oid, unnest(srvoptions) FROM pg_foreign_server
                UNION ALL
                SELECT 'pg_foreign_data_wrapper'::regclass, oid, unnest(fdwoptions) FROM pg_foreign_data_wrapper
               ) AS o (classid, objid, option)
         CROSS JOIN LATERAL split_part(o.option, '=', 1) AS n (name)
         GROUP BY o.classid, o.objid
     ), types AS (
        SELECT t.*, s.name || '.' || quote_ident(t.typname) AS name
          FROM pg_type AS t
          JOIN schemas AS s ON s.oid = t.typnamespace
         WHERE NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_type'::regclass AND o.objid = t.oid)
     ), functions AS (
        SELECT p.*, s.name || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name
          FROM pg_proc AS p
          JOIN schemas AS s ON s.oid = p.pronamespace
         WHERE NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_proc'::regclass AND o.objid = p.oid)
     ), found (kind, name, definition) AS (
        SELECT 'schema', name, '' FROM schemas
        UNION ALL
        SELECT 'extension', quote_ident(extname), extversion FROM pg_extension
        UNION ALL
        SELECT 'table', t.name,
               concat_ws('; ',
                   CASE t.relkind WHEN 'f' THEN (SELECT 'foreign, of ' || quote_ident(f.srvname)
                                                   FROM pg_foreign_table AS x
                                                   JOIN pg_foreign_server AS f ON f.oid = x.ftserver
                                                  WHERE x.ftrelid = t.oid) WHEN 'p' THEN 'partitioned by ' || pg_get_partkeydef(t.oid) END,
                   CASE WHEN t.relispartition THEN 'partition ' || pg_get_expr(t.relpartbound, t.oid) END,
                   (SELECT 'child of ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                      FROM pg_inherits AS i WHERE i.inhrelid = t.oid),
                   'of type ' || NULLIF(t.reloftype, 0)::regtype::text,
                   'by ' || (SELECT quote_ident(m.amname) FROM pg_am AS m WHERE m.oid = t.relam AND m.amname <> 'heap'),
                   CASE WHEN t.relpersistence = 'u' THEN 'unlogged' END,
                   CASE WHEN t.relrowsecurity THEN 'row security' END,
                   CASE WHEN t.relforcerowsecurity THEN 'row security forced' END,
                   CASE WHEN t.relreplident <> 'd' THEN 'replica identity ' || t.relreplident::text
                        || coalesce((SELECT ' using ' || i.indexrelid::regclass::text FROM pg_index AS i
                                      WHERE i.indrelid = t.oid AND i.indisreplident), '') END,
                   array_to_string(t.reloptions, ', '),
                   'options ' || (SELECT o.text FROM options AS o
                                   WHERE o.classid = 'pg_foreign_table'::regclass AND o.objid = t.oid)
               )
          FROM tables AS t
        UNION ALL
        SELECT 'column', c.name || '.' || quote_ident(a.attname),
               concat_ws(' ',
                   format_type(a.atttypid, a.atttypmod),
                   CASE WHEN a.attstorage <> t.typstorage AND c.relkind <> 'v'
                        THEN 'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                                             WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
                   CASE a.attcompression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END,
                   CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
                   CASE WHEN a.attnotnull THEN 'NOT NULL' END,
                   CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                                      WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
                   CASE a.attgenerated WHEN 's' THEN 'STORED ' WHEN 'v' THEN 'VIRTUAL ' ELSE 'DEFAULT ' END
                       || pg_get_expr(d.adbin, d.adrelid)
               ) || CASE WHEN a.attnotnull AND EXISTS (
                             SELECT FROM pg_constraint AS k
                              WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND NOT k.convalidated
                                AND k.conkey = ARRAY[a.attnum])
                         THEN '; NOT NULL is NOT VALID' ELSE '' END
          FROM classes AS c
          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          JOIN pg_type AS t ON t.oid = a.atttypid
          LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE c.relkind IN ('r', 'p', 'f', 'c') OR (c.relkind = 'v' AND d.adrelid IS NOT NULL)
        UNION ALL
        SELECT 'index', c.name,
               pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid AND i.indisready THEN '' ELSE '; INVALID' END
          FROM classes AS c
          JOIN pg_index AS i ON i.indexrelid = c.oid
        UNION ALL
        SELECT 'constraint', t.name || '.' || quote_ident(k.conname),
               pg_get_constraintdef(k.oid)
                   || coalesce((SELECT CASE WHEN 'D' = ANY (e.enabled) THEN '; its triggers are DISABLED'
                                            WHEN 'R' = ANY (e.enabled) THEN '; its triggers fire for replicas only'
                                            WHEN 'A' = ANY (e.enabled) THEN '; its triggers fire for replicas too' END
                                  FROM (SELECT array_agg(g.tgenabled) FROM pg_trigger AS g
                                         WHERE g.tgconstraint = k.oid AND g.tgisinternal) AS e (enabled)), '')
          FROM tables AS t
          JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype NOT IN ('n', 't')
        UNION ALL
        SELECT 'sequence', c.name,
               format('%%s; %%s by %%s from %%s to %%s; cache %%s', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement,
                      s.seqmin, s.seqmax, s.seqcache)
                   || CASE WHEN s.seqcycle THEN '; cycle' ELSE '' END
                   || CASE WHEN c.relpersistence = 'u' AND NOT EXISTS (
                               SELECT FROM pg_depend AS d
                                 JOIN pg_class AS t ON t.oid = d.refobjid AND t.relpersistence = 'u'
                                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
                                  AND d.refclassid = 'pg_class'::regclass)
                           THEN '; unlogged' ELSE '' END
                   || coalesce((SELECT '; owned by ' || d.refobjid::regclass::text || '.' || quote_ident(a.attname)
                                  FROM pg_depend AS d
                                  JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
                                   AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0), '')
          FROM classes AS c
          JOIN pg_sequence AS s ON s.seqrelid = c.oid
        UNION ALL
        SELECT CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END, c.name,
               concat_ws('; ', pg_get_viewdef(c.oid), array_to_string(c.reloptions, ', '),
                         CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'not populated' END)
          FROM classes AS c
         WHERE c.relkind IN ('v', 'm')
        UNION ALL
        SELECT 'rule', c.name || '.' || quote_ident(r.rulename),
               pg_get_ruledef(r.oid) || CASE r.ev_enabled WHEN 'O' THEN '' ELSE '; enabled ' || r.ev_enabled::text END
          FROM classes AS c
          JOIN pg_rewrite AS r ON r.ev_class = c.oid AND r.rulename <> '_RETURN'
        UNION ALL
        SELECT 'trigger', c.name || '.' || quote_ident(t.tgname),
               pg_get_triggerdef(t.oid)
                   || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN '; DISABLED' ELSE '; enabled ' || t.tgenabled::text END
          FROM classes AS c
          JOIN pg_trigger AS t ON t.tgrelid = c.oid AND NOT t.tgisinternal
        UNION ALL
        SELECT 'policy', c.name || '.' || quote_ident(p.polname),
               concat_ws(' ',
                   CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                   'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                           WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                   'TO ' || (SELECT string_agg(coalesce(quote_ident(r.rolname), 'PUBLIC'), ', ' ORDER BY r.rolname)
                               FROM unnest(p.polroles) AS u (oid) LEFT JOIN pg_roles AS r ON r.oid = u.oid),
                   'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                   'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
               )
          FROM classes AS c
          JOIN pg_policy AS p ON p.polrelid = c.oid
        UNION ALL
        SELECT 'statistics', s.name || '.' || quote_ident(e.stxname), pg_get_statisticsobjdef(e.oid)
          FROM pg_statistic_ext AS e
          JOIN schemas AS s ON s.oid = e.stxnamespace
        UNION ALL
        SELECT CASE f.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, f.name,
               concat_ws(' ',
                   'RETURNS ' || pg_get_function_result(f.oid),
                   'LANGUAGE ' || (SELECT quote_ident(lanname) FROM pg_language WHERE oid = f.prolang),
                   CASE f.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
                   CASE WHEN f.prosecdef THEN 'SECURITY DEFINER' END,
                   'sha256:' || encode(sha256(convert_to(
                       CASE WHEN f.prokind = 'a'
                            THEN (SELECT concat_ws(' ', f.proparallel, g.aggtranstype::regtype, g.aggmtranstype::regtype,
                                                   NULLIF(g.aggsortop, 0)::regoperator,
                                                   to_jsonb(g) - '{aggfnoid,aggtranstype,aggmtranstype,aggsortop}'::text[])
                                    FROM pg_aggregate AS g WHERE g.aggfnoid = f.oid)
                            ELSE pg_get_functiondef(f.oid) END, 'UTF8')), 'hex')
               )
          FROM functions AS f
        UNION ALL
        SELECT 'type', t.name, 'ENUM (' || string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) || ')'
          FROM types AS t
          JOIN pg_enum AS e ON e.enumtypid = t.oid
         GROUP BY t.name
        UNION ALL
        SELECT 'type', t.name,
               concat_ws(' ',
                   'DOMAIN ' || format_type(t.typbasetype, t.typtypmod),
                   (SELECT 'COLLATE ' || t.typcollation::regcollation::text FROM pg_type AS b
                     WHERE b.oid = t.typbasetype AND b.typcollation <> t.typcollation),
                   CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                   'DEFAULT ' || t.typdefault,
                   (SELECT string_agg('CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), ' '
                                      ORDER BY k.conname)
                      FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype <> 'n')
               )
          FROM types AS t
         WHERE t.typtype = 'd'
        UNION ALL
        SELECT 'type', t.name,
               concat_ws(' ',
                   'RANGE OF ' || format_type(r.rngsubtype, NULL),
                   (SELECT 'COLLATE ' || r.rngcollation::regcollation::text FROM pg_type AS b
                     WHERE b.oid = r.rngsubtype AND b.typcollation <> r.rngcollation),
                   (SELECT 'BY ' || quote_ident(n.nspname) || '.' || quote_ident(o.opcname)
                      FROM pg_opclass AS o JOIN pg_namespace AS n ON n.oid = o.opcnamespace
                     WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
                   'CANONICAL ' || NULLIF(r.rngcanonical, 0)::regproc, 'DIFF ' || NULLIF(r.rngsubdiff, 0)::regproc
               )
          FROM types AS t
          JOIN pg_range AS r ON r.rngtypid = t.oid
        UNION ALL
        -- PostgreSQL 14 keeps the locale of ICU as collcollate, 15 and 16 as colliculocale; 16 began to write it "de-DE".
        SELECT 'collation', s.name || '.' || quote_ident(c.collname),
               concat_ws(' ',
                   c.collprovider,
                   CASE WHEN c.collprovider IN ('c', 'd') THEN concat_ws(' ', c.collcollate, c.collctype)
                        ELSE replace(coalesce(j.row ->> 'colllocale', j.row ->> 'colliculocale', c.collcollate), '_', '-') END,
                   CASE WHEN NOT c.collisdeterministic THEN 'not deterministic' END,
                   'rules ' || (j.row ->> 'collicurules')
               )
          FROM pg_collation AS c
          JOIN schemas AS s ON s.oid = c.collnamespace
         CROSS JOIN LATERAL to_jsonb(c) AS j ("row")
        UNION ALL
        SELECT 'cast', format_type(k.castsource, NULL) || ' AS ' || format_type(k.casttarget, NULL),
               concat_ws(' ',
                   CASE k.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || k.castfunc::regprocedure::text
                                     WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END,
                   CASE k.castcontext WHEN 'i' THEN 'AS IMPLICIT' WHEN 'a' THEN 'AS ASSIGNMENT' END
               )
          FROM pg_cast AS k
         WHERE k.oid >= 16384  -- FirstNormalObjectId: below are the server's own
           AND NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_cast'::regclass AND o.objid = k.oid)
        UNION ALL
        SELECT 'operator', p.oid::regoperator::text,
               concat_ws(' ',
                   'RETURNS ' || format_type(p.oprresult, NULL), 'BY ' || p.oprcode::regproc,
                   'COMMUTATOR ' || NULLIF(p.oprcom, 0)::regoperator, 'NEGATOR ' || NULLIF(p.oprnegate, 0)::regoperator,
                   'RESTRICT ' || NULLIF(p.oprrest, 0)::regproc, 'JOIN ' || NULLIF(p.oprjoin, 0)::regproc,
                   CASE WHEN p.oprcanhash THEN 'HASHES' END, CASE WHEN p.oprcanmerge THEN 'MERGES' END
               )
          FROM pg_operator AS p
          JOIN schemas AS s ON s.oid = p.oprnamespace
         WHERE p.oprcode <> 0
           AND NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_operator'::regclass AND o.objid = p.oid)
        UNION ALL
        SELECT 'text search configuration', s.name || '.' || quote_ident(c.cfgname),
               concat_ws('; ', c.cfgparser_name,
                   (SELECT string_agg(k.alias || ' ' || k.dictionaries, ', ' ORDER BY k.alias)
                      FROM (SELECT y.alias, string_agg(m.mapdict::regdictionary::text, ' ' ORDER BY m.mapseqno)
                              FROM pg_ts_config_map AS m
                              JOIN ts_token_type(c.cfgparser) AS y ON y.tokid = m.maptokentype
                             WHERE m.mapcfg = c.oid
                             GROUP BY y.alias) AS k (alias, dictionaries)))
          FROM (SELECT c.*, (SELECT quote_ident(prsname) FROM pg_ts_parser WHERE oid = c.cfgparser) AS cfgparser_name
                  FROM pg_ts_config AS c) AS c
          JOIN schemas AS s ON s.oid = c.cfgnamespace
         WHERE NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_ts_config'::regclass AND o.objid = c.oid)
        UNION ALL
        SELECT 'text search dictionary', s.name || '.' || quote_ident(d.dictname),
               concat_ws('; ', (SELECT quote_ident(t.tmplname) FROM pg_ts_template AS t WHERE t.oid = d.dicttemplate),
                         d.dictinitoption)
          FROM pg_ts_dict AS d
          JOIN schemas AS s ON s.oid = d.dictnamespace
         WHERE NOT EXISTS (SELECT FROM owned AS o WHERE o.classid = 'pg_ts_dict'::regclass AND o.objid = d.oid)
        UNION ALL
        SELECT 'foreign data wrapper', quote_ident(w.fdwname),
               concat_ws('; ', 'HANDLER ' || NULLIF(w.fdwhandler, 0)::regproc,
                         'VALIDATOR ' || NULLIF(w.fdwvalidator, 0)::regproc, 'options ' || o.text)
          FROM pg_foreign_data_wrapper AS w
          LEFT JOIN options AS o ON o.classid = 'pg_foreign_data_wrapper'::regclass AND o.objid = w.oid
         WHERE NOT EXISTS (SELECT FROM owned AS e WHERE e.classid = 'pg_foreign_data_wrapper'::regclass AND e.objid = w.oid)
        UNION ALL
        SELECT 'foreign server', quote_ident(f.srvname),
               concat_ws('; ', w.fdwname, 'type ' || f.srvtype, 'version ' || f.srvversion, 'options ' || o.text)
          FROM pg_foreign_server AS f
          JOIN pg_foreign_data_wrapper AS w ON w.oid = f.srvfdw
          LEFT JOIN options AS o ON o.classid = 'pg_foreign_server'::regclass AND o.objid = f.oid
        UNION ALL
        SELECT 'event trigger', quote_ident(evtname),
               concat_ws(' ', evtevent, array_to_string(evttags, ', '), evtfoid::regproc, 'enabled ' || evtenabled::text)
          FROM pg_event_trigger
        UNION ALL
        -- Schemas, row filters and columns of publications came with PostgreSQL 15.
        SELECT 'publication', quote_ident(p.pubname),
               concat_ws('; ',
                   CASE WHEN p.puballtables THEN 'ALL TABLES' END,
                   (SELECT string_agg(r.text, ', ' ORDER BY r.text)
                      FROM (SELECT concat_ws(' ', r.prrelid::regclass,
                                       '(' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                                                 FROM pg_attribute AS a
                                                WHERE a.attrelid = r.prrelid
                                                  AND to_jsonb(r) -> 'prattrs' @> to_jsonb(a.attnum)) || ')',
                                       'WHERE ' || (SELECT to_jsonb(v) ->> 'rowfilter'
                                                      FROM pg_publication_tables AS v
                                                      JOIN pg_class AS c ON c.oid = r.prrelid AND c.relname = v.tablename
                                                      JOIN pg_namespace AS n ON n.oid = c.relnamespace
                                                       AND n.nspname = v.schemaname
                                                     WHERE v.pubname = p.pubname))
                              FROM pg_publication_rel AS r
                             WHERE r.prpubid = p.oid) AS r (text)),
                   'TABLES IN SCHEMA ' || (SELECT string_agg(n.refobjid::regnamespace::text, ', '
                                                             ORDER BY n.refobjid::regnamespace::text)
                                             FROM pg_depend AS d
                                             JOIN pg_depend AS n ON n.classid = d.classid AND n.objid = d.objid
                                              AND n.refclassid = 'pg_namespace'::regclass
                                            WHERE d.classid = to_regclass('pg_catalog.pg_publication_namespace')
                                              AND d.refclassid = 'pg_publication'::regclass AND d.refobjid = p.oid),
                   CASE WHEN NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate)
                        THEN 'only ' || concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
                                                  CASE WHEN p.pubupdate THEN 'update' END,
                                                  CASE WHEN p.pubdelete THEN 'delete' END,
                                                  CASE WHEN p.pubtruncate THEN 'truncate' END) END,
                   CASE WHEN p.pubviaroot THEN 'via the partition root' END,
                   'generated columns ' || NULLIF(to_jsonb(p) ->> 'pubgencols', 'n')
               )
          FROM pg_publication AS p
        UNION ALL
        SELECT 'subscription', quote_ident(subname), CASE WHEN subenabled THEN 'enabled' ELSE 'disabled' END
          FROM pg_subscription
         WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     )
SELECT kind, name, coalesce(definition, '') AS definition FROM found
