"""Backups: whole ones, damaged ones, what is kept, and what the proof says by name."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alembook import archive, errors
from alembook.archive.manifest import sha256
from alembook.postgres import cluster, fingerprint, restoring, scratch, tools
from alembook.postgres.embedded import Server
from alembook.steps import dumps, earlier, proving
from alembook.steps.dumps import Dump
from alembook.steps.making import Made
from alembook.verdict import Outcome
from tests.postgres.test_tools import exported, found
from tests.steps.backups import BESIDE, after_the_dump, cleared, closed, copies, folder_of, is_green, made, planned
from tests.steps.conftest import Desk

#: They make roles and databases of fixed names, which all of a server share.
pytestmark = pytest.mark.xdist_group("roles")


RESTORED = "the backup was restored"


@pytest.fixture
def place(desk: Desk, server18: Server) -> Iterator[Desk]:
    """Yields a desk whose run has its plan, and which is restored beside itself."""
    with cleared(planned(desk), server18) as ready:
        yield ready


def test_a_good_backup(place: Desk) -> None:
    """The receipt names server, version rows, fingerprint, rows, every file's hash, and the copy for the rehearsal."""
    receipt = made(place)
    assert is_green(receipt), closed(receipt)
    facts: dict[str, Any] = json.loads((place.run().path / "backup.json").read_text(encoding="utf-8"))
    folder = folder_of(place, receipt)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert facts["sha256"] == {path.name: sha256(path) for path in sorted(folder.iterdir())}
    assert (facts["version_rows"], facts["rows"]) == (["1a0000000041"], receipt.tables["rows"].sum())
    with place.connect() as connection:
        assert facts["fingerprint"] == fingerprint.read(connection).digest
    assert facts["server"]["database"] == place.database.dbname
    assert facts["proof"]["outcome"] == "PASSED"
    assert facts["scratch"] == {"place": "the target's own server", "database": copies(place)[0]}
    assert facts["globals"] == "globals.sql, without passwords"
    assert "PASSWORD" not in (folder / "globals.sql").read_text(encoding="utf-8")
    names = {event["event"] for event in place.run().events_of("20_backup.kernel")}
    assert {"dump_started", "dump_progress", "scratch_made", "restore_progress", "table_counted"} <= names


def _byte(made: Made) -> None:
    data = max(made.folder.glob("*.dat.gz"), key=lambda path: path.stat().st_size)
    whole = bytearray(data.read_bytes())
    whole[len(whole) // 2] ^= 255
    data.write_bytes(whole)


def _file(made: Made) -> None:
    max(made.folder.glob("*.dat.gz"), key=lambda path: path.stat().st_size).unlink()


@pytest.mark.parametrize("damage", [_byte, _file], ids=["a byte changed", "a file removed"])
def test_a_damaged_dump_is_no_backup(damage: Any, place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate closes with FAILED, no copy is left, and the good dump from before is still there."""
    good = folder_of(place, made(place))
    after_the_dump(monkeypatch, damage)
    planned(place, "")
    receipt = made(place)
    assert receipt.gate.outcome is Outcome.FAILED
    assert list(closed(receipt)) == [RESTORED]
    assert closed(receipt)[RESTORED].why.startswith(f"The dump in {folder_of(place, receipt)} could not be restored. ")
    assert (good / "toc.dat").exists()
    assert receipt.facts.get("scratch") is None
    assert [name for name in copies(place) if place.run().run_id.lower() in name] == []


def test_a_table_emptied_in_the_copy(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are not there after the restore are named by table, with both numbers."""
    real = restoring.restore

    def loses(tool: Any, folder: Any, database: Any, **options: Any) -> Any:
        result = real(tool, folder, database, **options)
        Desk(place.folder, database).execute("TRUNCATE people CASCADE")
        return result

    monkeypatch.setattr(restoring, "restore", loses)
    receipt = made(place)
    rows = place.ask("SELECT count(*) FROM people")
    assert receipt.gate.outcome is Outcome.FAILED
    assert f"public.people: 0 instead of {rows:,}" in closed(receipt)["the copy has the rows of every table"].why
    assert copies(place) == []


def test_a_table_emptied_while_the_proof_goes_on(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dump holds the rows of its snapshot, and is compared with that: what comes later does not matter."""
    rows = place.ask("SELECT count(*) FROM people")
    after_the_dump(monkeypatch, lambda _made: place.execute("TRUNCATE people CASCADE"))
    receipt = made(place)
    assert is_green(receipt), closed(receipt)
    copy = Desk(place.folder, place.database.with_dbname(receipt.facts["scratch"]["database"]))
    assert (place.ask("SELECT count(*) FROM people"), copy.ask("SELECT count(*) FROM people")) == (0, rows)


def test_a_value_changed_in_the_copy(place: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal counts are not enough: the column is named."""
    real = proving.restore

    def changes(*arguments: Any, **options: Any) -> Any:
        result = real(*arguments, **options)
        column = place.ask(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'people' AND data_type ~ 'char|text'"
        )
        where = "WHERE id = (SELECT min(id) FROM people)"
        Desk(place.folder, result[0].database).execute(f"UPDATE people SET {column} = 'other' {where}")
        return result

    monkeypatch.setattr(proving, "restore", changes)
    receipt = made(place)
    assert receipt.gate.outcome is Outcome.FAILED
    assert "public.people: values of " in closed(receipt)["the copy has the values of every table"].why


@pytest.mark.parametrize(
    ("damage", "name", "found"),
    [
        ("SELECT lo_put(4711, 1, 'x')", "the copy has the large objects", "1, with other contents"),
        ("SELECT lo_unlink(4711)", "the copy has the large objects", "0"),
        ("SELECT setval('people_id_seq', 3)", "the copy's sequences stand where they stood", "1 differ"),
    ],
    ids=["a large object changed", "a large object removed", "a sequence moved"],
)
def test_what_stands_beside_the_rows_is_compared(
    damage: str, name: str, found: str, place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large object or a sequence of the copy that is not the original's: FAILED by name; no content is kept."""
    place.execute("SELECT lo_from_bytea(4711, 'secret')")
    real = restoring.restore

    def damages(tool: Any, folder: Any, database: Any, **options: Any) -> Any:
        result = real(tool, folder, database, **options)
        Desk(place.folder, database).execute(damage)
        return result

    monkeypatch.setattr(restoring, "restore", damages)
    receipt = made(place)
    assert {check: each.found for check, each in closed(receipt).items()} == {name: found}
    assert (receipt.gate.outcome, copies(place)) == (Outcome.FAILED, [])
    objects = receipt.facts["large_objects"]
    assert (objects["objects"], len(objects["checksum"]), objects["unread"]) == (1, 32, "")


def test_a_dump_of_another_database(place: Desk, server18: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that got into the folder by mistake restores without an error, and is told apart."""

    def swap(made: Made) -> None:
        shutil.rmtree(made.folder)
        other = server18.create_database("another_one")
        with exported(other) as (_, snapshot):
            tools.dump(found(other, server18), other, made.folder, jobs=1, snapshot=snapshot, application_name="test")

    after_the_dump(monkeypatch, swap)
    receipt = made(place)
    assert receipt.gate.outcome is Outcome.FAILED
    assert "every counted table is in the dump" in closed(receipt)
    assert copies(place) == []


def test_a_pg_dump_that_is_too_old(desk: Desk) -> None:
    """16's against 18: refused with the way to get the right one, before anything is written."""
    planned(desk, keys=f'postgres_bin = "{cluster.binaries(16)}"\n')
    with pytest.raises(errors.ToolMissing) as caught:
        made(desk)
    assert (caught.value.what, caught.value.exit_code) == ("No pg_dump fits a server of PostgreSQL 18.", 2)
    assert not (desk.folder / "backups").exists()


def test_a_role_that_may_not_create_databases(place: Desk, server18: Server) -> None:
    """What could not be proven is UNVERIFIED, which closes the gate; the dump itself stays, and is not a good one."""
    Desk(place.folder, server18.ensure()).execute("CREATE ROLE poor LOGIN")
    try:
        poor = replace(server18.ensure(), user="poor", dbname="postgres")
        (place.folder / "poor-url").write_text(poor.url().replace("+psycopg2", ""), encoding="utf-8")
        text = (place.folder / "alembook.toml").read_text(encoding="utf-8")
        own = 'scratch = "file:database-url"'
        named = 'database = "file:poor-url"\ndirect = "file:database-url"'
        changed = text.replace(own, 'scratch = "file:poor-url"').replace('database = "file:database-url"', named)
        (place.folder / "alembook.toml").write_text(changed, encoding="utf-8")
        receipt = made(place)
    finally:
        Desk(place.folder, server18.ensure()).execute("DROP ROLE poor")
        (place.folder / "alembook.toml").write_text(text, encoding="utf-8")
    assert receipt.gate.outcome is Outcome.UNVERIFIED
    assert closed(receipt)[RESTORED].why.startswith("poor may not create databases on ")
    assert closed(receipt)[RESTORED].next.endswith("run: ALTER ROLE poor CREATEDB.")
    with place.book("backup") as book:
        assert [(dump.is_good, dump.is_proven) for dump in dumps.every(book)] == [(False, False)]


def test_a_scratch_server_that_does_not_answer(place: Desk) -> None:
    """Nor is what could not be tried."""
    (place.folder / "gone-url").write_text("postgresql://ann@127.0.0.1:1/x", encoding="utf-8")
    text = (place.folder / "alembook.toml").read_text(encoding="utf-8")
    changed = text.replace('scratch = "file:database-url"', 'scratch = "file:gone-url"')
    (place.folder / "alembook.toml").write_text(changed, encoding="utf-8")
    receipt = made(place)
    (place.folder / "alembook.toml").write_text(text, encoding="utf-8")
    assert receipt.gate.outcome is Outcome.UNVERIFIED
    assert list(closed(receipt)) == [RESTORED]


def test_a_copy_that_is_to_stay(place: Desk) -> None:
    """It says so itself, so that whoever ends the run leaves it."""
    receipt = made(place, keep_scratch=True)
    kept = [each.is_kept for each in scratch.find(next(scratch.existing(place.target())))
            if each.name == receipt.facts["scratch"]["database"]]  # fmt: skip
    assert kept == [True]


def test_a_recent_proof_will_do_when_the_policy_says_so(desk: Desk, server18: Server) -> None:
    """The first is proven, since none was; the next one rests on it until it is too old, or a later one FAILED."""
    recent = '[targets.demo.backup]\nproof = "recent"\nproof_max_age_days = 2\n'
    with cleared(planned(desk, BESIDE + recent), server18):
        first = made(desk)
        assert first.facts["proof"]["how"] == "restored"
        planned(desk, "")
        second = made(desk)
        assert is_green(second)
        assert second.facts["proof"] == {"outcome": "PASSED", "how": "recent"}
        assert second.facts.get("scratch") is None
        run = archive.runs(desk.folder / "runs", "demo")[-2]
        path = run.path / "backup.json"
        text = path.read_text(encoding="utf-8")
        path.write_text(json.dumps(json.loads(text) | {"ended_at": "2026-01-01T00:00:00.000Z"}), encoding="utf-8")
        planned(desk, "")
        assert made(desk).facts["proof"]["how"] == "restored"
        path.write_text(text, encoding="utf-8")
        path = archive.runs(desk.folder / "runs", "demo")[-1].path / "backup.json"
        failed = json.loads(path.read_text(encoding="utf-8"))
        failed["proof"]["outcome"] = "FAILED"
        path.write_text(json.dumps(failed), encoding="utf-8")
        planned(desk, "")
        with desk.book("backup") as book:
            assert earlier.proven(book, failed["method"]) is None


def test_an_empty_database_where_there_were_rows(place: Desk) -> None:
    """It dumps and restores without an error, and is no good backup, today or tomorrow: the last good one saw rows.

    The version table and Alembook's own rows, which are there still, count for nothing.
    """
    good = folder_of(place, made(place))
    saw = place.run().run_id
    place.execute("TRUNCATE people, visits, heap, events CASCADE")
    for _ in range(2):
        planned(place, "")
        receipt = made(place)
        assert receipt.gate.outcome is Outcome.FAILED
        check = closed(receipt)["the database is not empty where it was not"]
        assert (check.found, check.why) == ("0 rows", "this is an empty database, or another one than that run saw.")
        assert check.expected.startswith(f"rows: run {saw} saw ")
    assert receipt.facts["rows"] > 0
    assert (good / "toc.dat").exists()


def test_names_with_spaces(place: Desk) -> None:
    """Owners, schemas and tables that no line of a table of contents can be taken apart by make a good backup."""
    place.execute("""
        CREATE ROLE "DB Admins"; CREATE SCHEMA "A"; CREATE SCHEMA "A b";
        CREATE TABLE "A"."b x" AS SELECT 1 AS id; CREATE TABLE "A b"."x" AS SELECT 2 AS id;
        ALTER TABLE people OWNER TO "DB Admins"; ALTER TABLE "A b"."x" OWNER TO "DB Admins"
    """)
    try:
        receipt = made(place)
        assert is_green(receipt), closed(receipt)
    finally:
        place.execute('REASSIGN OWNED BY "DB Admins" TO CURRENT_USER; DROP ROLE "DB Admins"')


def test_old_dumps_go_after_a_good_one(desk: Desk, server18: Server) -> None:
    """With `keep = 1` the one before goes, with its note; a dump of a killed run that is older goes too."""
    with cleared(planned(desk, BESIDE + "[targets.demo.backup]\nkeep = 1\n"), server18):
        first = made(desk)
        half = desk.folder / "backups/demo/20200101T000000Z-000000"
        half.mkdir()
        planned(desk, "")
        second = made(desk)
        names = {path.name for path in (desk.folder / "backups/demo").iterdir()}
        kept = folder_of(desk, second).name
        assert names == {kept, f"{kept}.json"}
        assert second.facts["removed"] == [half.name, folder_of(desk, first).name]


@pytest.mark.parametrize(
    ("dumps_", "keep", "gone"),
    [
        ("ggg", 2, "1"),
        ("gggb", 2, "1"),
        ("bbbb", 1, ""),
        ("gbb", 1, ""),
        ("bgbg", 1, "123"),
        ("pggg", 2, "2"),
        ("ppgg", 2, "1"),
        ("g", 7, ""),
        ("", 1, ""),
    ],
)
def test_what_is_kept(dumps_: str, keep: int, gone: str) -> None:
    """b: not good, g: good, p: good and itself proven; oldest first. Neither the last good nor the last proven goes."""
    every = [
        Dump(folder=Path(str(number)), is_good=kind in "gp", is_proven=kind == "p")
        for number, kind in enumerate(dumps_, start=1)
    ]
    assert "".join(dump.folder.name for dump in dumps.no_longer_kept(every, keep)) == gone
