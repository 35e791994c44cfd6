"""A database with one of everything that is awkward to restore."""

from __future__ import annotations

RICH = (
    "CREATE SCHEMA shop",
    'CREATE SCHEMA "two words"',
    "CREATE TYPE shop.mood AS ENUM ('glad', 'sad')",
    "CREATE TABLE shop.orders (id bigserial PRIMARY KEY, mood shop.mood, doc json, doc2 jsonb, moods shop.mood[])",
    "INSERT INTO shop.orders (mood, doc, doc2, moods) SELECT 'sad', '{\"a\":  1}', '{\"a\": 1.0}', '{glad,sad}' "
    "FROM generate_series(1, 500)",
    'CREATE TABLE "two words"."a table" (id int PRIMARY KEY, "or der" bigint REFERENCES shop.orders)',
    'INSERT INTO "two words"."a table" SELECT n, n FROM generate_series(1, 100) AS n',
    "CREATE TABLE parted (at date NOT NULL, n int) PARTITION BY RANGE (at)",
    "CREATE TABLE parted_26 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE TABLE parted_27 PARTITION OF parted FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    "INSERT INTO parted SELECT '2026-12-01'::date + n, n FROM generate_series(1, 60) AS n",
    "CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM shop.orders",
    "SELECT lo_from_bytea(0, decode(repeat('c0ffee', 20000), 'hex'))",
    "SELECT lo_from_bytea(4711, ''::bytea)",
    "CREATE FUNCTION shout() RETURNS event_trigger LANGUAGE plpgsql AS "
    "$$BEGIN RAISE EXCEPTION 'somebody''s code'; END$$",
    "CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION shout()",
    "ALTER EVENT TRIGGER watcher DISABLE",
    "COMMENT ON EVENT TRIGGER watcher IS 'of the auditors'",
    "CREATE FOREIGN DATA WRAPPER far",
    "CREATE SERVER warehouse FOREIGN DATA WRAPPER far OPTIONS (host 'warehouse.example.com')",
    "CREATE USER MAPPING FOR CURRENT_USER SERVER warehouse OPTIONS (user 'etl', password 'pr0duction')",
    "CREATE FOREIGN TABLE stock (id int) SERVER warehouse",
    "CREATE PUBLICATION everything FOR ALL TABLES",
    "CREATE SUBSCRIPTION from_hq CONNECTION 'host=hq.example.com password=pr0duction' PUBLICATION p "
    "WITH (connect = false, slot_name = 'hq_slot')",
    "ALTER EVENT TRIGGER watcher ENABLE ALWAYS",
)
#: Takes away what would keep the database from being dropped.
POOR = (
    "DROP EVENT TRIGGER watcher",
    "ALTER SUBSCRIPTION from_hq SET (slot_name = NONE)",
    "DROP SUBSCRIPTION from_hq",
)
