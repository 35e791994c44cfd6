"""Client programs: which one is taken, what it is told, what is left when it fails."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from alembook import errors, process
from alembook.postgres import cluster, tools
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server
from alembook.postgres.tools import Tool

REMOTE = Database(host="db.example.com", user="ann", password="s3cret", dbname="orders")
LOCAL = Database(host="/run/postgresql", user="ann", dbname="orders")


def fake(folder: Path, version: str, *, script: str = "", name: str = "pg_dump") -> Path:
    """Makes a client program that says this version and is a shell script for the rest; returns its folder."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit 0; fi\n{script}\n')
    program.chmod(0o755)
    return folder


def found(database: Database, server: Server, name: str = "pg_dump") -> Tool:
    """Returns the client program that fits a real server."""
    major = server.major * 10_000
    return tools.find(name, server_version_num=major, database=database, postgres_bin=None)


@contextlib.contextmanager
def exported(database: Database) -> Iterator[tuple[connections.Connection, str]]:
    """Yields a connection in a transaction, and the snapshot it has exported."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        connections.execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection, str(connections.scalar(connection, "SELECT pg_export_snapshot()"))


def fill(database: Database, *statements: str) -> None:
    """Executes statements, each committed."""
    with contextlib.closing(connections.connect(database, application_name="alembook test")) as connection:
        for statement in statements:
            connections.execute(connection, statement)


@pytest.mark.parametrize(
    ("said", "version", "version_num"),
    [
        ("pg_dump (PostgreSQL) 18.4 (Debian 18.4-1.pgdg12+1)", "18.4", 180004),
        ("pg_dump (PostgreSQL) 19beta1", "19", 190000),
        ("pg_dump (EnterpriseDB) 18.12.0", "18.12", 180012),
    ],
)
def test_a_version_is_what_the_program_says(tmp_path: Path, said: str, version: str, version_num: int) -> None:
    """Packagers add to the version, and a beta has no second number."""
    folder = fake(tmp_path / "bin", said)
    tool = tools.find("pg_dump", server_version_num=180004, database=REMOTE, postgres_bin=folder)
    assert (tool.path, tool.version, tool.version_num) == (folder / "pg_dump", version, version_num)


def test_postgres_bin_is_the_only_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that was configured is not silently replaced by another that would fit."""
    monkeypatch.setenv("PATH", str(fake(tmp_path / "path", "pg_dump (PostgreSQL) 18.4")))
    with pytest.raises(errors.ToolMissing) as caught:
        tools.find("pg_dump", server_version_num=180004, database=LOCAL, postgres_bin=tmp_path / "empty")
    assert str(caught.value) == (
        "No pg_dump fits a server of PostgreSQL 18.\n"
        f"  why:  it must be of version 18 or newer, and there is none in {tmp_path}/empty.\n"
        "  next: Install it (Debian: postgresql-client-18; conda-forge: postgresql=18), or set postgres_bin of the "
        "target to the folder that has it."
    )


def test_a_pg_dump_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older major version cannot dump the server; over the network the embedded one is no way out."""
    folder = fake(tmp_path / "bin", "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)")
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(errors.ToolMissing) as caught:
        tools.find("pg_dump", server_version_num=160002, database=REMOTE, postgres_bin=None)
    assert str(caught.value) == (
        "No pg_dump fits a server of PostgreSQL 16.\n"
        f"  why:  it must be of version 16 or newer, and {folder}/pg_dump is 15.18. The embedded ones have no SSL and "
        "are for local use.\n"
        "  next: Install it (Debian: postgresql-client-16; conda-forge: postgresql=16), or set postgres_bin of the "
        "target to the folder that has it."
    )


def test_no_pg_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any is told what to install."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.ToolMissing, match=r"and there is none in PATH\. The embedded ones have no SSL"):
        tools.find("pg_dump", server_version_num=180004, database=REMOTE, postgres_bin=None)


def test_a_program_that_does_not_work(tmp_path: Path) -> None:
    """What says no version is named as such."""
    folder = fake(tmp_path / "bin", "")
    with pytest.raises(errors.ToolMissing, match="does not say its version"):
        tools.find("pg_dump", server_version_num=180004, database=REMOTE, postgres_bin=folder)


def test_path_comes_before_the_embedded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the operator's that fits is taken, and is newer than the server if need be."""
    folder = fake(tmp_path / "bin", "pg_dump (PostgreSQL) 18.4")
    monkeypatch.setenv("PATH", str(folder))
    tool = tools.find("pg_dump", server_version_num=160002, database=LOCAL, postgres_bin=None)
    assert tool.path == folder / "pg_dump"


@pytest.mark.parametrize(("major", "taken"), [(14, 16), (16, 16), (17, 18), (18, 18)])
def test_the_embedded_one_serves_a_local_server(monkeypatch: pytest.MonkeyPatch, major: int, taken: int) -> None:
    """Over a unix socket or loopback the oldest embedded version that fits is taken."""
    monkeypatch.setenv("PATH", "/nowhere")
    for host in ("/run/postgresql", "127.0.0.1", "::1", "localhost"):
        database = Database(host=host, dbname="orders")
        tool = tools.find("pg_dump", server_version_num=major * 10_000, database=database, postgres_bin=None)
        assert tool.path == cluster.binaries(taken) / "pg_dump"


@pytest.mark.parametrize(
    "database",
    [REMOTE, Database(dbname="orders"), Database(host="localhost", parameters={"sslmode": "require"})],
    ids=["network", "left to libpq", "wants SSL"],
)
def test_the_embedded_one_serves_nothing_else(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """Without SSL it would go in clear over a network, or refuse a reference that asks for SSL."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.ToolMissing):
        tools.find("pg_dump", server_version_num=180004, database=database, postgres_bin=None)


def test_compression_is_asked_not_guessed(tmp_path: Path) -> None:
    """A build that has zstd says so by going on to connect; one that lacks it, or is too old to know it, uses gzip."""
    refuses = 'echo "this build does not support compression with ZSTD" >&2; exit 1'
    connects = 'echo "connection to server on socket failed" >&2; exit 1'
    for number, (version, script, expected) in enumerate(
        [("18.4", connects, "zstd:1"), ("18.4", refuses, "gzip:1"), ("15.2", refuses, "1")]
    ):
        folder = fake(tmp_path / str(number), f"pg_dump (PostgreSQL) {version}", script=script)
        tool = tools.find("pg_dump", server_version_num=140000, database=REMOTE, postgres_bin=folder)
        assert tools.compression(tool) == expected


def test_the_embedded_pg_dump_has_no_zstd(server: Server, database: Database) -> None:
    """The real probe of a real build."""
    assert tools.compression(found(database, server)) == "gzip:1"


def test_a_dump_of_a_snapshot(server: Server, database: Database, tmp_path: Path) -> None:
    """Two jobs dump what the snapshot sees, not what came later; the table of contents is read back."""
    fill(database, "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id", 'CREATE TABLE "a b" (id int)')
    directory = tmp_path / "backups" / "1"
    lines: list[str] = []
    with exported(database) as (_, snapshot):
        fill(database, "INSERT INTO orders VALUES (7777777)")
        result = tools.dump(
            found(database, server), database, directory, jobs=2, snapshot=snapshot,
            application_name="alembook backup", on_line=lines.append,
        )  # fmt: skip
    assert (result.version, result.compression) == (server.status().version, "gzip:1")
    assert result.seconds > 0
    assert {"--jobs=2", f"--snapshot={snapshot}", f"--file={directory}"} < set(result.argv)
    assert [line for line in lines if 'dumping contents of table "public.orders"' in line]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    restore = found(database, server, "pg_restore")
    entries = tools.table_of_contents(restore, directory)
    data = {(entry.schema, entry.name) for entry in entries if entry.kind == "TABLE DATA"}
    assert data == {("public", "orders"), ("public", "a b")}
    text = process.run([str(restore.path), "--file=-", "--data-only", str(directory)], environment={}, kept_lines=5_000)
    assert "1000" in text.stdout.splitlines()
    assert "7777777" not in text.stdout.splitlines()


def test_a_snapshot_of_another_database(server18: Server, database18: Database, tmp_path: Path) -> None:
    """The server refuses to dump another database under our snapshot: a dump proves which database it is of."""
    other = server18.ensure()
    directory = tmp_path / "dump"
    with exported(other) as (_, snapshot), pytest.raises(errors.BackupFailed) as caught:
        tools.dump(
            found(database18, server18), database18, directory, jobs=2, snapshot=snapshot, application_name="alembook",
        )  # fmt: skip
    assert str(caught.value) == (
        f"pg_dump of {database18.dbname} failed.\n"
        "  left: the unfinished dump was removed; the database is unchanged.\n"
        "  why:  it ended with exit code 1.\n"
        "  next: Correct what it says below, and make the backup again.\n"
        "  pg_dump said:\n"
        "    pg_dump: error: query failed: ERROR:  cannot import a snapshot from a different database\n"
        f"    pg_dump: detail: Query was: SET TRANSACTION SNAPSHOT '{snapshot}'"
    )
    assert not directory.exists()


def test_a_dump_waits_for_a_lock_only_so_long(server18: Server, database18: Database, tmp_path: Path) -> None:
    """A table locked by somebody else ends the dump after its limit, by name."""
    fill(database18, "CREATE TABLE orders (id int)")
    with (
        exported(database18) as (_, snapshot),
        contextlib.closing(connections.connect(database18, application_name="alembook test")) as blocker,
    ):
        connections.execute(blocker, "BEGIN")
        connections.execute(blocker, "LOCK TABLE orders")
        with pytest.raises(errors.BackupFailed) as caught:
            tools.dump(
                found(database18, server18), database18, tmp_path / "dump", jobs=1, snapshot=snapshot,
                application_name="alembook", lock_timeout_ms=200,
            )  # fmt: skip
    assert "canceling statement due to statement timeout" in caught.value.evidence["pg_dump said"]
    assert "LOCK TABLE public.orders IN ACCESS SHARE MODE" in caught.value.evidence["pg_dump said"]


def test_the_password_is_nowhere(tmp_path: Path) -> None:
    """It reaches pg_dump in its environment: not in its arguments, not in what is handed on, not in the error."""
    script = 'test "$PGPASSWORD" = s3cret && echo "pg_dump: error: s3cret and $* to $PGHOST" >&2; exit 1'
    folder = fake(tmp_path / "bin", "pg_dump (PostgreSQL) 18.4", script=script)
    tool = tools.find("pg_dump", server_version_num=180004, database=REMOTE, postgres_bin=folder)
    lines: list[str] = []
    with pytest.raises(errors.BackupFailed) as caught:
        tools.dump(
            tool, REMOTE, tmp_path / "dump", jobs=1, snapshot="1-1", application_name="alembook", on_line=lines.append,
        )  # fmt: skip
    assert str(caught.value) == (
        "pg_dump of orders failed.\n"
        "  left: no file was written; the database is unchanged.\n"
        "  why:  it ended with exit code 1.\n"
        "  next: Correct what it says below, and make the backup again.\n"
        "  pg_dump said:\n"
        f"    pg_dump: error: *** and --format=directory --file={tmp_path}/dump --jobs=1 --snapshot=1-1 "
        "--compress=gzip:1 --lock-wait-timeout=60000 --no-password --verbose to db.example.com"
    )
    assert lines
    assert "s3cret" not in "".join(lines)


def test_a_full_disk(tmp_path: Path) -> None:
    """What was written of the dump is removed, so that the next one has room."""
    said = "pg_dump: error: could not write to file: No space left on device"
    script = (
        'for a in "$@"; do case $a in --file=/dev/null) exit 1;; --file=*) mkdir "${a#--file=}";; esac; done\n'
        f'echo "pg_dump: reading" >&2; echo "{said}" >&2; exit 1'
    )
    folder = fake(tmp_path / "bin", "pg_dump (PostgreSQL) 18.4", script=script)
    tool = tools.find("pg_dump", server_version_num=180004, database=REMOTE, postgres_bin=folder)
    with pytest.raises(errors.BackupFailed) as caught:
        tools.dump(tool, REMOTE, tmp_path / "dump", jobs=1, snapshot="1-1", application_name="alembook")
    assert caught.value.state == "the unfinished dump was removed; the database is unchanged."
    assert caught.value.evidence == {"pg_dump said": said}
    assert not (tmp_path / "dump").exists()


def test_an_interrupted_dump_is_removed(server18: Server, database18: Database, tmp_path: Path) -> None:
    """Ctrl-C ends pg_dump, and half a dump does not stay."""

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with exported(database18) as (_, snapshot), pytest.raises(KeyboardInterrupt):
        tools.dump(
            found(database18, server18), database18, tmp_path / "dump", jobs=1, snapshot=snapshot,
            application_name="alembook", on_line=interrupt,
        )  # fmt: skip
    assert not (tmp_path / "dump").exists()


def test_an_older_dump_is_left_alone(tmp_path: Path) -> None:
    """A folder that is there already is refused as it is."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump/toc.dat").write_text("of yesterday")
    tool = Tool(name="pg_dump", path=Path("/bin/false"), version="18.4", version_num=180004)
    with pytest.raises(errors.BackupFailed) as caught:
        tools.dump(tool, REMOTE, tmp_path / "dump", jobs=1, snapshot="1-1", application_name="alembook")
    assert str(caught.value) == (
        f"{tmp_path}/dump is there already.\n"
        "  left: the folder is as it was.\n"
        "  why:  a dump goes into a folder of its own, so that no older one is mixed with it or lost.\n"
        "  next: Choose another folder."
    )
    assert (tmp_path / "dump/toc.dat").read_text() == "of yesterday"


def test_a_backup_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder of backups should be is named."""
    (tmp_path / "backups").write_text("")
    tool = Tool(name="pg_dump", path=Path("/bin/false"), version="18.4", version_num=180004)
    with pytest.raises(errors.BackupFailed) as caught:
        tools.dump(tool, REMOTE, tmp_path / "backups/1", jobs=1, snapshot="1-1", application_name="alembook")
    assert str(caught.value) == (
        f"The folder for the dump, {tmp_path}/backups, could not be made.\n"
        "  left: nothing was written.\n"
        "  why:  File exists.\n"
        "  next: Point `backup.directory` of the target at a folder that can be written."
    )


def test_a_dump_that_cannot_be_read(server18: Server, database18: Database, tmp_path: Path) -> None:
    """A damaged table of contents is a backup that failed."""
    (tmp_path / "toc.dat").write_text("no dump")
    with pytest.raises(errors.BackupFailed) as caught:
        tools.table_of_contents(found(database18, server18, "pg_restore"), tmp_path)
    assert str(caught.value) == (
        f"The dump in {tmp_path} cannot be read.\n"
        "  left: the dump is as it was.\n"
        "  why:  pg_restore --list ended with exit code 1.\n"
        "  next: Do not rely on this backup: make another one.\n"
        "  pg_restore said:\n"
        "    pg_restore: error: did not find magic string in file header"
    )
