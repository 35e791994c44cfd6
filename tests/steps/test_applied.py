"""What an upgrade says it did: rows each revision changed, objects that are others now, and what it left behind."""

from __future__ import annotations

import textwrap

import pytest

from alembook import archive, errors
from alembook.steps import inspection, upgrade
from alembook.steps.upgrade import Upgrade
from alembook.verdict import Check, Grade, Outcome
from tests.steps.conftest import Desk

LAST, NEXT = "2b0000000042", "3c0000000043"


def revision(desk: Desk, body: str) -> None:
    """Writes a third revision with this body of ``upgrade``."""
    text = (
        f'"""Third."""\nimport sqlalchemy as sa\nfrom alembic import op\nrevision = "{NEXT}"\n'
        f'down_revision = "{LAST}"\nbranch_labels = depends_on = None\n\n\ndef upgrade():\n'
        f"{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n\n\ndef downgrade():\n    pass\n"
    )
    (desk.folder / f"project/migrations/versions/{NEXT}.py").write_text(text, encoding="utf-8")


def applied(desk: Desk) -> Upgrade:
    """Returns the receipt of an upgrade to head in a run of its own."""
    begun = archive.begin(desk.folder / "runs", "demo", to="head")
    with desk.book("inspect", folder=begun) as book:
        inspection.inspect(book, to="head")
    with desk.book("upgrade", stage=1) as book:
        return upgrade.apply(book)


def check(found: Upgrade, name: str) -> Check:
    """Returns one check."""
    return next(each for each in found.checks if each.name == name)


def test_rows_and_objects_are_shown_and_recorded(desk: Desk) -> None:
    """Rows by revision and table, in the receipt too; objects with before and after."""
    revision(
        desk,
        """
        op.execute("UPDATE people SET note = 'x' WHERE id <= 7")
        op.execute("DELETE FROM visits WHERE id <= 3")
        op.execute("TRUNCATE events_2025")
        op.execute("ALTER TABLE heap ALTER b TYPE varchar(20)")
        """,
    )
    found = applied(desk)
    found.require()
    rows = [tuple(row.values()) for row in found.changes.to_dict("records")]
    assert (NEXT, "public.people", 0, 7, 0) in rows
    assert (NEXT, "public.visits", 0, 0, 3) in rows
    assert found.facts["changes"][NEXT]["public.people"] == {"inserted": 0, "updated": 7, "deleted": 0}
    assert found.facts["changes"][NEXT]["public.events_2025"] is None
    emptied = "public.events_2025: not counted: TRUNCATE may have emptied it, or another table bears the name"
    assert emptied in found.changes["table"].tolist()
    assert (desk.run().path / "tables/rows_changed.s1.csv").exists()
    objects = [tuple(row.values()) for row in found.objects.to_dict("records")]
    assert ("column", "public.people.nickname", "not there", "text") in objects
    assert ("column", "public.heap.b", "text", "character varying(20)") in objects
    assert "public.people_by_name" in [name for _, name, _, _ in objects]
    assert "7" in found.rows_changed()._repr_html_()
    assert "public.heap.b" in found.objects_changed()._repr_html_()


def test_what_was_not_counted_is_said(desk: Desk) -> None:
    """A revision that commits inside itself has no count, and is not shown as one that changed nothing."""
    revision(desk, 'with op.get_context().autocommit_block():\n    op.execute("UPDATE people SET note = note")')
    found = applied(desk)
    assert found.facts["changes"][NEXT] is None
    [row] = found.changes[found.changes["revision"] == NEXT].to_dict("records")
    why = "it commits inside itself, works on another connection, or takes back to a savepoint"
    assert row["table"] == f"not counted: {why}"
    assert "not counted" in found.rows_changed()._repr_html_()


def test_a_constraint_left_unvalidated_is_a_warning(desk: Desk) -> None:
    """NOT VALID may be meant: it is named and closes no gate."""
    revision(desk, 'op.execute("ALTER TABLE people ADD CONSTRAINT paid_in CHECK (paid >= 0) NOT VALID")')
    found = applied(desk)
    found.require()
    said = check(found, "no constraint was left unvalidated")
    assert (said.grade, said.outcome, said.found) == (Grade.SHOULD, Outcome.FAILED, "public.people.paid_in")
    assert said.next.startswith("ALTER TABLE ... VALIDATE CONSTRAINT in a revision that follows")


def test_one_that_was_unvalidated_before_is_not_the_runs(desk: Desk) -> None:
    """Only what is new counts."""
    desk.execute("ALTER TABLE people ADD CONSTRAINT paid_in CHECK (paid >= 0) NOT VALID")
    assert check(applied(desk), "no constraint was left unvalidated").outcome is Outcome.PASSED


def test_an_invalid_index_that_is_kept_closes_the_gate(desk: Desk) -> None:
    """IF NOT EXISTS over an invalid index "succeeds" and keeps it invalid: applied, and not green."""
    revision(
        desk,
        """
        with op.get_context().autocommit_block():
            try:
                op.execute("CREATE UNIQUE INDEX CONCURRENTLY heap_a ON heap (a)")
            except Exception:
                pass
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS heap_a ON heap (a)")
        """,
    )
    found = applied(desk)
    assert check(found, "stage 1 is applied").outcome is Outcome.PASSED
    said = check(found, "no index became invalid")
    assert (said.grade, said.outcome, said.found) == (Grade.MUST, Outcome.FAILED, "heap_a on heap")
    assert said.next == (
        "DROP INDEX CONCURRENTLY heap_a; Then build it again by hand, or go on where its revision is not applied."
    )
    with pytest.raises(errors.CheckFailed):
        found.require()


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ('op.execute("SELECT 1 / 0")', "-- failed and rolled back"),
        (
            'with op.get_context().autocommit_block():\n    op.execute("CREATE TABLE x (i int)")\n'
            'op.execute("SELECT 1 / 0")',
            "-- failed; what stays is named in the receipt",
        ),
        ("import os\nos._exit(1)", "-- the agent ended in the middle of it"),
    ],
)
def test_the_sql_of_a_failed_revision_is_kept(desk: Desk, body: str, note: str) -> None:
    """The statements that ran, and what became of them."""
    revision(desk, body)
    with pytest.raises(errors.UpgradeFailed):
        applied(desk).require()
    [kept] = (desk.run().path / "sql").glob(f"s1_02_{NEXT}*.sql")
    assert kept.read_text(encoding="utf-8").startswith(note)
