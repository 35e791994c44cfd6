"""A password does not reach the record, however it is written."""

from __future__ import annotations

import json

import pytest

from alembook.config.redaction import Redactor

SECRET = 'p@ss/w"ord\\é'


@pytest.mark.parametrize(
    "text",
    [
        f"libpq said: {SECRET}",
        "postgresql://u:p%40ss%2Fw%22ord%5C%C3%A9@h/d",
        json.dumps({"output": f"connecting with {SECRET}"}),
        json.dumps({"output": json.dumps({"url": SECRET})}, ensure_ascii=False),
        repr({"password": SECRET}),
    ],
)
def test_every_way_of_writing_it_is_replaced(text: str) -> None:
    """Plain, in a URL, in JSON, in JSON within JSON, in a Python repr."""
    cleaned = Redactor(SECRET).clean(text)
    assert "***" in cleaned
    assert "ord" not in cleaned.replace("password", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the dog barks", "the dog barks"),
        ("postgresql://u:dog@h/d", "postgresql://u:***@h/d"),
        ("host=h password=dog dbname=d", "host=h password=*** dbname=d"),
    ],
)
def test_a_short_secret_is_replaced_where_it_is_one(text: str, expected: str) -> None:
    """A password that is a common word does not tear holes into sentences."""
    assert Redactor("dog").clean(text) == expected


def test_no_secret_changes_nothing() -> None:
    """An empty password is no password."""
    assert Redactor().clean("a text") == "a text"


def test_it_does_not_show_what_it_hides() -> None:
    """Its own repr holds no secret."""
    assert repr(Redactor(SECRET)) == "Redactor(***)"
