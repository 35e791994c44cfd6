"""Tables that could not be read before the change: nothing says that they are whole, so they are no new tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alembook.verdict import Grade, Outcome
from tests.steps.conftest import Desk, closed_by, noticed
from tests.steps.test_own_changes import revise

WORKED_ON = "every table the run worked on was measured before"
FOREIGN = "not counted: a foreign table: its rows are another server's"
HIDDEN = "row security hides rows of it from the role"


@pytest.fixture
def limited(desk: Desk) -> Iterator[Desk]:
    """Yields a desk that migrates by a role which owns everything and from which row security hides rows of heap."""
    role = f"mig_{desk.database.dbname}"
    desk.execute(
        f"CREATE ROLE {role} LOGIN; GRANT postgres TO {role};"
        "ALTER TABLE heap ENABLE ROW LEVEL SECURITY; ALTER TABLE heap FORCE ROW LEVEL SECURITY"
    )
    place = desk.folder / "database-url"
    place.write_text(place.read_text(encoding="utf-8").replace("postgres@", f"{role}@", 1), encoding="utf-8")
    yield desk
    desk.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.mark.parametrize("scope", ["all", "touched"])
def test_a_table_the_run_makes_readable_is_no_new_table(limited: Desk, scope: str) -> None:
    """It lifts row security and deletes rows: nobody counted them before."""
    limited.configure(scope=scope)
    revise(limited, "ALTER TABLE heap DISABLE ROW LEVEL SECURITY", "DELETE FROM heap WHERE a > 0")
    limited.migrate("head")
    found = closed_by(limited.verify())
    assert {name: (check.outcome, check.why) for name, check in found.items()} == {
        WORKED_ON: (Outcome.UNVERIFIED, f"public.heap could not be read: {HIDDEN}"),
        "rows of public.heap": (Outcome.UNVERIFIED, f"not counted before the change: {HIDDEN}"),
    }


def test_a_table_others_make_readable_is_noticed(limited: Desk) -> None:
    """The run does not lead to it: a should."""
    limited.migrate("head")
    limited.execute("ALTER TABLE heap DISABLE ROW LEVEL SECURITY")
    verified = limited.verify()
    check = noticed(verified)["rows of public.heap"]
    assert (check.grade, check.outcome, check.expected, check.found) == (
        Grade.SHOULD,
        Outcome.UNVERIFIED,
        "not told",
        "50",
    )


def test_a_table_the_run_works_on_and_nobody_can_read_is_a_must(desk: Desk) -> None:
    """One that stays unreadable, one that is replaced by a table, and one that is dropped; a new one is a should."""
    desk.configure(scope="touched")
    desk.execute(
        "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;"
        + "".join(f"CREATE FOREIGN TABLE {name} (id int) SERVER far;" for name in ("stays", "becomes", "goes", "aside"))
    )
    revise(
        desk,
        "ALTER FOREIGN TABLE stays ADD COLUMN more int",
        "DROP FOREIGN TABLE becomes",
        "CREATE TABLE becomes (id int)",
        "DROP FOREIGN TABLE goes",
        "CREATE FOREIGN TABLE made (id int) SERVER far",
    )
    desk.migrate("head")
    verified = desk.verify()
    told = {check.name: (check.grade, check.why) for check in noticed(verified).values() if check.name[:5] == "rows "}
    before = FOREIGN.replace("counted", "counted before the change")
    assert told == {
        "rows of public.stays": (Grade.MUST, FOREIGN),
        "rows of public.becomes": (Grade.MUST, before),
        "rows of public.goes": (Grade.MUST, before),
        "rows of public.made": (Grade.SHOULD, FOREIGN),
    }
    assert closed_by(verified)[WORKED_ON].found == "3 tables"
    assert closed_by(verified)[WORKED_ON].expected == "6 tables"
