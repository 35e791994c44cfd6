"""Statements of others without what they hold."""

from __future__ import annotations

import pytest

from alembook.project.watch import without_literals


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT * FROM t WHERE a = 'x''y' AND b = 12.5", "SELECT * FROM t WHERE a = ? AND b = ?"),
        ("SELECT $$it's$$, $tag$ 'quoted' $tag$ FROM t1", "SELECT ?, ? FROM t1"),
        ("UPDATE t\n   SET a = 'cut in the mid", "UPDATE"),
        ("", ""),
    ],
)
def test_without_literals(query: str, expected: str) -> None:
    """Strings and numbers become "?"; a text cut inside a string keeps its first word only."""
    assert without_literals(query) == expected
