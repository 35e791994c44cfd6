"""What a run's own revisions did, told from what others did meanwhile, on the way forward and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook.verdict import Grade, Outcome
from tests.steps.conftest import Desk, closed_by, noticed


def revise(desk: Desk, *statements: str, function: str = "upgrade") -> None:
    """Gives the second revision statements to begin with."""
    [file] = (desk.folder / "project/migrations/versions").glob("2b*.py")
    told = "".join(f"    op.execute({statement!r})\n" for statement in statements)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"def {function}():\n", f"def {function}():\n{told}"), encoding="utf-8")


def declare(desk: Desk, text: str) -> None:
    """Writes the checks."""
    Path(desk.folder / "project/migrations/checks.toml").write_text(text, encoding="utf-8")


RULES = """
[[rows]]
table = "events_2026"
from_revision = "2b0000000042"
expected = "SELECT count(*) + 1 FROM events_2026"
[[changes]]
table = "heap"
columns = ["*"]
"""


@pytest.fixture
def shared(desk: Desk) -> Desk:
    """Returns a desk at the first revision, of which the application goes on writing."""
    desk.configure(writers="running")
    return desk


def test_rows_of_the_run_are_counted_as_they_are(shared: Desk) -> None:
    """A table replaced by its copy is whole; one emptied in a function is not; a declared row is not traffic."""
    declare(shared, RULES)
    shared.execute("CREATE FUNCTION reset_all() RETURNS void LANGUAGE plpgsql AS 'BEGIN TRUNCATE heap; END'")
    revise(
        shared,
        "CREATE TABLE visits2 (LIKE visits INCLUDING ALL)",
        "INSERT INTO visits2 OVERRIDING SYSTEM VALUE SELECT * FROM visits",
        "DROP TABLE visits",
        "ALTER TABLE visits2 RENAME TO visits",
        "ALTER TABLE visits ALTER id RESTART WITH 201",
        "INSERT INTO events VALUES (1000, '2026-06-01', 'declared')",
        "SELECT reset_all()",
    )
    shared.migrate("head")
    shared.execute("INSERT INTO events VALUES (1001, '2026-06-01', 'by the application')")
    verified = shared.verify()
    found = {check.name: check for check in verified.checks}
    assert found["rows of public.visits"].outcome is Outcome.PASSED
    assert found["values of public.visits"].outcome is Outcome.PASSED
    check = closed_by(verified)["rows of public.heap"]
    assert (check.grade, check.outcome, check.why) == (
        Grade.MUST,
        Outcome.UNVERIFIED,
        "50 rows missing; how many the run itself added and removed is not known, and others may write",
    )
    check = found["rows of public.events_2026"]
    assert (check.grade, check.outcome, check.why) == (
        Grade.SHOULD,
        Outcome.UNVERIFIED,
        "1 row too many (expected by its rule); the run itself added 1 row, and others may write",
    )


def test_values_the_run_changed_are_not_taken_for_others(shared: Desk) -> None:
    """By a statement that changes rows, and by one that gives a name to another column."""
    revise(
        shared,
        "UPDATE heap SET b = 'x' WHERE a = 1",
        "ALTER TABLE visits DROP COLUMN place",
        "ALTER TABLE visits ADD COLUMN place text",
    )
    shared.migrate("head")
    found = closed_by(shared.verify())
    assert {name: check.outcome for name, check in found.items()} == {
        "values of public.heap": Outcome.FAILED,
        "values of public.visits": Outcome.FAILED,
    }


def test_what_a_savepoint_took_back_is_not_the_runs(shared: Desk) -> None:
    """The server's counters keep its rows; the table has as many as before."""
    revise(shared, "SAVEPOINT a", "INSERT INTO heap VALUES (1, 'try')", "ROLLBACK TO SAVEPOINT a")
    shared.migrate("head")
    assert shared.verify().gate.is_open


def test_on_the_way_back_values_fail_where_it_does_nothing(done: Desk) -> None:
    """With writers stopped: what it changes itself is UNVERIFIED, for no rule declares it; the rest is damage."""
    revise(done, "UPDATE people SET note = NULL", function="downgrade")
    done.migrate("1a0000000041")
    done.execute("UPDATE heap SET b = 'x' WHERE a = 1")
    verified = done.verify()
    assert list(closed_by(verified)) == ["values of public.heap"]
    assert closed_by(verified)["values of public.heap"].outcome is Outcome.FAILED
    check = noticed(verified)["values of public.people"]
    assert (check.grade, check.outcome, check.why) == (
        Grade.SHOULD,
        Outcome.UNVERIFIED,
        "values of note are not what they were; the way back works on the table, and no rule says what it changes; "
        "NULLs: note 20 -> 100",
    )
