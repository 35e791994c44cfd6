"""A maintenance window that closes while revisions are applied."""

from __future__ import annotations

import pytest

from alembook import errors
from alembook.project import driver
from tests.project.conftest import Project


def test_a_window_that_closes_ends_between_two_revisions(generic: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The revision that runs is committed, the next one does not begin, and the message says so."""
    generic.revision("2c0000000002", "1a0000000001", "import time\ntime.time = lambda: 1e12")
    generic.revision("3d0000000003", "2c0000000002", 'op.execute("CREATE TABLE late (id int)")')
    monkeypatch.setattr(driver, "_closes_at", lambda _target: 4e9)
    with pytest.raises(errors.UpgradeFailed) as raised:
        generic.upgrade("1a0000000001", "2c0000000002", "3d0000000003")
    assert [event["revision"] for event in generic.told("revision_committed")] == ["1a0000000001", "2c0000000002"]
    assert raised.value.exit_code == 5
    assert str(raised.value).partition("\n  last lines")[0] == (
        "The maintenance window closed before the revision 3d0000000003.\n"
        "  left: the database is at 2c0000000002, by its version table.\n"
        "  why:  limits.window of the target says when revisions may be applied; those before it are committed.\n"
        "  next: Go on with this run when it opens again."
    )
