"""What a new type means for the rows that are there."""

from __future__ import annotations

import pytest

from alembook.project.findings.retyping import change


@pytest.mark.parametrize(
    ("old", "new", "kind", "misfit"),
    [
        ("character varying(40)", "character varying(80)", "widens", ""),
        ("character varying(40)", "text", "widens", ""),
        ("character varying(40)", "varchar(40)", "same", ""),
        ("text", "varchar(8)", "narrows", "length({column}) > 8"),
        ("integer", "bigint", "rewrites", ""),
        ("integer", "smallint", "narrows", "{column} NOT BETWEEN -32768 AND 32767"),
        ("numeric(10,2)", "numeric(12,2)", "widens", ""),
        (
            "numeric(10,2)",
            "numeric(6,2)",
            "narrows",
            "abs(round({column}, 2)) >= 10::numeric ^ 4",
        ),
        ("json", "jsonb", "rewrites", ""),
        ("character(3)", "text", "rewrites", ""),
    ],
)
def test_changes(old: str, new: str, kind: str, misfit: str) -> None:
    """Widening rewrites nothing; narrowing names the rows that do not fit; anything else is a rewrite."""
    found = change(old, new)
    assert (found.kind, found.misfit) == (kind, misfit)
