"""Every kind of Alembic environment, unedited and with rows, through the runbooks: forward, and back."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alembook.postgres.connection import Connection, Database, connect, rows, scalar
from tests.runs.conftest import ROOT, Workplace

#: Copies go to the target's own server, which is there: one more server for each run takes seconds and shows nothing.
_COPIES = 'rehearsal = { scratch = "file:database-url" }\n'


def bring(folder: Path, example: str, database: Database, settings: str = "") -> Workplace:
    """Returns a workplace with a copy of an example project."""
    shutil.copytree(ROOT / "tests/projects" / example, folder / "project")
    text = f'[targets.demo]\ndatabase = "file:database-url"\nproject = "project"\n{_COPIES}{settings}'
    (folder / "alembook.toml").write_text(text, encoding="utf-8")
    (folder / "database-url").write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
    return Workplace(folder=folder, database=database)


def run(place: Workplace, to: str) -> None:
    """Takes the workplace's target to a revision."""
    done = place.alembook("run", "-t", "demo", "--to", to)
    assert done.returncode == 0, done.stdout + done.stderr


def ledger(connection: Connection) -> list[tuple[str, str]]:
    """Returns direction and revision of what was committed, in order."""
    found = rows(connection, "SELECT direction, revision FROM alembook.applied ORDER BY applied_at")
    return [(row["direction"], row["revision"]) for row in found]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An example project: what its target needs, and what is where after each run.

    Attributes:
        settings: lines of its target's table.
        order: its revisions, as they are applied.
        back: how many of them are left after going back.
        query: gives one value that the revisions taken back have changed.
        there: that value at the end.
        then: that value after going back.
        versions: the version table.
        words: what ``--to`` says, forward and back; "" stands for the exact id.
    """

    settings: str = ""
    order: tuple[str, ...]
    back: int
    query: str
    there: object
    then: object
    versions: str = "alembic_version"
    words: tuple[str, str] = ("head", "")


def _order(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in range(1, count + 1))


def _columns(table: str) -> str:
    return f"SELECT count(*) FROM information_schema.columns WHERE table_name = '{table}'"


def _indexes(table: str) -> str:
    return f"SELECT count(*) FROM pg_indexes WHERE tablename = '{table}'"


_FLASK = 'flask_app = "shop:create_app"\nworking_directory = "project"\n'
_ALL_TO_ONE = 'environment = { SHOP_DATABASE = "{url}", ORDERS_DATABASE = "{url}" }\n'
_PIECES = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "database"}
_SETTINGS = ", ".join(f'APP_DB_{name} = "{{{place}}}"' for name, place in _PIECES.items())
_GENERIC = ("1a0000000001", "2b0000000002", "3c0000000003")
KINDS = {
    "generic": Kind(order=_GENERIC, back=2, query=_columns("accounts"), there=3, then=2, words=("+3", "2b00")),
    "pyproject": Kind(order=_order("11a00000000", 3), back=1, query="SELECT count(*) FROM books", there=2, then=2),
    "asynchronous": Kind(
        order=_order("22a00000000", 3),
        back=1,
        query="SELECT to_regclass('measurements')::text",
        there="measurements",
        then=None,
    ),
    "multidb": Kind(
        settings='bind = "orders"\n', order=_order("33a00000000", 3), back=1, query=_columns("orders"), there=3, then=2
    ),
    "flask_binds": Kind(
        settings=_FLASK + _ALL_TO_ONE + 'bind = ""\n',
        order=_order("44a00000000", 3),
        back=1,
        query=_columns("products"),
        there=3,
        then=2,
    ),
    "flask": Kind(
        settings=_FLASK + 'environment = { SHOP_DATABASE = "{url}" }\n',
        order=_GENERIC,
        back=0,
        query="SELECT to_regclass('accounts')::text",
        there="accounts",
        then=None,
    ),
    "own_engine": Kind(
        settings='environment = { WAREHOUSE_DSN = "{url}" }\n',
        order=_order("55a00000000", 2),
        back=1,
        query=_columns("parts"),
        there=3,
        then=2,
    ),
    "loggers": Kind(
        order=_order("66a00000000", 2), back=1, query="SELECT min(text) FROM notes", there="FIRST", then="first"
    ),
    "prefix": Kind(
        settings='alembic_args = ["prefix=acme_"]\n',
        order=_order("77a00000000", 2),
        back=1,
        query=_columns("acme_members"),
        there=3,
        then=2,
        versions="acme_alembic_version",
    ),
    "version_schema": Kind(
        order=_order("88a00000000", 2),
        back=1,
        query=_columns("entries"),
        there=3,
        then=2,
        versions="ops.schema_version",
    ),
    "per_migration": Kind(order=_order("99a00000000", 3), back=1, query=_indexes("events"), there=2, then=1),
    "external": Kind(
        order=_order("1a000000003", 3), back=1, query="SELECT to_regclass('table_3')::text", there="table_3", then=None
    ),
    "attributes": Kind(
        order=_order("aa100000000", 2),
        back=1,
        query="SELECT data_type FROM information_schema.columns WHERE column_name = 'seats'",
        there="integer",
        then="smallint",
    ),
    "argument": Kind(
        settings='alembic_args = ["dsn={url}"]\n',
        order=_order("bb100000000", 2),
        back=1,
        query="SELECT count(*) FROM tickets WHERE state = 'closed'",
        there=5,
        then=0,
    ),
    "settings": Kind(
        settings=f"environment = {{ {_SETTINGS} }}\n",
        order=_order("cc100000000", 2),
        back=1,
        query=_columns("users"),
        there=3,
        then=2,
    ),
}


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Yields a connection to the target, on PostgreSQL 18, then 16."""
    with contextlib.closing(connect(database, application_name="alembook test")) as opened:
        yield opened


@pytest.mark.parametrize("name", KINDS)
def test_forward_and_back(tmp_path: Path, database: Database, connection: Connection, name: str) -> None:
    """To head, then back: each revision in a commit of its own, and its rows as they should be at both ends."""
    kind = KINDS[name]
    place = bring(tmp_path, name, database, kind.settings)
    forth, back = kind.words
    run(place, forth)
    assert scalar(connection, f"SELECT version_num FROM {kind.versions}") == kind.order[-1]
    assert scalar(connection, kind.query) == kind.there
    assert place.receipt("verification.json")["outcome"] == "PASSED"
    left = [kind.order[kind.back - 1]] if kind.back else []
    run(place, back or (left[0] if left else "base"))
    found = rows(connection, f"SELECT version_num FROM {kind.versions}")
    assert [row["version_num"] for row in found] == left
    assert scalar(connection, kind.query) == kind.then
    undone = list(reversed(kind.order[kind.back :]))
    plan = place.receipt("plan.json")["plan"]
    assert (plan["direction"], len(plan["points"]), plan["points"][-1]) == ("down", len(undone), left)
    forward = [("up", revision) for revision in kind.order]
    assert ledger(connection) == [*forward, *(("down", revision) for revision in undone)]


def test_a_transaction_that_cannot_be_left(tmp_path: Path, database18: Database, connection18: Connection) -> None:
    """An autocommit block under an env.py with its own transaction: exit 3 after inspect, named, nothing applied."""
    place = bring(tmp_path, "external", database18)
    leaving = place.folder / "project/migrations/versions/1a0000000033.py"
    text = leaving.read_text().replace("def upgrade():\n", "def upgrade():\n    op.get_context().autocommit_block()\n")
    leaving.write_text(text, encoding="utf-8")
    done = place.alembook("run", "-t", "demo")
    assert done.returncode == 3, done.stderr
    why = "1a0000000033 must leave the transaction, and Alembic's autocommit_block cannot leave env.py's."
    assert "FAILED  each revision commits by itself: expected a transaction for each revision, found " in done.stderr
    assert why in done.stderr
    assert "Remove connection.begin() (or any statement) before context.configure() in env.py." in done.stderr
    assert scalar(connection18, "SELECT to_regclass('alembic_version')") is None


def test_branches(tmp_path: Path, database: Database, connection: Connection) -> None:
    """Two bases, labels, a merge and a dependency: by the beginning of an id, by label, to all heads, and back."""
    place = bring(tmp_path, "branches", database)
    steps = {
        "billing@head": ["ee1billing02"],  # with what it depends on, dd1sales002a
        "heads": ["dd1sales0003", "ee1billing02"],
        "ee1billing01": ["dd1sales0003", "ee1billing01"],
        "dd1sales0001": ["dd1sales0001", "ee1billing01"],
    }
    for goal, expected in steps.items():
        run(place, goal)
        found = rows(connection, "SELECT version_num FROM alembic_version ORDER BY 1")
        assert [row["version_num"] for row in found] == expected
    assert scalar(connection, "SELECT count(*) FROM customers") == 2
