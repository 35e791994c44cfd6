"""What a failed statement has one ask for, read from its text and the server's word for it."""

from __future__ import annotations

import pytest

from alembook.project.plan import Entry
from alembook.snapshots.misfits import Alike, Misfits, Orphans, Suspicion, Unfit, Wrong
from alembook.steps import advice, misfits

STATEMENTS: list[tuple[str, str, list[Suspicion]]] = [
    ("23505", "CREATE UNIQUE INDEX u ON accounts (email)", [Alike(table="accounts", values=("email",))]),
    (
        "23505",
        'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "U x" ON ONLY app."Accounts" USING btree'
        ' (lower(email) COLLATE "C" text_ops DESC NULLS LAST, "Kind" ASC, (a + (b * 2)), coalesce(c, \'(,\'))'
        " INCLUDE (id) NULLS NOT DISTINCT WITH (fillfactor = 70) WHERE deleted_at IS NULL",
        [
            Alike(
                table='app."Accounts"',
                values=('lower(email) COLLATE "C"', '"Kind"', "(a + (b * 2))", "coalesce(c, '(,')"),
                condition="deleted_at IS NULL",
                are_nulls_alike=True,
            )
        ],
    ),
    ("23505", "CREATE UNIQUE INDEX ON t (a)", [Alike(table="t", values=("a",))]),
    ("23505", "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, b)", [Alike(table="t", values=("a", "b"))]),
    ("23505", "alter table only s.t add primary key (id)", [Alike(table="s.t", values=("id",))]),
    ("23505", "INSERT INTO t (a) SELECT a FROM s", []),
    ("23505", "CREATE INDEX i ON t (a)", []),
    ("23502", 'ALTER TABLE t ALTER COLUMN "a b" SET NOT NULL', [Wrong(table="t", condition='"a b" IS NULL')]),
    ("23502", "ALTER TABLE t ADD COLUMN region VARCHAR(20) NOT NULL", [Wrong(table="t", condition="TRUE")]),
    (
        "23502",
        "ALTER TABLE t ADD PRIMARY KEY (a, b)",
        [Wrong(table="t", condition="a IS NULL"), Wrong(table="t", condition="b IS NULL")],
    ),
    ("23502", "UPDATE t SET a = NULL", []),
    (
        "23514",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a >= 0 AND (b LIKE 'x%%')) NOT VALID",
        [Wrong(table="t", condition="NOT (a >= 0 AND (b LIKE 'x%'))")],
    ),
    (
        "23514",
        "ALTER TABLE t ADD COLUMN x int, ADD CONSTRAINT c CHECK (a IN ('a,b', ')'))",
        [Wrong(table="t", condition="NOT (a IN ('a,b', ')'))")],
    ),
    (
        "23503",
        "ALTER TABLE notes ADD CONSTRAINT f FOREIGN KEY(account_id) REFERENCES accounts (id) ON DELETE CASCADE",
        [Orphans(table="notes", columns=("account_id",), parent="accounts", referenced=("id",))],
    ),
    (
        "23503",
        "ALTER TABLE notes ADD FOREIGN KEY (a, b) REFERENCES s.accounts DEFERRABLE INITIALLY DEFERRED",
        [Orphans(table="notes", columns=("a", "b"), parent="s.accounts")],
    ),
    ("23503", "DELETE FROM accounts", []),
    (
        "22001",
        "ALTER TABLE notes ALTER COLUMN text TYPE VARCHAR(10)",
        [Unfit(table="notes", column="text", value="text", type="VARCHAR(10)")],
    ),
    (
        "22P02",
        'ALTER TABLE a ALTER "Kind" SET DATA TYPE kind COLLATE "C" USING lower("Kind")::kind',
        [Unfit(table="a", column="Kind", value='lower("Kind")::kind', type="kind")],
    ),
    ("22003", "UPDATE t SET a = 1000000 * a", []),
    ("42703", "CREATE UNIQUE INDEX u ON accounts (email)", []),
]


@pytest.mark.parametrize(("sqlstate", "statement", "expected"), STATEMENTS)
def test_a_statement_is_read(sqlstate: str, statement: str, expected: list[Suspicion]) -> None:
    """The very condition that the server judged, or nothing where it judged rows that the statement makes itself."""
    assert misfits.suspicions(sqlstate, statement) == expected


@pytest.mark.parametrize(
    ("found", "counted", "named", "without"),
    [
        (
            Misfits(rows=3, keys=("1", "2")),
            "3 rows",
            "keys: 1, 2 and 1 more",
            "keys are left out (verify.show_keys)",
        ),
        (Misfits(rows=1, keys=("(1,7)",)), "1 row", "keys: (1,7)", "keys are left out (verify.show_keys)"),
        (
            Misfits(rows=100_001, is_keyed=False),
            "more than 100,000 rows",
            "the table has no key to name them by",
            "the table has no key to name them by",
        ),
        (
            Misfits(rows=0),
            "",
            "no row of the copy is so before the revision: its own statements make them",
            "no row of the copy is so before the revision: its own statements make them",
        ),
        (
            Misfits(why="SQLSTATE 57014: canceling statement due to statement timeout"),
            "",
            "which rows could not be found: SQLSTATE 57014: canceling statement due to statement timeout",
            "which rows could not be found: SQLSTATE 57014: canceling statement due to statement timeout",
        ),
    ],
)
def test_what_is_said_of_rows(found: Misfits, counted: str, named: str, without: str) -> None:
    """How many, and which; keys only where they may be shown."""
    assert misfits.counted(found) == counted
    assert misfits.named(found, may_show=True) == named
    assert misfits.named(found, may_show=False) == without


def test_a_transaction_that_is_not_left_is_explained() -> None:
    """CREATE INDEX CONCURRENTLY inside one: what leaves it, and the driver under which that does not work."""
    failed = {"sqlstate": "25001", "message": "CREATE INDEX CONCURRENTLY cannot run inside a transaction block"}
    entry = Entry(
        id="2b0000000002", down=(), depends_on=(), doc="An index", file="2b.py", sha256="", uses_autocommit=False
    )
    found = advice.check(failed, entry)
    assert (found.found, found.why) == (
        "SQLSTATE 25001",
        "it must run outside a transaction: CREATE INDEX CONCURRENTLY cannot run inside a transaction block",
    )
    assert found.next == (
        "Put it into `with op.get_context().autocommit_block():`. Under the driver pg8000 that block does not leave "
        "the transaction (plain Alembic fails there too): let env.py use psycopg or psycopg2."
    )
