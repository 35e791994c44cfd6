"""What a revision that failed has committed all the same: statements, and indexes that became invalid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alembook import errors

_SHOWN = 20
_SHOWN_LENGTH = 300


class Part:
    """Follows the revision in progress by the agent's events.

    Args:
        invalid: names of the indexes that were invalid before, as ``catalog.invalid_indexes`` gives them.
    """

    def __init__(self, invalid: Sequence[str]) -> None:
        self._invalid_before = set(invalid)
        self._open: list[str] = []
        self._committed: list[str] = []
        self._has_left = False
        self._invalid: list[str] = []

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes one event: a revision begins, a statement ran, what ran so far is committed."""
        if event["event"] == "revision_started":
            self._open, self._committed, self._has_left = [], [], False
        elif event["event"] == "statement" and event.get("revision"):
            self._open.append(event["sql"])
        elif event["event"] == "part_committed":
            self._has_left = True
            self._committed += self._open
            self._open = []

    def look(self, invalid: Sequence[str]) -> None:
        """Takes the names of the indexes that are invalid now."""
        self._invalid = sorted(set(invalid) - self._invalid_before)

    def is_there(self, status: str | None) -> bool:
        """Says whether something of the revision is committed.

        Args:
            status: of its first transaction, as ``pg_xact_status`` gives it; None = not known.
        """
        return bool(self._committed or self._invalid) or (status == "committed" and not self._has_left)

    def told(self, error: errors.StepFailed, revision: str) -> errors.StepFailed:
        """Returns the error with what is committed of the revision, and how to go on; as it was when nothing is."""
        if not self._committed and not self._invalid:
            return error
        error.next = _next(revision, undo=bool(self._committed), drop=bool(self._invalid))
        found = {
            f"committed of {revision}": "\n".join(map(_line, self._committed[:_SHOWN])),
            "invalid indexes it left": "\n".join(map(_line_of, self._invalid)),
        }
        more = len(self._committed) - _SHOWN
        if more > 0:
            found[f"committed of {revision}"] += f"\n... and {more} more, in the events of this step"
        error.evidence = {**{title: text for title, text in found.items() if text}, **error.evidence}
        return error


def _next(revision: str, *, undo: bool, drop: bool) -> str:
    deeds = ["drop the invalid indexes"] * drop + ["undo by hand what is committed, the last first"] * undo
    text = ", ".join(deeds)
    place = "both below" if undo and drop else "below"
    return f"{text[0].upper()}{text[1:]} ({place}). Then go on with this run: it begins {revision} anew."


def _line(statement: str) -> str:
    text = " ".join(statement.split())
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def drop(invalid: str) -> str:
    """Returns the statement that drops an index: "schema.index on schema.table" is how it is named."""
    return f"DROP INDEX CONCURRENTLY {invalid.partition(' on ')[0]};"


def _line_of(invalid: str) -> str:
    return f"{drop(invalid)}  -- on {invalid.partition(' on ')[2]}"
