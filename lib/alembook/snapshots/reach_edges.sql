-- How relations and functions of the user's schemas lead to one another.
-- Parameters: none.
-- Returns: kind, source, goal (names, "schema.name"), each once:
--   "part" a partitioned or inherited table to its child; "view" a view, or a table with a rule, to what it reads or
--   writes; "trigger" a table to the function its trigger calls; "cascade" a table to one whose foreign key follows its
--   changes (CASCADE, SET NULL, SET DEFAULT); "key" both ways between the tables of a foreign key.
-- Locks: ACCESS SHARE on the catalogue. Reads only.
WITH relations AS (
        SELECT c.oid, n.nspname || '.' || c.relname AS name
          FROM pg_class AS c
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
     ), keys AS (
        SELECT child.name AS child, parent.name AS parent,
               k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd') AS follows
          FROM pg_constraint AS k
          JOIN relations AS child ON child.oid = k.conrelid
          JOIN relations AS parent ON parent.oid = k.confrelid
         WHERE k.contype = 'f'
     )
SELECT 'part' AS kind, parent.name AS source, child.name AS goal
  FROM pg_inherits AS i
  JOIN relations AS parent ON parent.oid = i.inhparent
  JOIN relations AS child ON child.oid = i.inhrelid
UNION
SELECT 'view', owner.name, used.name
  FROM pg_rewrite AS r
  JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  JOIN relations AS owner ON owner.oid = r.ev_class
  JOIN relations AS used ON used.oid = d.refobjid AND used.oid <> owner.oid
UNION
SELECT 'trigger', t.name, n.nspname || '.' || p.proname
  FROM pg_trigger AS g
  JOIN relations AS t ON t.oid = g.tgrelid
  JOIN pg_proc AS p ON p.oid = g.tgfoid
  JOIN pg_namespace AS n ON n.oid = p.pronamespace
 WHERE NOT g.tgisinternal
UNION
SELECT 'cascade', parent, child FROM keys WHERE follows
UNION
SELECT 'key', parent, child FROM keys
UNION
SELECT 'key', child, parent FROM keys
