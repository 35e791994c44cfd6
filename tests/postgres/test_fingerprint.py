"""The fingerprint of a database: what counts as a difference, and what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from alembook import process
from alembook.postgres import connection as connections
from alembook.postgres import fingerprint, tools
from alembook.postgres.connection import Connection, Database
from alembook.postgres.embedded import Server
from alembook.postgres.fingerprint import Fingerprint

_OBJECTS = """
    CREATE SCHEMA shop;
    CREATE TYPE shop.mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN shop.price AS numeric(10, 2) NOT NULL DEFAULT 0 CHECK (VALUE >= 0);
    CREATE TYPE shop.pair AS (a int, b text);
    CREATE TYPE shop.span AS RANGE (subtype = float8);
    CREATE TABLE shop.customers (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL,
        mood shop.mood DEFAULT 'glad', shouted text GENERATED ALWAYS AS (upper(name)) STORED);
    CREATE TABLE shop.orders (
        id serial PRIMARY KEY, customer_id bigint REFERENCES shop.customers, total shop.price, CHECK (total < 1000));
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
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere OPTIONS (password 'hunter2');
    CREATE PUBLICATION told FOR TABLE shop.orders;
"""
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
        "foreign server elsewhere": "nowhere",
        "publication told": "shop.orders",
    }
    assert {name: objects.get(name) for name in expected} == expected
    assert objects["type shop.price"].startswith("DOMAIN numeric(10,2) NOT NULL DEFAULT 0 CONSTRAINT price_check CHECK")
    kinds = {"view shop.totals", "materialized view shop.kept", "function shop.touch()", "procedure shop.tidy()"}
    kinds |= {"aggregate shop.total(integer)", "rule shop.customers.quiet", "statistics shop.together"}
    assert kinds | {"collation shop.plain", "function shop.twice(n integer)"} <= set(objects)
    assert "hunter2" not in json.dumps(objects)


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


def test_what_changes_nothing(connection: Connection) -> None:
    """Rows, positions, rewrites, comments, rights, the ledger's schema, temporary tables: no difference."""
    before = fingerprint.read(connection, leave_out_schemas=["alembook"])
    for statement in (
        "INSERT INTO shop.customers (name) VALUES ('a')",
        "SELECT nextval('shop.orders_id_seq')",
        "VACUUM FULL shop.customers",
        "REINDEX TABLE shop.orders",
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


def test_a_restored_copy_is_equal(connection: Connection, database: Database, server: Server, tmp_path: object) -> None:
    """What pg_dump and pg_restore bring over has the same fingerprint, even under other names of databases."""
    connections.execute(connection, _LISTS)
    major = connections.scalar(connection, "SELECT current_setting('server_version_num')::int")
    copy = server.create_database(f"{database.dbname}_copy")
    for name, arguments in (
        ("pg_dump", ["-Fc", "--file", f"{tmp_path}/dump", database.conninfo()]),
        ("pg_restore", ["--dbname", copy.conninfo(), f"{tmp_path}/dump"]),
    ):
        program = tools.find(name, server_version_num=major, database=database, postgres_bin=None)
        ended = process.run([str(program.path), *arguments], environment={})
        assert ended.exit_code == 0, ended.stderr
    with connections.closing(connections.connect(copy, application_name="alembook test")) as other:
        assert fingerprint.read(connection).differences(fingerprint.read(other)) == ()
    connections.execute(connection, f'DROP DATABASE "{copy.dbname}"')
