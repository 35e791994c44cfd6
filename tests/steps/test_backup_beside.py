"""Backups beside other things: a dump that goes on, a program of the operator's, what acts on other servers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook import errors, process
from alembook.postgres import cluster, scratch
from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.steps import upgrade
from alembook.verdict import Outcome
from tests.postgres.rich import POOR, RICH
from tests.steps.backups import cleared, closed, folder_of, is_green, made, planned
from tests.steps.conftest import Desk, copied
from tests.steps.servers import own_server

#: They make roles and databases of fixed names, which all of a server share.
pytestmark = pytest.mark.xdist_group("roles")


@pytest.mark.parametrize("name", ["pg_dump", "alembook 20261122T120301Z-4f2a9c backup"])
def test_no_revision_begins_while_something_dumps(name: str, desk: Desk) -> None:
    """Its locks would hold up the first ALTER TABLE, and that everybody else: exit 3, nothing applied."""
    planned(desk)
    with contextlib.closing(connections.connect(desk.database, application_name=name)) as dumping:
        connections.execute(dumping, "BEGIN")
        connections.execute(dumping, "LOCK TABLE people, visits IN ACCESS SHARE MODE")
        with desk.book("upgrade", stage=1) as book:
            refused = upgrade.apply(book)
        pid = dumping.info.backend_pid
    assert refused.gate.outcome is Outcome.FAILED
    check = refused.gate.closed_by[0]
    assert check.name == "nothing dumps the database now"
    assert check.found.startswith(f"pid {pid} ({name}, postgres), 2 tables, for ")
    assert desk.ask("SELECT version_num FROM alembic_version") == "1a0000000041"
    with desk.book("upgrade", stage=1) as book:
        upgrade.apply(book).require()


def program(desk: Desk, name: str, text: str) -> str:
    """Writes a program of the operator's, and returns its command line."""
    path = desk.folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return f"{path} 'a word'"


def elsewhere(desk: Desk, command: str, proof: str) -> Desk:
    """Returns a desk whose backups are made by a program."""
    lines = [f'command = "{command}"', *([f'proof_command = "{proof}"'] if proof else [])]
    return planned(desk, "[targets.demo.backup]\n" + "\n".join(lines) + "\n")


MAKES = (
    'test "$1" = "a word" || exit 9; test "$ALEMBOOK_TARGET" = demo || exit 8\n'
    'pg=$PGDATABASE; echo "$pg" > "$ALEMBOOK_DIRECTORY/label"; echo looking; echo "full-$ALEMBOOK_RUN_ID"'
)


def test_a_backup_made_and_proven_elsewhere(desk: Desk) -> None:
    """The program gets the target and a private folder, names the backup, and another one proves it by that name."""
    proves = 'test -f "$ALEMBOOK_DIRECTORY/label" || exit 7; echo "restored $ALEMBOOK_BACKUP"'
    elsewhere(desk, program(desk, "make", MAKES), program(desk, "prove", proves))
    receipt = made(desk)
    run = desk.run().run_id
    assert is_green(receipt), closed(receipt)
    assert (receipt.facts["backup"], list(receipt.facts["sha256"])) == (f"full-{run}", ["label"])
    assert (folder_of(desk, receipt) / "label").read_text(encoding="utf-8").strip() == desk.database.dbname
    assert receipt.facts["proof"] == {"outcome": "PASSED", "how": "command"}
    found = {check.name: check.found for check in receipt.checks}
    assert found["the backup was restored"] == f"restored full-{run}"


@pytest.mark.parametrize(
    ("proof", "outcome", "why"),
    [
        ("echo no such backup >&2; exit 3", Outcome.FAILED, "no such backup"),
        ("", Outcome.UNVERIFIED, "nobody has restored it."),
    ],
    ids=["refuted", "not tried"],
)
def test_a_backup_that_was_not_proven_elsewhere(proof: str, outcome: Outcome, why: str, desk: Desk) -> None:
    """A proof that fails and one that is missing both close the gate."""
    elsewhere(desk, program(desk, "make", MAKES), program(desk, "prove", proof) if proof else "")
    receipt = made(desk)
    assert receipt.gate.outcome is outcome
    assert closed(receipt)["the backup was restored"].why == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo 'no room' >&2; exit 4", "it ended with exit code 4."),
        ("exit 0", "it did not print a name of the backup."),
    ],
)
def test_a_program_that_makes_no_backup(text: str, why: str, desk: Desk) -> None:
    """Failing, or not saying what the backup is called, is no backup."""
    elsewhere(desk, program(desk, "make", text), "")
    with pytest.raises(errors.BackupFailed) as caught:
        made(desk)
    assert (caught.value.what, caught.value.why) == ("backup.command of demo made no backup.", why)


@pytest.fixture
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yields a server of the test's own that keeps replication slots."""
    with own_server(tmp_path_factory.mktemp("publisher"), "wal_level = logical") as server:
        yield server


def test_a_database_that_reaches_elsewhere_is_proven_without_harm(
    publisher: Server, filled: Desk, server18: Server, tmp_path: Path
) -> None:
    """Subscription, event trigger, foreign server, enums, json, large objects, partitions: proven beside the original.

    The replication slot of the original's subscription is on the same server, where dropping the copy could drop it.
    """
    admin = publisher.ensure()
    hq = publisher.create_database("hq")
    Desk(tmp_path, hq).execute("SELECT pg_create_logical_replication_slot('hq_slot', 'pgoutput')")
    with copied(server18, filled, tmp_path / "desk") as template:
        source = publisher.create_database("shop")
        desk = moved(template, source)
        for statement in RICH:
            desk.execute(statement)
        receipt = made(planned(desk))
        assert is_green(receipt), closed(receipt)
        left_out = {entry.split(" ")[0] for entry in receipt.facts["proof"]["left_out"]}
        assert left_out == {"SUBSCRIPTION", "PUBLICATION", "EVENT", "USER", "COMMENT"}
        with cleared(desk, publisher):
            pass
    place = scratch.Place(kind="another server", database=admin, version="18")
    assert scratch.find(place) == []
    assert Desk(tmp_path, hq).ask("SELECT slot_name FROM pg_replication_slots") == "hq_slot"
    for query, expected in {
        "SELECT subname || subslotname FROM pg_subscription": "from_hqhq_slot",
        "SELECT evtname FROM pg_event_trigger": "watcher",
        "SELECT pubname FROM pg_publication": "everything",
        "SELECT count(*) FROM pg_user_mapping": 1,
        "SELECT count(*) FROM shop.orders": 500,
    }.items():
        assert desk.ask(query) == expected
    for statement in POOR:
        desk.execute(statement)


KEEPER = """
CREATE TABLE keeper_rules (id int PRIMARY KEY, rule text); INSERT INTO keeper_rules VALUES (1, 'made by the extension');
CREATE TABLE keeper_jobs (id int PRIMARY KEY); SELECT pg_extension_config_dump('keeper_jobs', '');
"""


def test_tables_of_an_extension_are_its_own(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No dump has the rows the extension itself makes: equal in the copy they are no gap, changed they are one."""
    folder = tmp_path_factory.mktemp("keeping")
    (folder / "extension").mkdir()
    (folder / "extension/keeper.control").write_text("default_version = '1'\n", encoding="utf-8")
    (folder / "extension/keeper--1.sql").write_text(KEEPER, encoding="utf-8")
    with own_server(folder / "server", f"extension_control_path = '$system:{folder}'") as server:
        other = planned(moved(desk, server.create_database("keeping")))
        other.execute("CREATE EXTENSION keeper; INSERT INTO keeper_jobs VALUES (7)")
        receipt = made(other)
        assert is_green(receipt), closed(receipt)
        other.execute("INSERT INTO keeper_rules VALUES (2, 'made by hand')")
        receipt = made(other)
        assert receipt.gate.outcome is Outcome.FAILED
        check = closed(receipt)["the copy has the rows of every table"]
        assert check.why.startswith("public.keeper_rules: 1 instead of 2")


@pytest.mark.parametrize(
    ("encoding", "key", "value"),
    [("LATIN1", "'ä'", "'ß'"), ("SQL_ASCII", "'ä'", r"E'\xe4'"), ("SQL_ASCII", r"E'\xe4'", "'ß'")],
    ids=["LATIN1", "SQL_ASCII", "SQL_ASCII, with a key in another encoding"],
)
def test_a_database_in_another_encoding(encoding: str, key: str, value: str, desk: Desk, server18: Server) -> None:
    """Names and values beyond ASCII are counted, dumped as they lie there, restored and found equal."""
    name = f"{desk.database.dbname}_{encoding.lower()}"
    admin = Desk(desk.folder, server18.ensure())
    admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C' LOCALE_PROVIDER libc")
    with cleared(planned(moved(desk, server18.ensure().with_dbname(name))), server18) as other:
        other.execute('CREATE TABLE "größe" ("schlüssel" text PRIMARY KEY, wert text)')
        other.execute(f'INSERT INTO "größe" VALUES ({key}, {value})')
        receipt = made(other)
        assert is_green(receipt), closed(receipt)
        assert receipt.tables.set_index("table").loc["größe", "rows"] == 1
        assert receipt.facts["unread"] == {}
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def moved(desk: Desk, database: connections.Database) -> Desk:
    """Returns the desk with its database dumped and restored into another one."""
    folder = desk.folder / "moving"
    for argv in (
        ["pg_dump", "-Fc", "-f", str(folder), desk.database.dbname],
        ["pg_restore", "-d", database.dbname, str(folder)],
    ):
        where = desk.database if argv[0] == "pg_dump" else database
        program = str(cluster.binaries(18) / argv[0])
        done = process.run([program, *argv[1:]], environment={"PATH": os.defpath, **where.environment()})
        assert done.exit_code == 0, done.stderr
    (desk.folder / "database-url").write_text(database.url().replace("+psycopg2", ""), encoding="utf-8")
    return Desk(desk.folder, database)
