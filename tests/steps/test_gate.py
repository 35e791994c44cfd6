"""What a protected target asks for before it is changed, judged by the step itself, and what inspect asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alembook import archive, errors
from alembook.postgres import connection as connections
from alembook.postgres.connection import Database
from alembook.postgres.embedded import Server
from alembook.steps import backup, gate, inspection, rehearsal, upgrade
from alembook.steps.runbook import Book
from alembook.verdict import Grade, Outcome
from tests.steps.backups import planned
from tests.steps.conftest import Desk

PROTECTED = "protected = true\n"


@pytest.fixture
def prepared(desk: Desk) -> tuple[Desk, archive.RunFolder]:
    """Returns a desk whose target is protected, and a run that was inspected."""
    path = desk.folder / "alembook.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('project = "project"\n', f'project = "project"\n{PROTECTED}'), encoding="utf-8")
    begun = archive.begin(desk.folder / "runs", "demo", to="head")
    with desk.book("inspect", folder=begun) as book:
        inspection.inspect(book, to="head")
    return desk, begun


def judged(desk: Desk, confirmed: str = "demo") -> dict[str, Any]:
    """Returns the gate's checks that are not PASSED, by name."""
    with desk.book("upgrade", stage=1) as book:
        book.confirmed = confirmed
        return {check.name: check for check in gate.judge(book) if check.outcome is not Outcome.PASSED}


def written(desk: Desk, *, minutes: int = 0, days: int = 0, **changes: Any) -> None:
    """Writes a proven backup and a rehearsal that PASSED into the run's record, so old, with changes."""
    run = desk.run()
    plan = (run.receipt("plan") or {})["plan"]
    now = datetime.now(UTC)
    backup = {
        "outcome": "PASSED",
        "taken_at": (now - timedelta(minutes=minutes)).isoformat(),
        "server": plan["server"],
        "version_rows": plan["start"],
        "proof": {"outcome": "PASSED"},
    }
    rehearsal = {"outcome": "PASSED", "plan_hash": plan["hash"], "ended_at": (now - timedelta(days=days)).isoformat()}
    run.write_receipt("backup", {**backup, **changes.get("backup", {})})
    run.write_receipt("rehearsal", {**rehearsal, **changes.get("rehearsal", {})})


def test_the_name_is_typed(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """Without it, or with another one, nothing is judged: exit 2 with what to type."""
    desk, run = prepared
    for confirmed in ("", "other"):
        with pytest.raises(errors.ProtectedTarget) as caught:
            judged(desk, confirmed)
        assert caught.value.next == (
            f"`alembook run --run {run.run_id} --confirm demo`; a notebook takes it as its parameter `confirm`."
        )


def test_a_way_back_and_a_rehearsal_are_asked_for(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """Without both the gate is closed; with them it is open."""
    desk, _ = prepared
    assert set(judged(desk)) == {"a backup of this database at this revision is proven", "this plan was rehearsed"}
    written(desk)
    assert judged(desk) == {}


@pytest.mark.parametrize(
    ("changes", "name", "found"),
    [
        ({"minutes": 61}, "the backup is not older than 60 minutes", "taken at "),
        ({"days": 15}, "the rehearsal is not older than 14 days", "it ended at "),
        (
            {"backup": {"proof": {"outcome": "UNVERIFIED"}}},
            "a backup of this database at this revision is proven",
            "it was not proven by restoring it",
        ),
        (
            {"backup": {"version_rows": ["0000"]}},
            "a backup of this database at this revision is proven",
            "it was taken at 0000",
        ),
        (
            {"backup": {"server": {"system_identifier": "1", "database_oid": 1}}},
            "a backup of this database at this revision is proven",
            "it is of another database",
        ),
        (
            {"backup": {"folder": "backups/gone", "sha256": {f"{n}.dat": "" for n in range(1, 8)}}},
            "a backup of this database at this revision is proven",
            "gone or changed on disk: 1.dat, 2.dat, 3.dat, 4.dat, 5.dat and 2 more",
        ),
        ({"backup": {"outcome": "FAILED"}}, "a backup of this database at this revision is proven", "it is FAILED"),
        ({"rehearsal": {"outcome": "FAILED"}}, "this plan was rehearsed", "the rehearsal is FAILED"),
        ({"rehearsal": {"plan_hash": "abc"}}, "this plan was rehearsed", "another plan was rehearsed: abc"),
    ],
)
def test_what_is_wrong_is_named(
    prepared: tuple[Desk, archive.RunFolder], changes: dict[str, Any], name: str, found: str
) -> None:
    """Each thing turns one must check red."""
    desk, _ = prepared
    written(desk, **changes)
    closed = judged(desk)
    assert set(closed) == {name}
    assert closed[name].found.startswith(found)
    assert closed[name].grade is Grade.MUST


def test_a_dump_lost_after_the_change_began_is_put_back(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """Before it another backup is made, afterwards none: the next thing to do differs."""
    desk, run = prepared
    written(desk, backup={"folder": "backups/gone", "sha256": {"toc.dat": ""}})
    (check,) = judged(desk).values()
    assert check.next == f"`alembook run --run {run.run_id} --only backup`."
    run.write_receipt("before", {})
    (check,) = judged(desk).values()
    assert check.next == (
        "Put the dump back from a copy of it: a rollback by restore needs it, and no other one can be made now."
    )


def test_an_emergency_lets_ages_and_rehearsal_stand_and_not_the_backup(
    prepared: tuple[Desk, archive.RunFolder],
) -> None:
    """They become shoulds that say why; a backup that is not proven stays a must."""
    desk, run = prepared
    written(desk, minutes=90, days=30, backup={"proof": {}}, rehearsal={"outcome": "FAILED"})
    run.state(archive.EMERGENCY, reason="the disk fills up")
    closed = judged(desk)
    assert {name: check.grade.value for name, check in closed.items()} == {
        "a backup of this database at this revision is proven": "must",
        "the backup is not older than 60 minutes": "should",
        "this plan was rehearsed": "should",
        "the rehearsal is not older than 14 days": "should",
    }
    assert closed["this plan was rehearsed"].why.startswith("emergency: the disk fills up (")


def test_a_waiver_is_applied_by_its_name(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """The check keeps its outcome and says who waived it, and why."""
    desk, run = prepared
    written(desk, minutes=90)
    run.state(archive.WAIVER, check="the backup is not older than 60 minutes", reason="nobody writes")
    (check,) = judged(desk).values()
    assert check.outcome is Outcome.FAILED
    assert check.waived.startswith("nobody writes (")


def test_inspect_asks_what_the_way_back_needs(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """Musts for a protected target: rights, sessions, slots, room; another way back asks for other things."""
    desk, run = prepared
    names = {check["name"]: check["grade"] for check in (run.receipt("plan") or {})["checks"]}
    assert names["a copy can be made beside the database"] == "must"
    assert names["no logical slot keeps the database where it is"] == "must"
    path = desk.folder / "alembook.toml"
    for way, name in (
        ("downgrade", "every revision can be taken back"),
        ("external", "somebody else can bring the database back"),
    ):
        text = path.read_text(encoding="utf-8").replace(PROTECTED, f'{PROTECTED}way_back = "{way}"\n')
        path.write_text(text, encoding="utf-8")
        begun = archive.begin(desk.folder / "runs", "demo", to="head")
        with desk.book("inspect", folder=begun) as book:
            found = inspection.inspect(book, to="head")
        assert [check.grade for check in found.checks if check.name == name] == [Grade.MUST]
        path.write_text(text.replace(f'way_back = "{way}"\n', ""), encoding="utf-8")


@pytest.fixture
def poor(server16: Server) -> Iterator[Database]:
    """Yields a role that may not make databases, on another server than the target's."""
    name = f"poor_{os.getpid()}"
    with connections.closing(connections.connect(server16.ensure(), application_name="test")) as connection:
        connections.execute(connection, f"CREATE ROLE {name} LOGIN")
        yield replace(server16.ensure(), user=name, dbname="postgres")
        connections.execute(connection, f"DROP ROLE {name}")


def test_without_a_place_for_a_copy_nothing_is_changed(desk: Desk, poor: Database) -> None:
    """Said by inspect, backup and rehearsal, with what to do; the change is refused, since nothing is proven."""
    (desk.folder / "poor-url").write_text(poor.url().replace("+psycopg2", ""), encoding="utf-8")
    planned(desk, '[targets.demo.rehearsal]\nscratch = "file:poor-url"\n', keys=PROTECTED)
    asked = {check["name"]: check for check in (desk.run().receipt("plan") or {})["checks"]}
    why = f"{poor.user} may not create databases on {poor.label()}. a backup is proven by restoring it"
    receipts = [asked["the backup can be restored there"]]
    with desk.book("backup") as book:
        made = backup.make(book)
    with desk.book("rehearse") as book:
        rehearsed = rehearsal.rehearse(book)
    receipts += [asdict(each.gate.closed_by[0]) for each in (made, rehearsed)]
    for check in receipts:
        assert (check["grade"], check["outcome"]) == ("must", "UNVERIFIED"), check
        assert why in check["why"]
        assert check["next"] == f"Have an administrator of that server run: ALTER ROLE {poor.user} CREATEDB."
    with pytest.raises(errors.CheckUnverified):
        made.require()
    found = judged(desk)["a backup of this database at this revision is proven"]
    assert (found.found, found.next) == (
        "it is UNVERIFIED; it was not proven by restoring it",
        f"`alembook run --run {desk.run().run_id} --only backup`.",
    )
    with desk.book("upgrade", stage=1) as book:
        book.confirmed = "demo"
        refused = upgrade.apply(book)
    assert refused.gate.outcome is Outcome.FAILED
    assert desk.ask("SELECT version_num FROM alembic_version") == "1a0000000041"


def test_a_protected_target_names_where_its_copies_go(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """A must of inspect, with what to write."""
    _, run = prepared
    checks = {check["name"]: check for check in (run.receipt("plan") or {})["checks"]}
    check = checks["rehearsal.scratch says where copies are made"]
    assert (check["grade"], check["outcome"], check["found"], check["next"]) == (
        "must",
        "FAILED",
        "it is not set",
        "Set it in [targets.demo.rehearsal]; see docs/configuration.md.",
    )


def test_a_copy_that_a_run_left_is_named_in_inspect(desk: Desk, server18: Server) -> None:
    """A should: it takes the room of a whole database, and no open run has it."""
    name = "alembook_20260101t000000z-abcdef"
    with connections.closing(connections.connect(server18.ensure(), application_name="test")) as connection:
        connections.execute(connection, f'CREATE DATABASE "{name}"')
        connections.execute(connection, f'COMMENT ON DATABASE "{name}" IS \'{{"target": "demo"}}\'')
        try:
            planned(desk)
        finally:
            connections.execute(connection, f'DROP DATABASE "{name}"')
    found = {check["name"]: check for check in (desk.run().receipt("plan") or {})["checks"]}
    check = found["no scratch database was left behind"]
    assert (check["grade"], check["outcome"]) == ("should", "FAILED")
    assert name in check["found"]


def test_a_prepared_run_is_inspected_again_for_the_same_plan(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """A file that changed since the backup is refused by name; without a backup the run is planned anew."""
    desk, run = prepared
    version = next((desk.folder / "project").rglob("versions/*.py"))
    version.write_text(version.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    def again() -> None:
        with desk.book("inspect", folder=run) as book:
            inspection.inspect(book, to="head")

    again()
    written(desk)
    again()
    version.write_text(version.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(errors.PlanChanged) as caught:
        again()
    assert caught.value.what == "1 things differ from the plan this run was prepared for."
    assert f"{version.name} changed." in caught.value.evidence["differences"]


def test_a_copy_asks_for_nothing(prepared: tuple[Desk, archive.RunFolder]) -> None:
    """On a restored copy, where a rehearsal works, the gate is open."""
    desk, run = prepared
    with desk.book("upgrade", stage=1, folder=run) as book:
        assert isinstance(book, Book)
        book.is_rehearsal = True
        assert gate.judge(book) == ()
