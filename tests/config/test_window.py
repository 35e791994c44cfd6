"""The maintenance window: what is written, when it is open, when it opens next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from alembook.config import Window


def at(text: str) -> datetime:
    """Returns an instant of November 2026 in UTC, "25 18:30" (the 25th is a Wednesday)."""
    return datetime.strptime(f"2026-11-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant", "closes"),
    [
        ("22:00-04:00", "25 21:59", None),
        ("22:00-04:00", "25 22:00", "26 04:00"),
        ("22:00-04:00", "26 03:59", "26 04:00"),
        ("22:00-04:00", "26 04:00", None),
        ("09:00-17:00", "25 12:00", "25 17:00"),
        ("Sat,Sun 22:00-04:00", "25 23:00", None),
        ("Sat,Sun 22:00-04:00", "28 23:00", "29 04:00"),
        ("Sat 22:00-04:00", "29 03:00", "29 04:00"),  # Sunday, in the window that began on Saturday
        ("Sat 22:00-04:00", "28 03:00", None),
        ("Fri-Mon 10:00-11:00", "30 10:30", "30 11:00"),
        ("22:00-04:00 Europe/Berlin", "25 21:30", "26 03:00"),
        ("22:00-04:00 Europe/Berlin", "26 03:30", None),
    ],
)
def test_when_it_is_open(text: str, instant: str, closes: str | None) -> None:
    """A window that passes midnight belongs to the day it begins on; its clock is that of its time zone."""
    assert Window.parse(text).closes_at(at(instant)) == (at(closes) if closes else None)


@pytest.mark.parametrize(
    ("text", "instant", "opens"),
    [
        ("22:00-04:00", "25 12:00", "25 22:00"),
        ("22:00-04:00", "25 23:00", "25 23:00"),
        ("Sat 22:00-04:00", "25 12:00", "28 22:00"),
        ("Wed 10:00-11:00", "25 11:00", "25 11:00"),
        ("22:00-04:00 Europe/Berlin", "25 12:00", "25 21:00"),
    ],
)
def test_when_it_opens(text: str, instant: str, opens: str) -> None:
    """At or after an instant; the instant itself while it is open; a week later at the latest."""
    expected = at("25 11:00").replace(day=25) if text.startswith("Wed") else at(opens)
    found = Window.parse(text).opens_at(at(instant))
    assert found == (datetime(2026, 12, 2, 10, tzinfo=UTC) if text.startswith("Wed") else expected)


@pytest.mark.parametrize(
    "text", ["", "22-04", "22:00-22:00", "25:00-26:00", "Xyz 22:00-04:00", "22:00-04:00 Nowhere/At"]
)
def test_what_is_none(text: str) -> None:
    """No form, no length, no such hour, day or time zone: refused."""
    with pytest.raises(ValueError, match=r"form|begins|hour|day|zone"):
        Window.parse(text)
