"""One revision, one commit: judged from how env.py works and which revisions leave their transaction."""

from __future__ import annotations

import pytest

from alembook.steps import commits
from alembook.verdict import Grade, Outcome


@pytest.mark.parametrize(("mode", "leaving"), [("revision", []), ("revision", ["a1"]), ("external", [])])
def test_what_can_be_committed(mode: str, leaving: list[str]) -> None:
    """Alembic's own transaction can be left; one that env.py holds is enough where nothing leaves it."""
    found = commits.check(mode, leaving)
    assert (found.grade, found.outcome, found.why, found.next) == (Grade.MUST, Outcome.PASSED, "", "")


def test_a_transaction_that_cannot_be_left() -> None:
    """An autocommit block under an env.py with its own transaction is named, with the revision."""
    found = commits.check("external", ["a1", "b2"])
    assert found.outcome is Outcome.FAILED
    assert found.found == "env.py begins and commits it, so it is run once for each"
    assert found.why == "a1, b2 must leave the transaction, and Alembic's autocommit_block cannot leave env.py's."
    assert found.next == "Remove connection.begin() (or any statement) before context.configure() in env.py."


def test_no_transaction_at_all() -> None:
    """An engine in autocommit mode keeps no revision whole."""
    found = commits.check("autocommit", [])
    assert found.outcome is Outcome.FAILED
    assert found.found == "no transaction: the connection commits every statement by itself"
    assert found.why == "a revision that fails would stay half applied."
    assert found.next == (
        "Use a plain engine in env.py; single statements can leave the transaction with autocommit_block."
    )
