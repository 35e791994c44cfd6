"""Scratch databases: where they go, what must fit, how they are found and dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import embedded, needs, scratch
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server
from alembook.postgres.needs import Needs
from tests.postgres.targets import target

#: They make roles and databases of fixed names, which all of a server share.
pytestmark = pytest.mark.xdist_group("roles")


RUN = "20261122T120301Z-4f2a9c"


def ask(database: Database, query: str) -> object:
    """Returns the first value a query gives."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        return connections.scalar(connection, query)


def execute(database: Database, *statements: str) -> None:
    """Executes statements, each committed."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        for statement in statements:
            connections.execute(connection, statement)


def needed(database: Database) -> Needs:
    """Returns what a database uses."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        return needs.read(connection)


def url(database: Database) -> str:
    """Returns a database's URL as libpq spells it."""
    return database.url().replace("+psycopg2", "")


@pytest.fixture
def beside(database18: Database, server18: Server, tmp_path: Path) -> Iterator[scratch.Place]:
    """Yields the test server as a place named as the target's own; what a test leaves there is dropped."""
    (tmp_path / "url").write_text(url(database18))
    named = target(tmp_path, database="file:url", scratch="file:url")
    place = scratch.place(named, needed(database18))
    before = {each.name for each in scratch.find(place)}
    yield place
    for each in scratch.find(place):
        if each.name not in before:
            scratch.drop(each)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Yields a folder whose embedded server for scratch databases is stopped afterwards."""
    yield tmp_path
    for major in (16, 18):
        server = embedded.Server(tmp_path / ".alembook/scratch", major, fast=True)
        server.stop()
        server.release()


def test_without_a_word_it_is_an_embedded_server_of_its_own(database: Database, elsewhere: Path) -> None:
    """The target's server is not touched: a separate cluster of the same major version is made for nothing else."""
    wanted = needed(database)
    place = scratch.place(target(elsewhere), wanted)
    assert (place.kind, place.version.partition(".")[0]) == ("embedded", str(wanted.major))
    with contextlib.closing(connections.connect(place.database, application_name="alembook test")) as connection:
        assert not needs.is_same_server(needs.server_of(connection), wanted.server)
    assert [each.label() for each in scratch.existing(target(elsewhere))] == [place.label()]


def test_the_copy_is_like_the_original(server18: Server, elsewhere: Path) -> None:
    """Encoding, collation, settings of the database and names of roles are the target's, not the server's."""
    admin = server18.ensure()
    execute(admin, "CREATE DATABASE odd TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc")
    execute(admin, 'ALTER DATABASE odd SET search_path = a, "b c"', "ALTER DATABASE odd SET my.word = 'yes'")
    execute(admin, "ALTER DATABASE odd SET default_transaction_read_only = on", 'CREATE ROLE "odd one"')
    try:
        wanted = needed(admin.with_dbname("odd"))
        made = scratch.create(scratch.place(target(elsewhere), wanted), wanted, run_id=RUN, target="demo")
        assert ask(made.database, "SHOW server_encoding") == "LATIN1"
        assert ask(made.database, "SHOW search_path") == 'a, "b c"'
        assert ask(made.database, "SHOW my.word") == "yes"
        assert ask(made.database, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'odd one'") is False
        assert ask(made.database, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
        assert replace(needed(made.database), server=("", ""), settings=(), roles=()) == replace(
            wanted, server=("", ""), settings=(), roles=()
        )
    finally:
        execute(admin, "DROP DATABASE odd", 'DROP ROLE "odd one"')


def test_an_embedded_server_of_another_major_version(tmp_path: Path, database18: Database) -> None:
    """What the wheel does not have is said, with the way out."""
    with pytest.raises(errors.ScratchUnfit) as caught:
        scratch.place(target(tmp_path), replace(needed(database18), version_num=150004))
    assert str(caught.value) == (
        "The embedded PostgreSQL is no place to restore a backup of demo.\n"
        "  why:  the target's server is PostgreSQL 15, and the embedded one exists as 16 and 18.\n"
        "  next: Set rehearsal.scratch of the target to a server that has it, with a role that may create databases: "
        'scratch = "env:SCRATCH_URL". A small database can be restored beside itself: write scratch as database is '
        "written."
    )


def test_what_the_server_lacks_is_named(elsewhere: Path, database18: Database) -> None:
    """Extensions, ICU and collations are compared before anything is restored."""
    wanted = replace(
        needed(database18),
        provider="i",
        locale="und",
        extensions={"plpgsql": "1.0", "postgis": "3.4"},
        collations={"de_DE": "c", "de-x-icu": "i"},
    )
    with pytest.raises(errors.ScratchUnfit) as caught:
        scratch.place(target(elsewhere), wanted)
    assert str(caught.value) == (
        "The database cannot be restored on the embedded PostgreSQL.\n"
        "  why:  it needs the extension postgis, collations of ICU, the collation de_DE, which that server does not "
        "have.\n"
        "  next: Set rehearsal.scratch of the target to a server that has it, with a role that may create databases: "
        'scratch = "env:SCRATCH_URL". A small database can be restored beside itself: write scratch as database is '
        "written."
    )


def test_a_locale_the_machine_does_not_have(beside: scratch.Place, database18: Database) -> None:
    """What only CREATE DATABASE finds out is told in the same way, and leaves nothing."""
    wanted = replace(needed(database18), provider="c", collate="xx_XX.UTF-8", ctype="xx_XX.UTF-8", locale="")
    with pytest.raises(errors.ScratchUnfit, match=r"^No database like the target's can be made on ") as caught:
        scratch.create(beside, wanted, run_id=RUN, target="demo")
    assert "The target has encoding UTF8, collation xx_XX.UTF-8." in caught.value.why
    assert [each for each in scratch.find(beside) if each.run_id == RUN] == []


def test_the_targets_own_server_is_used_only_when_named_so(tmp_path: Path, database18: Database) -> None:
    """Another reference that turns out to lead there is refused; the target's own reference is a word."""
    for name in ("url", "other"):
        (tmp_path / name).write_text(url(database18))
    with pytest.raises(errors.ScratchUnfit) as caught:
        scratch.place(target(tmp_path, database="file:url", scratch="file:other"), needed(database18))
    assert str(caught.value) == (
        "rehearsal.scratch of demo leads to the target's own server.\n"
        "  why:  restoring and rehearsing there would take its disk, its memory and its connections, and was not asked "
        "for by name.\n"
        "  next: Point it at another server; or, when that is what you want, write "
        f'scratch = "file:{tmp_path}/url", the reference that names the target itself.'
    )
    named = scratch.place(target(tmp_path, database="file:url", scratch="file:url"), needed(database18))
    assert named.kind == "the target's own server"


def test_another_server(tmp_path: Path, database18: Database, server16: Server) -> None:
    """A newer server will do, and says what is other there; an older one cannot read the dump."""
    (tmp_path / "url").write_text(url(database18))
    place = scratch.place(
        target(tmp_path, database="embedded:", scratch="file:url"),
        replace(needed(server16.ensure()), tablespaces=("x",)),
    )
    assert place.kind == "another server"
    assert place.remarks == (
        f"PostgreSQL {place.version} instead of 16", "everything lies in one tablespace, not in x",
    )  # fmt: skip
    (tmp_path / "url").write_text(url(server16.ensure()))
    with pytest.raises(errors.ScratchUnfit, match=r"it needs PostgreSQL 18 or newer \(it is 16\.") as caught:
        scratch.place(target(tmp_path, scratch="file:url"), needed(database18))
    assert caught.value.exit_code == 2


def test_a_role_without_createdb(tmp_path: Path, server18: Server, database18: Database) -> None:
    """The right that is missing is named, with the statement that gives it."""
    execute(server18.ensure(), "CREATE ROLE poor LOGIN")
    try:
        poor = replace(server18.ensure(), user="poor")
        (tmp_path / "url").write_text(url(poor))
        with pytest.raises(errors.ScratchUnfit) as caught:
            scratch.place(target(tmp_path, database="file:url", scratch="file:url"), needed(database18))
    finally:
        execute(server18.ensure(), "DROP ROLE poor")
    assert str(caught.value) == (
        f"poor may not create databases on {poor.label()}.\n"
        "  why:  a backup is proven by restoring it into a database of its own.\n"
        "  next: Have an administrator of that server run: ALTER ROLE poor CREATEDB."
    )


def test_a_scratch_database_says_whose_it_is(beside: scratch.Place, database18: Database) -> None:
    """By its name the run, by its comment the target and whether it stays; a second one of a run has a number."""
    wanted = needed(database18)
    one = scratch.create(beside, wanted, run_id=RUN, target="demo")
    two = scratch.create(beside, wanted, run_id=RUN, target="demo", keep=True)
    found = {each.name: each for each in scratch.find(beside) if each.run_id == RUN}
    assert list(found) == ["alembook_20261122t120301z-4f2a9c", "alembook_20261122t120301z-4f2a9c_2"]
    assert [(each.target, each.is_kept) for each in found.values()] == [("demo", False), ("demo", True)]
    assert all(each.size_bytes for each in found.values())
    assert scratch.named(beside, two.name) == found[two.name]
    scratch.drop(one)
    scratch.drop(one)
    assert scratch.named(beside, one.name) is None
    assert two.drop_command() == 'DROP DATABASE "alembook_20261122t120301z-4f2a9c_2" WITH (FORCE)'


def test_one_whose_maker_was_killed_is_found_all_the_same(beside: scratch.Place) -> None:
    """Between CREATE DATABASE and its comment there is a moment: the name alone tells."""
    execute(beside.database, 'CREATE DATABASE "alembook_20261122t120301z-4f2a9c_7"', "CREATE DATABASE alembook_mine")
    try:
        found = [each for each in scratch.find(beside) if each.run_id == RUN]
        assert [(each.name, each.target) for each in found] == [("alembook_20261122t120301z-4f2a9c_7", "")]
    finally:
        execute(beside.database, "DROP DATABASE alembook_mine")


def test_nobody_else_may_look_into_it(beside: scratch.Place, database18: Database) -> None:
    """It holds what the target holds: PUBLIC has no right to connect."""
    made = scratch.create(beside, needed(database18), run_id=RUN, target="demo")
    execute(beside.database, "CREATE ROLE curious LOGIN")
    try:
        with pytest.raises(errors.AccessRefused):
            ask(replace(made.database, user="curious"), "SELECT 1")
    finally:
        execute(beside.database, "DROP ROLE curious")


def test_dropping_does_not_drop_a_replication_slot(beside: scratch.Place, database18: Database) -> None:
    """A subscription a revision made in the copy would refuse DROP DATABASE; it is parted from its slot first."""
    made = scratch.create(beside, needed(database18), run_id=RUN, target="demo")
    execute(
        made.database,
        "CREATE SUBSCRIPTION orders CONNECTION 'host=/nowhere dbname=x' PUBLICATION p "
        "WITH (connect = false, slot_name = 'of_production')",
    )
    scratch.drop(made)
    assert scratch.named(beside, made.name) is None
