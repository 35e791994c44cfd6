"""What became of the schema, and who did it."""

from __future__ import annotations

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.fingerprint import Fingerprint
from alembook.steps import backfill, drift
from alembook.verdict import Check, Grade, Outcome
from tests.steps.conftest import Desk, closed_by, noticed
from tests.steps.test_damage import NICKNAMES

DAMAGE = {
    "an enum value is lost": (
        "ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM ('sad', 'glad'); DROP VIEW glad_people;"
        "UPDATE people SET mood = 'sad' WHERE mood = 'calm';"
        "ALTER TABLE people ALTER mood TYPE mood USING mood::text::mood; DROP TYPE old;"
        "CREATE VIEW glad_people AS SELECT id, name FROM people WHERE mood = 'glad'",
        "type public.mood is as the run left it",
        ("ENUM ('sad', 'calm', 'glad')", "ENUM ('sad', 'glad')"),
    ),
    "a partition is detached": (
        "ALTER TABLE events DETACH PARTITION events_2025",
        "table public.events_2025 is as the run left it",
        ("partition FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); child of public.events", "plain"),
    ),
    "a trigger is disabled": (
        "ALTER TABLE heap DISABLE TRIGGER quiet",
        "trigger public.heap.quiet is as the run left it",
        (
            "CREATE TRIGGER quiet BEFORE UPDATE ON public.heap FOR EACH ROW EXECUTE FUNCTION public.quiet()",
            "CREATE TRIGGER quiet BEFORE UPDATE ON public.heap FOR EACH ROW EXECUTE FUNCTION public.quiet(); DISABLED",
        ),
    ),
    "a foreign key is not enforced": (
        "ALTER TABLE visits DISABLE TRIGGER ALL",
        "constraint public.visits.visits_person_id_fkey is as the run left it",
        (
            "FOREIGN KEY (person_id) REFERENCES public.people(id)",
            "FOREIGN KEY (person_id) REFERENCES public.people(id); its triggers are DISABLED",
        ),
    ),
    "a view is changed": (
        "CREATE OR REPLACE VIEW glad_people AS SELECT id, name FROM people WHERE mood <> 'sad'",
        "view public.glad_people is as the run left it",
        (
            "SELECT id, name FROM public.people WHERE (mood = 'glad'::public.mood);",
            "SELECT id, name FROM public.people WHERE (mood <> 'sad'::public.mood);",
        ),
    ),
    "an index is gone": (
        "DROP INDEX people_by_name",
        "index public.people_by_name is as the run left it",
        ("CREATE INDEX people_by_name ON public.people USING btree (name)", "not there"),
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_others_do_to_the_schema_is_named(done: Desk, name: str) -> None:
    """The object, what it was when the run had ended, and what it is; the gate is closed."""
    statement, check, (expected, found) = DAMAGE[name]
    done.execute(statement)
    named = closed_by(done.verify())[check]
    assert (named.outcome, named.expected, named.found) == (Outcome.FAILED, expected, found)
    assert named.why == "somebody else changed it, after upgrade.s1"


def test_a_schema_that_others_left_alone_passes(done: Desk) -> None:
    """What the run itself changed is in the record, and no fault."""
    verified = done.verify()
    assert noticed(verified).keys() == {"the models agree with the database as they did before"}
    assert [each for each in verified.checks if each.name == "the schema is as the run left it"] == [
        Check(
            name="the schema is as the run left it",
            outcome=Outcome.PASSED,
            expected="52 objects",
            found="52 objects; the run changed 2",
        )
    ]
    assert verified.changes[["by", "when", "kind", "object"]].to_dict("records") == [
        {"by": "the run", "when": "upgrade.s1", "kind": "column", "object": "public.people.nickname"},
        {"by": "the run", "when": "upgrade.s1", "kind": "index", "object": "public.people_by_name"},
    ]


def test_a_new_object_is_only_noticed(done: Desk) -> None:
    """It takes nothing away: a should."""
    done.execute("CREATE TABLE stray (i int)")
    check = noticed(done.verify())["table public.stray is as the run left it"]
    assert (check.grade, check.outcome, check.expected, check.found) == (
        Grade.SHOULD,
        Outcome.FAILED,
        "not there",
        "plain",
    )


def test_what_happens_between_two_attempts_is_nobody_elses_when_the_first_was_killed(done: Desk) -> None:
    """A beginning without an end: what follows it may be the run's, and is not held against others."""
    with done.book("upgrade", stage=1) as book:
        drift.note(book, "begin")
        done.execute("CREATE INDEX left_behind ON heap (a)")
        drift.note(book, "begin")
        drift.note(book, "end")
        done.execute("DROP INDEX left_behind")
        with connections.closing(book.connect()) as connection:
            found = drift.judge(drift.moments(book), drift.read(book, connection))
    assert [(each.by, each.what.name) for each in found.changes[-2:]] == [
        ("the run", "public.left_behind"),
        ("others", "public.left_behind"),
    ]


def test_what_the_run_leaves_disabled_is_noticed(desk: Desk) -> None:
    """By a statement of its own, so it is no fault of others; somebody has to enable it."""
    revision = next((desk.folder / "project/migrations/versions").glob("2b*.py"))
    text = revision.read_text(encoding="utf-8")
    disabling = 'op.execute("ALTER TABLE heap DISABLE TRIGGER quiet")\n    op.create_index'
    revision.write_text(text.replace("op.create_index", disabling, 1), encoding="utf-8")
    desk.migrate("head")
    verified = desk.verify()
    assert verified.gate.is_open
    check = noticed(verified)["the run left nothing disabled or not valid"]
    assert (check.grade, check.outcome, check.found) == (
        Grade.SHOULD,
        Outcome.FAILED,
        "trigger public.heap.quiet",
    )


def test_a_schema_that_was_not_noted_is_unverified(done: Desk) -> None:
    """A run of which the record was lost says so."""
    for path in done.run().path.glob("schema*.json"):
        path.unlink()
    assert closed_by(done.verify())["the schema is as the run left it"].outcome is Outcome.UNVERIFIED


def test_a_plan_that_begins_with_a_backfill_knows_its_schema(desk: Desk) -> None:
    """Noted before its first batch; what others change meanwhile is theirs, for no batch changes the schema."""
    desk.migrate("head")
    project = desk.folder / "project/migrations"
    (project / "backfills").mkdir()
    (project / "backfills/nicknames.py").write_text(NICKNAMES, encoding="utf-8")
    (project / "checks.toml").write_text('[[changes]]\ntable = "people"\ncolumns = ["nickname"]\n', encoding="utf-8")
    assert desk.plan("head") == 1
    with desk.book("backfill", stage=1) as book:
        backfill.run(book).require()
    assert closed_by(desk.verify()).keys() == {"rows of public.heap", "values of public.heap"}
    desk.execute("DROP INDEX people_by_name")
    check = closed_by(desk.verify())["index public.people_by_name is as the run left it"]
    assert check.why == "somebody else changed it, after backfill.s1"


def test_more_changes_than_a_page_holds_are_counted(done: Desk) -> None:
    """The table in the record has all of them."""
    done.execute("DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE 'CREATE TABLE t' || i || ' (i int)'; END LOOP; END $$")
    verified = done.verify()
    check = closed_by(verified)["the schema is as the run left it"]
    assert check.found == "60 changed; 50 of them are named above"
    assert len(verified.changes) == 122


def test_an_upgrade_that_fails_notes_the_schema_too(desk: Desk) -> None:
    """What somebody does after the failure is theirs."""
    revision = next((desk.folder / "project/migrations/versions").glob("2b*.py"))
    text = revision.read_text(encoding="utf-8")
    revision.write_text(
        text.replace("op.create_index(", "op.create_index('x', 'nowhere', ['a'])\n    op.create_index(")
    )
    with pytest.raises(Exception, match="nowhere"):
        desk.migrate("head")
    with desk.book("upgrade", stage=1) as book:
        assert [each.role for each in drift.moments(book)] == ["begin", "end"]


def moment(role: str, *, has_failed: bool = False, **objects: str) -> drift.Moment:
    """Returns a moment of a schema whose tables are these."""
    schema = Fingerprint(objects={f"table public.{name}": text for name, text in objects.items()})
    return drift.Moment(role=role, when="upgrade.s1", at="", schema=schema, has_failed=has_failed)


def test_what_a_failed_revision_left_may_be_undone_by_hand() -> None:
    """Dropped by hand and made again by the next attempt: the run's. Dropped and never made again: somebody else's."""
    noted = [
        moment("begin"),
        moment("end", has_failed=True, good="", half=""),
        moment("begin", good=""),
        moment("end", good="", half=""),
    ]
    found = drift.judge(noted, moment("verify", good="", half="").schema)
    assert [(each.by, each.when, each.what.name) for each in found.changes if "undone" in each.when] == [
        ("the run", "undone by hand after upgrade.s1", "public.half")
    ]
    assert {each.by for each in found.changes} == {"the run"}
    without_good = [*noted[:2], moment("begin"), moment("end", half="")]
    found = drift.judge(without_good, moment("verify", half="").schema)
    assert [each.what.name for each in found.changes if each.by == "others"] == ["public.good"]


def test_after_a_good_end_nothing_is_undone_by_hand() -> None:
    """The same drop behind an upgrade that ended well is somebody else's, whatever the next stage makes."""
    noted = [moment("begin"), moment("end", one=""), moment("begin"), moment("end", one="")]
    found = drift.judge(noted, moment("verify", one="").schema)
    assert [each.what.name for each in found.changes if each.by == "others"] == ["public.one"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("column public.t.a", "integer NOT NULL; NOT NULL is NOT VALID"),
        ("constraint public.t.k", "FOREIGN KEY (a) REFERENCES public.p(id); its triggers fire for replicas only"),
        ("trigger public.t.g", "CREATE TRIGGER g ...; enabled R"),
    ],
)
def test_what_the_run_leaves_idle(name: str, text: str) -> None:
    """NOT NULL that is not valid, and what fires for replicas only, do not do their work: noticed."""
    begin = drift.Moment(role="begin", when="upgrade.s1", at="", schema=Fingerprint(objects={}))
    end = Fingerprint(objects={name: text})
    noted = [begin, drift.Moment(role="end", when="upgrade.s1", at="", schema=end)]
    check = drift.checks(drift.judge(noted, end))[1]
    assert (check.grade, check.outcome, check.found) == (Grade.SHOULD, Outcome.FAILED, name)
