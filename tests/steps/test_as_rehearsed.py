"""A run held against its rehearsal at its end: the schema, and the rows where tables differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alembook import archive
from alembook.postgres import connection as connections
from alembook.postgres.embedded import Server
from alembook.project.plan import Plan
from alembook.steps import backup, drift, inspection, rehearsal, schemas, upgrade
from alembook.verdict import Check, Grade, Outcome
from tests.steps.conftest import Desk, closed_by, copied, copies, drop_copies, noticed

BESIDE = '[targets.demo.rehearsal]\nscratch = "file:database-url"\n'
NAME = "the run ends at the schema that was rehearsed"
#: What revision 2 does besides: an index where rows say so, a note of the time, a value for each row.
MORE = '''
    op.execute("""DO $$ BEGIN
        IF EXISTS (SELECT FROM heap WHERE a = 1) THEN CREATE INDEX heap_by_b ON heap (b); END IF;
        EXECUTE format('CREATE TABLE noted_%s ()', substr(md5(random()::text), 1, 8));
    END $$""")
    op.execute("UPDATE visits SET place = place || gen_random_uuid()")
    op.execute("UPDATE people SET score = score + 1")
'''
BACK = """
    op.execute("DROP INDEX IF EXISTS heap_by_b")
"""
CHANGES = """
[[changes]]
table = "people"
columns = ["score"]
[[changes]]
table = "visits"
columns = ["place"]
"""


def rehearse(desk: Desk) -> None:
    """Begins a run, backs up and rehearses."""
    begun = archive.begin(desk.folder / "runs", "demo", to="head")
    with desk.book("inspect", folder=begun) as book:
        inspection.inspect(book, to="head")
    with desk.book("backup") as book:
        backup.make(book).require()
    with desk.book("rehearse") as book:
        rehearsal.rehearse(book).require()


def revised(desk: Desk, *, more: str = MORE, back: str = BACK, rules: str = CHANGES) -> Desk:
    """Gives the second revision more to do, and declares what it changes."""
    desk.configure(more=BESIDE)
    file = next((desk.folder / "project/migrations/versions").glob("2b*.py"))
    text = file.read_text(encoding="utf-8").replace("\n\n\ndef downgrade():\n", f"{more}\n\ndef downgrade():{back}")
    file.write_text(text, encoding="utf-8")
    (desk.folder / "project/migrations/checks.toml").write_text(rules, encoding="utf-8")
    return desk


@pytest.fixture(scope="module")
def ended(server18: Server, filled: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Yields a desk whose run was rehearsed and upgraded as it is, not verified; its copy is dropped."""
    with copied(server18, filled, tmp_path_factory.mktemp("rehearsed")) as desk:
        desk.configure(more=BESIDE)
        rehearse(desk)
        with desk.book("upgrade", stage=1) as book:
            upgrade.apply(book).require()
        yield desk
        drop_copies(desk)


@pytest.fixture
def after(server18: Server, ended: Desk, tmp_path: Path) -> Iterator[Desk]:
    """Yields a copy of that desk."""
    with copied(server18, ended, tmp_path) as desk:
        desk.configure(more=BESIDE, show_keys="true")
        yield desk


def test_what_was_made_by_hand_meanwhile_is_named(after: Desk) -> None:
    """An index takes nothing away, and still nothing of it was rehearsed: a must. Partitions are only noticed."""
    after.execute("""
        CREATE INDEX by_hand ON visits (place);
        CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')
    """)
    verified = after.verify()
    assert list(closed_by(verified)) == ["index public.by_hand is as rehearsed"]
    assert closed_by(verified)["index public.by_hand is as rehearsed"] == Check(
        name="index public.by_hand is as rehearsed",
        subject="public.by_hand",
        outcome=Outcome.FAILED,
        expected="not there",
        found="CREATE INDEX by_hand ON public.visits USING btree (place)",
        why="somebody else made it, after upgrade.s1, and no rehearsed revision makes it",
        next="Find out who made it: nothing of it was rehearsed. Remove it, or waive this check with the reason why it "
        "may stay.",
    )
    assert "index public.by_hand is as the run left it" not in noticed(verified)
    check = noticed(verified)["table public.events_2027 is as rehearsed"]
    assert (check.grade, check.outcome) == (Grade.SHOULD, Outcome.FAILED)
    assert check.why.startswith("a partition; time makes them: somebody else made it, after upgrade.s1")


def test_which_rows_differ_is_told_from_the_rehearsed_copy(after: Desk) -> None:
    """The copy stands where the plan ends, and still at verification: rows are named with their keys."""
    after.execute("""
        DELETE FROM visits WHERE id = 7; UPDATE people SET note = '' WHERE id = 5; UPDATE people SET nickname = 'x'
    """)
    verified = after.verify()
    assert verified.rows.frame[["table", "kind", "column", "key"]].to_dict("records") == [
        {"table": "people", "kind": "changed", "column": "note", "key": "5"},
        {"table": "visits", "kind": "missing", "column": "", "key": "7"},
    ]
    assert verified.rows.note == (
        f"compared with the copy {copies(after)[0].name}, in which the same revisions were rehearsed: what a clock, "
        "chance or a sequence makes differs by nature, and so does what was written since the backup"
    )
    assert "1 missing: 7" in verified.failing().plain


def test_another_servers_words_are_only_noticed(after: Desk) -> None:
    """A server of another major version may write one definition otherwise; one of the same does not."""
    after.execute("DELETE FROM visits WHERE id = 7")
    record = after.run().path / "rehearsal"
    noted = json.loads((record / "fingerprint.end.json").read_text(encoding="utf-8"))
    noted["objects"]["view public.glad_people"] = "SELECT p.id, p.name FROM people AS p"
    for name in ("fingerprint.end", "fingerprint.again"):
        (record / f"{name}.json").write_text(json.dumps(noted), encoding="utf-8")
    check = closed_by(after.verify())["view public.glad_people is as rehearsed"]
    assert check.why == "the rehearsal changed it, and the run did not"
    plan = Plan.from_json(json.loads((record / "plan.json").read_text(encoding="utf-8"))["plan"])
    newer = replace(plan, server={**plan.server, "version_num": 190000})
    (record / "plan.json").write_text(json.dumps({"plan": newer.to_json()}), encoding="utf-8")
    check = noticed(after.verify())["view public.glad_people is as rehearsed"]
    assert (check.grade, check.why.partition(":")[0]) == (
        Grade.SHOULD,
        "the copy's server is of another version, and may write the same in other words",
    )


def test_a_copy_that_stands_elsewhere_is_refused(after: Desk) -> None:
    """Neither where the plan begins nor where it ends: what differs there says nothing."""
    after.execute("DELETE FROM visits WHERE id = 7")
    [found] = copies(after)
    name, copy = found.name, Desk(after.folder, found.database)
    copy.execute("UPDATE alembic_version SET version_num = '1a0000000041'")
    try:
        verified = after.verify()
    finally:
        copy.execute("UPDATE alembic_version SET version_num = '2b0000000042'")
    assert verified.rows.frame.empty
    assert verified.facts["which_rows"] == (
        f"the copy {name} stands at 1a0000000041, neither untouched where the plan begins nor rehearsed to its end: "
        "`alembook compare` names the rows once the backup is restored"
    )


def test_what_was_rehearsed_and_not_made_is_named(desk: Desk) -> None:
    """Before the run's first revision and after its last; what two passes of the rehearsal make differently is not."""
    revised(desk)
    rehearse(desk)
    assert len(copies(desk)) == 1
    desk.execute("CREATE INDEX by_hand ON visits (place)")
    with desk.book("upgrade", stage=1) as book:
        stopped = upgrade.apply(book)
    [early] = stopped.gate.closed_by
    assert (early.name, early.why) == (
        "index public.by_hand is as rehearsed",
        "it changed since the backup that was rehearsed",
    )
    assert desk.ask("SELECT version_num FROM alembic_version") == "1a0000000041"
    desk.execute("DROP INDEX by_hand; DELETE FROM heap WHERE a = 1")
    with desk.book("upgrade", stage=1) as book:
        upgrade.apply(book).require()
    desk.execute("UPDATE people SET note = '' WHERE id = 5; DELETE FROM visits WHERE id = 7")
    verified = desk.verify()
    check = closed_by(verified)["index public.heap_by_b is as rehearsed"]
    assert (check.expected, check.found, check.why) == (
        "CREATE INDEX heap_by_b ON public.heap USING btree (b)",
        "not there",
        "the rehearsal made it, and the run did not",
    )
    by_nature = [each for each in noticed(verified).values() if each.subject.startswith("public.noted_")]
    assert {each.grade for each in by_nature} == {Grade.SHOULD}
    told = verified.rows.frame[["table", "kind", "column"]].to_dict("records")
    assert told == [
        {"table": "people", "kind": "changed", "column": "note"},
        {"table": "visits", "kind": "missing", "column": ""},
    ]
    assert "left out, for two passes of the rehearsal differed there: public.people.score, public.visits.place" in (
        verified.rows.note
    )
    drop_copies(desk)


def test_where_nothing_was_rehearsed_only_a_protected_target_says_so(done: Desk) -> None:
    """Its gate let that pass, by a waiver or in an emergency: UNVERIFIED, and it closes nothing any more."""
    with done.book("verify") as book, connections.closing(book.connect()) as connection:
        seen = drift.judge(drift.moments(book), drift.read(book, connection))
        assert schemas.at_the_end(book, seen) == []
        book.target = replace(book.target, protected=True)
        [check] = schemas.at_the_end(book, seen)
    assert (check.name, check.grade, check.outcome, check.why) == (
        NAME,
        Grade.SHOULD,
        Outcome.UNVERIFIED,
        "no rehearsal of this plan came to its end",
    )
