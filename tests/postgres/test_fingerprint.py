"""The fingerprint of a database: what counts as a difference, and what does not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alembook import process
from alembook.postgres import connection as connections
from alembook.postgres import fingerprint, tools
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.postgres.fingerprint import Fingerprint

_OBJECTS = """
    CREATE SCHEMA shop;
    CREATE SCHEMA "Odd";
    CREATE TYPE shop.mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN shop.price AS numeric(10, 2) NOT NULL DEFAULT 0 CHECK (VALUE >= 0);
    CREATE TYPE shop.pair AS (a int, b text);
    CREATE TYPE shop.span AS RANGE (subtype = float8);
    CREATE TABLE shop.customers (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL,
        mood shop.mood DEFAULT 'glad', shouted text GENERATED ALWAYS AS (upper(name)) STORED);
    CREATE TABLE shop.orders (
        id serial PRIMARY KEY, customer_id bigint REFERENCES shop.customers, total shop.price, CHECK (total < 1000));
    CREATE TABLE shop.stock (id int PRIMARY KEY, code text NOT NULL UNIQUE, place text NOT NULL, UNIQUE (place));
    ALTER TABLE shop.stock ALTER place SET STORAGE EXTERNAL, REPLICA IDENTITY USING INDEX stock_code_key;
    CREATE TABLE shop.typed OF shop.pair;
    CREATE UNLOGGED TABLE shop.cache (id int GENERATED ALWAYS AS IDENTITY, n serial);
    CREATE SEQUENCE shop.numbers;
    CREATE VIEW shop.open_stock AS SELECT id, place FROM shop.stock;
    ALTER VIEW shop.open_stock ALTER place SET DEFAULT 'here';
    CREATE DOMAIN shop.word AS text COLLATE "C";
    CREATE TYPE shop.words AS RANGE (subtype = text, collation = "C");
    CREATE CAST (shop.mood AS bigint) WITH INOUT AS ASSIGNMENT;
    CREATE FUNCTION shop.same(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
    CREATE OPERATOR shop.=== (leftarg = int, rightarg = int, function = shop.same, commutator = OPERATOR(shop.===));
    CREATE TEXT SEARCH DICTIONARY shop.plain_words (template = simple, stopwords = english);
    CREATE TEXT SEARCH CONFIGURATION shop.prose (copy = simple);
    ALTER TEXT SEARCH CONFIGURATION shop.prose ALTER MAPPING FOR word WITH shop.plain_words, simple;
    CREATE INDEX orders_by_customer ON shop.orders (customer_id);
    CREATE TABLE shop.events (day date NOT NULL, what text) PARTITION BY RANGE (day);
    CREATE TABLE shop.events_2026 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE VIEW shop.totals AS SELECT customer_id, sum(total) AS total FROM shop.orders GROUP BY 1;
    CREATE MATERIALIZED VIEW shop.kept AS SELECT count(*) AS n FROM shop.orders;
    CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION shop.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
    CREATE PROCEDURE shop.tidy() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE shop.total(int) (sfunc = int4pl, stype = int, initcond = '0');
    CREATE TRIGGER touched BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch();
    CREATE RULE quiet AS ON DELETE TO shop.customers DO INSTEAD NOTHING;
    ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON shop.orders FOR SELECT USING (total > 0);
    CREATE STATISTICS shop.together ON customer_id, total FROM shop.orders;
    CREATE COLLATION shop.plain FROM "C";
    CREATE FOREIGN DATA WRAPPER nowhere;
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere OPTIONS (host 'far', password 'hunter2', options 'a=hunter3');
    CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS (password 'hunter4');
    CREATE FOREIGN TABLE shop.remote (id int) SERVER elsewhere OPTIONS (table_name 'there');
    CREATE PUBLICATION told FOR TABLE shop.orders;
    CREATE PUBLICATION few FOR TABLE shop.stock (id, code) WHERE (id > 5) WITH (publish = 'insert');
    CREATE PUBLICATION odd FOR TABLES IN SCHEMA "Odd";
"""
_QUIET = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'shop.orders'::regclass AND tgisinternal LOOP
            EXECUTE format('ALTER TABLE shop.orders ENABLE REPLICA TRIGGER %I', name);
        END LOOP; END $$"""
_AGGREGATE = (
    "DROP AGGREGATE shop.total(int); CREATE AGGREGATE shop.total(int) (sfunc = int4pl, stype = int, initcond = '0'"
)
#: PostgreSQL writes each of these otherwise once it has read its own text again.
_LISTS = r"""
    CREATE TABLE shop.runs (
        id int PRIMARY KEY, status varchar(20) CHECK (status IN ('it''s on', 'off', E'a\\b')),
        stage varchar NOT NULL CHECK (stage NOT IN ('x, y', 'z')), is_on boolean GENERATED ALWAYS AS
        (status IN ('on', 'off')) STORED, code char(2) CHECK (code IN ('a', 'b')), size int CHECK (size IN (1, 2)));
    CREATE INDEX some_runs ON shop.runs (id) WHERE status IN ('on', 'off');
    CREATE VIEW shop.open_runs AS SELECT id FROM shop.runs WHERE stage IN ('x', 'y') AND status <> ALL ('{on}');
"""


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Yields a connection to a database with an object of each kind."""
    with connections.closing(connections.connect(database, application_name="alembook test")) as connection:
        connections.execute(connection, _OBJECTS)
        yield connection


def test_every_kind_is_read(connection: Connection) -> None:
    """An object of each kind is in the fingerprint, named with its schema, with its definition."""
    objects = fingerprint.read(connection).objects
    expected = {
        "schema shop": "",
        "table shop.customers": "",
        "table shop.events": "partitioned by RANGE (day)",
        "table shop.events_2026": "partition FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); child of shop.events",
        "table shop.orders": "row security",
        "column shop.customers.id": "bigint NOT NULL GENERATED ALWAYS AS IDENTITY",
        "column shop.customers.mood": "shop.mood DEFAULT 'glad'::shop.mood",
        "column shop.customers.name": 'text COLLATE "C" NOT NULL',
        "column shop.customers.shouted": "text STORED upper(name)",
        "column shop.orders.id": "integer NOT NULL DEFAULT nextval('shop.orders_id_seq'::regclass)",
        "column shop.pair.b": "text",
        "index shop.orders_by_customer": "CREATE INDEX orders_by_customer ON shop.orders USING btree (customer_id)",
        "constraint shop.orders.orders_customer_id_fkey": "FOREIGN KEY (customer_id) REFERENCES shop.customers(id)",
        "sequence shop.orders_id_seq": "integer; 1 by 1 from 1 to 2147483647; cache 1; owned by shop.orders.id",
        "trigger shop.orders.touched": "CREATE TRIGGER touched BEFORE UPDATE ON shop.orders FOR EACH ROW "
        "EXECUTE FUNCTION shop.touch()",
        "policy shop.orders.mine": "PERMISSIVE FOR SELECT TO PUBLIC USING (((total)::numeric > (0)::numeric))",
        "type shop.mood": "ENUM ('glad', 'sad')",
        "type shop.span": "RANGE OF double precision",
        "extension plpgsql": "1.0",
        "column shop.stock.place": "text STORAGE EXTERNAL NOT NULL",
        "column shop.open_stock.place": "text DEFAULT 'here'::text",
        "table shop.stock": "replica identity i using shop.stock_code_key",
        "table shop.typed": "of type shop.pair",
        "table shop.remote": "foreign, of elsewhere; replica identity n; options table_name=there",
        "type shop.word": 'DOMAIN text COLLATE "C"',
        "type shop.words": 'RANGE OF text COLLATE "C"',
        "cast shop.mood AS bigint": "WITH INOUT AS ASSIGNMENT",
        "operator shop.===(integer,integer)": "RETURNS boolean BY shop.same COMMUTATOR shop.===(integer,integer)",
        "text search dictionary shop.plain_words": "simple; stopwords = 'english'",
        "foreign data wrapper nowhere": "",
        "foreign server elsewhere": "nowhere; options host=far, "
        f"options=sha256:{hashlib.sha256(b'options=a=hunter3').hexdigest()}, password (not read)",
        "publication told": "shop.orders",
        "publication few": "shop.stock (id, code) WHERE (id > 5); only insert",
        "publication odd": 'TABLES IN SCHEMA "Odd"',
    }
    assert {name: objects.get(name) for name in expected} == expected
    assert objects["type shop.price"].startswith("DOMAIN numeric(10,2) NOT NULL DEFAULT 0 CONSTRAINT price_check CHECK")
    kinds = {"view shop.totals", "materialized view shop.kept", "function shop.touch()", "procedure shop.tidy()"}
    kinds |= {"aggregate shop.total(integer)", "rule shop.customers.quiet", "statistics shop.together"}
    assert kinds | {"collation shop.plain", "function shop.twice(n integer)"} <= set(objects)
    assert "word shop.plain_words simple" in objects["text search configuration shop.prose"]
    assert "hunter" not in json.dumps(objects)


@pytest.mark.parametrize(
    ("statement", "sentences"),
    [
        (
            "ALTER TABLE shop.events DETACH PARTITION shop.events_2026",
            [
                "table shop.events_2026: partition FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); "
                "child of shop.events -> plain"
            ],
        ),
        (
            "ALTER TABLE shop.orders DISABLE TRIGGER touched",
            [
                "trigger shop.orders.touched: CREATE TRIGGER touched BEFORE UPDATE ON shop.orders FOR EACH ROW "
                "EXECUTE FUNCTION shop.touch() -> CREATE TRIGGER touched BEFORE UPDATE ON shop.orders FOR EACH ROW "
                "EXECUTE FUNCTION shop.touch(); DISABLED"
            ],
        ),
        (
            "CREATE OR REPLACE VIEW shop.totals AS SELECT customer_id, max(total) AS total FROM shop.orders GROUP BY 1",
            None,
        ),
        (
            "ALTER TYPE shop.mood RENAME VALUE 'sad' TO 'low'",
            ["type shop.mood: ENUM ('glad', 'sad') -> ENUM ('glad', 'low')"],
        ),
        ("CREATE OR REPLACE FUNCTION shop.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n + n'", None),
        ("DROP INDEX shop.orders_by_customer", ["index shop.orders_by_customer: gone"]),
        ("ALTER TABLE shop.customers ADD age int", ["column shop.customers.age: new (integer)"]),
        (
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop.orders_by_customer'::regclass",
            [
                "index shop.orders_by_customer: CREATE INDEX orders_by_customer ON shop.orders USING btree "
                "(customer_id) -> CREATE INDEX orders_by_customer ON shop.orders USING btree (customer_id); INVALID"
            ],
        ),
        (
            "ALTER SEQUENCE shop.orders_id_seq INCREMENT 5",
            [
                "sequence shop.orders_id_seq: integer; 1 by 1 from 1 to 2147483647; cache 1; owned by shop.orders.id "
                "-> integer; 1 by 5 from 1 to 2147483647; cache 1; owned by shop.orders.id"
            ],
        ),
        (
            "ALTER TABLE shop.orders ADD CONSTRAINT small CHECK (id < 100) NOT VALID",
            ["constraint shop.orders.small: new (CHECK ((id < 100)) NOT VALID)"],
        ),
    ],
)
def test_a_change_is_named(connection: Connection, statement: str, sentences: list[str] | None) -> None:
    """Each change is one difference, told with the definitions before and after; the digest differs."""
    before = fingerprint.read(connection)
    connections.execute(connection, statement)
    after = fingerprint.read(connection)
    found = [each.sentence() for each in before.differences(after)]
    assert len(found) == 1
    assert sentences is None or found == sentences
    assert before.digest != after.digest


#: Each is one difference, of this object.
_CHANGES = {
    "ALTER FOREIGN TABLE shop.remote OPTIONS (SET table_name 'other')": "table shop.remote",
    "ALTER SERVER elsewhere OPTIONS (SET options 'a=2')": "foreign server elsewhere",
    "ALTER SERVER elsewhere OPTIONS (DROP password)": "foreign server elsewhere",
    "ALTER PUBLICATION few SET (publish = 'insert, update')": "publication few",
    "ALTER PUBLICATION few SET TABLE shop.stock WHERE (id > 5)": "publication few",
    "ALTER PUBLICATION few SET TABLE shop.stock WHERE (id > 6)": "publication few",
    'ALTER PUBLICATION odd DROP TABLES IN SCHEMA "Odd"': "publication odd",
    "ALTER TABLE shop.stock REPLICA IDENTITY USING INDEX stock_place_key": "table shop.stock",
    "ALTER TABLE shop.stock ALTER place SET STORAGE MAIN": "column shop.stock.place",
    "ALTER VIEW shop.open_stock ALTER place SET DEFAULT 'there'": "column shop.open_stock.place",
    "ALTER TABLE shop.typed NOT OF": "table shop.typed",
    "ALTER SEQUENCE shop.numbers SET UNLOGGED": "sequence shop.numbers",
    'DROP COLLATION shop.plain; CREATE COLLATION shop.plain FROM "POSIX"': "collation shop.plain",
    "DROP DOMAIN shop.word; CREATE DOMAIN shop.word AS text": "type shop.word",
    "DROP TYPE shop.words; CREATE TYPE shop.words AS RANGE (subtype = text)": "type shop.words",
    "DROP CAST (shop.mood AS bigint); CREATE CAST (shop.mood AS bigint) WITH INOUT": "cast shop.mood AS bigint",
    "DROP OPERATOR shop.=== (int, int)": "operator shop.===(integer,integer)",
    "ALTER TEXT SEARCH CONFIGURATION shop.prose DROP MAPPING FOR word": "text search configuration shop.prose",
    "ALTER TEXT SEARCH DICTIONARY shop.plain_words (stopwords = dutch)": "text search dictionary shop.plain_words",
    f"{_AGGREGATE}, combinefunc = int4pl)": "aggregate shop.total(integer)",
    f"{_AGGREGATE}, combinefunc = int4pl, parallel = safe)": "aggregate shop.total(integer)",
    _QUIET: "constraint shop.orders.orders_customer_id_fkey",
}


def test_every_change_is_seen(connection: Connection) -> None:
    """One after the other: each is one difference, of the object it is made to."""
    before = fingerprint.read(connection)
    for statement, name in _CHANGES.items():
        connections.execute(connection, statement)
        after = fingerprint.read(connection)
        found = before.differences(after)
        assert [f"{each.kind} {each.name}" for each in found] == [name], statement
        before = after
    key = before.objects["constraint shop.orders.orders_customer_id_fkey"]
    assert key.endswith("REFERENCES shop.customers(id); its triggers fire for replicas only")


def test_a_column_that_may_not_be_null_and_is(connection18: Connection) -> None:
    """PostgreSQL 18 lets NOT NULL be NOT VALID: said with the column; that it is validated later is a difference."""
    connections.execute(connection18, "CREATE TABLE t (a int DEFAULT 0, b int NOT NULL)")
    connections.execute(connection18, "ALTER TABLE t ADD CONSTRAINT there NOT NULL a NOT VALID")
    before = fingerprint.read(connection18)
    connections.execute(connection18, "ALTER TABLE t VALIDATE CONSTRAINT there")
    found = [each.sentence() for each in before.differences(fingerprint.read(connection18))]
    assert found == [
        "column public.t.a: integer NOT NULL DEFAULT 0; NOT NULL is NOT VALID -> integer NOT NULL DEFAULT 0"
    ]


def test_what_changes_nothing(connection: Connection) -> None:
    """Rows, positions, rewrites, comments, rights, the ledger's schema, temporary tables: no difference."""
    before = fingerprint.read(connection, leave_out_schemas=["alembook"])
    for statement in (
        "INSERT INTO shop.customers (name) VALUES ('a')",
        "SELECT nextval('shop.orders_id_seq')",
        "VACUUM FULL shop.customers",
        "REINDEX TABLE shop.orders",
        "VACUUM FULL shop.stock",
        "REINDEX TABLE shop.stock",
        "CLUSTER shop.stock USING stock_pkey",
        "ANALYZE",
        "COMMENT ON TABLE shop.orders IS 'x'",
        "GRANT SELECT ON shop.orders TO PUBLIC",
        "CREATE SCHEMA alembook",
        "CREATE TABLE alembook.applied (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
    ):
        connections.execute(connection, statement)
    after = fingerprint.read(connection, leave_out_schemas=["alembook"])
    assert before.differences(after) == ()
    assert before.digest == after.digest
    assert Fingerprint.from_json(json.loads(json.dumps(after.to_json()))) == after


def test_the_search_path_is_put_back(connection: Connection) -> None:
    """The caller's search_path is as it was, and does not show in the names."""
    connections.execute(connection, "SET search_path = shop, public")
    assert "table shop.orders" in fingerprint.read(connection).objects
    assert connections.scalar(connection, "SHOW search_path") == "shop, public"


def test_a_restored_copy_is_equal(connection: Connection, database: Database, server: Server, tmp_path: Path) -> None:
    """What pg_dump and pg_restore bring over has the same fingerprint, even under other names of databases."""
    connections.execute(connection, _LISTS)
    with _restored(database, server, tmp_path) as other:
        assert fingerprint.read(connection).differences(fingerprint.read(other)) == ()


def test_a_copy_on_a_newer_server_is_equal(
    server16: Server, server18: Server, database18: Database, tmp_path: Path
) -> None:
    """What PostgreSQL 16 writes down of each object, 18 writes down in the same words."""
    old = server16.create_database(database18.dbname)
    with connections.closing(connections.connect(old, application_name="alembook test")) as connection:
        connections.execute(connection, _OBJECTS + _LISTS)
        with _restored(old, server18, tmp_path) as other:
            assert fingerprint.read(connection).differences(fingerprint.read(other), without=("extension",)) == ()
    with connections.closing(connections.connect(server16.ensure(), application_name="alembook test")) as connection:
        connections.execute(connection, f'DROP DATABASE "{old.dbname}"')


@contextmanager
def _restored(database: Database, server: Server, folder: Path) -> Iterator[Connection]:
    """Yields a connection to a copy of the database on a server."""
    copy = server.create_database(f"{database.dbname}_copy")
    with connections.closing(connections.connect(copy, application_name="alembook test")) as connection:
        major = connections.scalar(connection, "SELECT current_setting('server_version_num')::int")
        for name, arguments in (
            ("pg_dump", ["-Fc", "--file", f"{folder}/dump", database.conninfo()]),
            ("pg_restore", ["--dbname", copy.conninfo(), f"{folder}/dump"]),
        ):
            program = tools.find(name, server_version_num=major, database=copy, postgres_bin=None)
            ended = process.run([str(program.path), *arguments], environment={})
            assert ended.exit_code == 0, ended.stderr
        yield connection
    with connections.closing(connections.connect(server.ensure(), application_name="alembook test")) as connection:
        connections.execute(connection, f'DROP DATABASE "{copy.dbname}"')
