"""The maintenance window of a target: when revisions may be applied."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

FORM = '"22:00-04:00", with days before and a time zone after where wanted: "Sat,Sun 22:00-04:00 Europe/Berlin"'
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TEXT = re.compile(
    r"(?:(?P<days>[A-Z][a-z]{2}(?:[,-][A-Z][a-z]{2})*)\s+)?(?P<begins>\d\d:\d\d)-(?P<ends>\d\d:\d\d)(?:\s+(?P<zone>\S+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time of the day on some days of the week. One that passes midnight belongs to the day it begins on.

    Attributes:
        days: 0 = Monday ... 6 = Sunday.
        begins, ends: of the day, in ``zone``.
        zone: time zone of the clock.
        text: as it was written.
    """

    days: frozenset[int]
    begins: time
    ends: time
    zone: ZoneInfo
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the window a text stands for.

        Raises:
            ValueError: it is not of the form, or names no day, time or time zone that exists.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is not of the form {FORM}")
        begins, ends = time.fromisoformat(found["begins"]), time.fromisoformat(found["ends"])
        if begins == ends:
            raise ValueError(f"{text!r} begins when it ends")
        try:
            zone = ZoneInfo(found["zone"] or "UTC")
        except (OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError; a folder's name is an OSError
            raise ValueError(f"{found['zone']!r} is no time zone") from error
        return cls(days=_days(found["days"] or "Mon-Sun"), begins=begins, ends=ends, zone=zone, text=text.strip())

    def closes_at(self, at: datetime) -> datetime | None:
        """Returns when the window that is open at an instant (aware) closes; None when it is closed."""
        here = at.astimezone(self.zone)
        for day in (here - timedelta(days=1), here):
            begins, ends = self._on(day)
            if day.weekday() in self.days and begins <= here < ends:
                return ends
        return None

    def opens_at(self, at: datetime) -> datetime:
        """Returns when it opens next, at or after an instant (aware); the instant itself while it is open."""
        if self.closes_at(at) is not None:
            return at
        here = at.astimezone(self.zone)
        days = (here + timedelta(days=number) for number in range(8))
        begins = (self._on(day)[0] for day in days if day.weekday() in self.days)
        return next(begin for begin in begins if begin >= here)

    def _on(self, day: datetime) -> tuple[datetime, datetime]:
        """Returns begin and end of the window that begins on a day."""
        begins = datetime.combine(day.date(), self.begins, tzinfo=self.zone)
        last = day if self.begins < self.ends else day + timedelta(days=1)
        return begins, datetime.combine(last.date(), self.ends, tzinfo=self.zone)


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        found |= {(begin + n) % 7 for n in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _day(name: str) -> int:
    if name not in _DAYS:
        raise ValueError(f"{name!r} is no day: {', '.join(_DAYS)}")
    return _DAYS.index(name)
