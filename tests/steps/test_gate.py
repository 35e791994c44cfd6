"""What a protected target asks for before it is changed, judged by the step itself, and what inspect asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alembook import archive, errors
from alembook.steps import gate, inspection
from alembook.steps.runbook import Book
from alembook.verdict import Grade, Outcome
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
