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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://password:password@h/password", "postgresql://password:***@h/password"),
        ("host=h user=password password=password", "host=h user=password password=***"),
        ('{"column": "password", "key": ["password", "password"]}', None),
        ("public,users,password,password,text,0,0", None),
        ("column public.users.password NOT NULL; password_resets, the_password: text", None),
        ("SELECT password, id FROM users WHERE password IS NULL", None),
        ("ALTER ROLE app PASSWORD 'password'", "ALTER ROLE app PASSWORD '***'"),
        ("{'PGPASSWORD': 'password', 'PGUSER': 'u'}", "{'PGPASSWORD': '***', 'PGUSER': 'u'}"),
        (
            json.dumps({"out": json.dumps({"password": "password"})}),
            json.dumps({"out": json.dumps({"password": "***"})}),
        ),
        ("OPTIONS (user 'x', password 'password')", "OPTIONS (user 'x', password '***')"),
    ],
)
def test_a_secret_that_is_a_word_stays_where_it_is_a_name(text: str, expected: str | None) -> None:
    """The record is read back and compared: a column, a table or a role of that name has to be in it."""
    assert Redactor("password").clean(text) == (expected or text)


@pytest.mark.parametrize("secret", ["postgres", "Customers", "orders2024", "alembic", "app_secret"])
def test_what_is_a_word(secret: str) -> None:
    """Letters and underscores as names have them, a year or a number behind them."""
    assert Redactor(secret).clean(f"the table {secret}") == f"the table {secret}"


@pytest.mark.parametrize(
    "secret", ["hunter22x", "xkTzQpWv", "correcthorsebatterystaple", "a1b2c3d4", "change-me", "12345678"]
)
def test_what_is_no_word(secret: str) -> None:
    """Anything else is replaced wherever it stands."""
    assert Redactor(secret).clean(f"the table {secret}") == "the table ***"


def test_no_secret_changes_nothing() -> None:
    """An empty password is no password."""
    assert Redactor().clean("a text") == "a text"


def test_it_does_not_show_what_it_hides() -> None:
    """Its own repr holds no secret."""
    assert repr(Redactor(SECRET)) == "Redactor(***)"
