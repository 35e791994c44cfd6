"""Equality of texts, which is an option: stricter than that of values."""

from __future__ import annotations

import pytest

from alembook.postgres import connection as connections
from alembook.postgres.connection import Connection
from alembook.verdict import Outcome
from tests.snapshots.test_evidence import judged, measured


@pytest.mark.parametrize(
    ("kind", "was", "becomes"),
    [("numeric", "1.0", "1.00"), ("float8", "0", "-0"), ("float4", "0", "-0"), ("interval", "1 day", "24 hours")],
)
def test_equal_values_of_other_texts_differ_where_that_is_asked(
    connection18: Connection, kind: str, was: str, becomes: str
) -> None:
    """Textual equality is an option; without it they are equal."""
    connections.execute(
        connection18, f"CREATE TABLE t (id int PRIMARY KEY, v {kind}); INSERT INTO t VALUES (1, '{was}')"
    )
    found = []
    for is_textual in (False, True):
        connections.execute(connection18, f"UPDATE t SET v = '{was}'")
        before = measured(connection18, is_textual=is_textual)
        connections.execute(connection18, f"UPDATE t SET v = '{becomes}'")
        after = measured(connection18, before.columns, is_textual=is_textual)
        found.append(judged(before, after)["public.t"].outcome)
    assert found == [Outcome.PASSED, Outcome.FAILED]
