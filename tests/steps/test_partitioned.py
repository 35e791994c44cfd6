"""Partitioned tables in a run: rules speak of the whole, and a leaf may come, go or be cut otherwise."""

from __future__ import annotations

from alembook.verdict import Outcome
from tests.steps.conftest import Desk, closed_by

_RULES = """
[[changes]]
table = "events"
columns = ["what"]
[[rows]]
table = "events"
expected = "SELECT count(*) + 1 FROM events"
"""
_BODY = """
    op.execute("UPDATE events SET what = upper(what)")
    op.execute("INSERT INTO events VALUES (61, '2026-12-01', 'ONE MORE')")
    op.execute("ALTER TABLE visits ALTER id DROP IDENTITY")
    op.execute("ALTER TABLE visits RENAME TO visits_all")
    op.execute("CREATE TABLE visits (LIKE visits_all INCLUDING ALL) PARTITION BY RANGE (id)")
    op.execute("ALTER TABLE visits ATTACH PARTITION visits_all DEFAULT")
"""


def test_a_rule_of_a_partitioned_table_holds_for_its_leaves(desk: Desk) -> None:
    """Values of every leaf may change, rows are those of all; a table that becomes partitioned lost nothing."""
    (desk.folder / "project/migrations/checks.toml").write_text(_RULES, encoding="utf-8")
    revision = next((desk.folder / "project/migrations/versions").glob("2b*.py"))
    text = revision.read_text(encoding="utf-8")
    revision.write_text(text.replace("def upgrade():\n", f"def upgrade():{_BODY}"), encoding="utf-8")
    desk.migrate("head")
    verified = desk.verify()
    assert closed_by(verified) == {}
    named = {check.name: check for check in verified.checks}
    assert (named["rows of public.events"].outcome, named["rows of public.events"].found) == (Outcome.PASSED, "61")
    assert named["rows of public.visits"].why == (
        "judged as a whole: it was one table, and is partitioned, public.visits_all (200 rows) is new"
    )
    assert named["values of public.visits"].found == "equal"
    desk.execute("UPDATE visits SET place = 'elsewhere' WHERE id = 7; ALTER TABLE events DETACH PARTITION events_2025")
    closed = closed_by(desk.verify())
    assert closed["values of public.visits"].found == "different: place"
    assert closed["rows of public.events"].why == (
        "judged as a whole: public.events_2025 (30 rows) left it, public.events_2026 30 -> 31; "
        "30 rows missing (expected by its rule)"
    )
