"""Which SQL a revision sends: collected on a rehearsal, and held against the rehearsed one before it is executed.

Two texts are one when they differ only in bound values, in the number of rows of a bulk statement, or in literals that
differ by nature (UUIDs, points in time, long hexadecimal numbers). A data statement whose literals already varied
within the rehearsal is known by its form alone: those literals are rows. So is one about the version table: at a merge
Alembic takes the heads in the order of a set, another in each process; where it ends is checked by itself.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Dict, List, Mapping, Optional, Set

from .failure import Failure

#: So many texts of one form are kept; with more of them the literals are rows, and the form alone counts.
VARIANTS = 2
_SHOWN = 300
_KEPT = 2000
_BY_NATURE = re.compile(
    r"'(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?|[0-9a-f]{16,})'",
    re.IGNORECASE,
)
_BOUND = re.compile(r"%\(\w+\)s|%s|\$\d+(?:::[\w ]+(?:\[\])*)?")
_ROW = re.compile(r"\(\s*\?(?:::[\w ]+)?(?:\s*,\s*\?(?:::[\w ]+)?)*(?:\s*,\s*\d+)?\s*\)")
_ROWS = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))+")
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d[\d.]*\b")
_LITERALS = re.compile(r"\?(?:\s*,\s*\?)+")
_COMMENT = re.compile(r"\A(?:\s+|--[^\n]*\n|/\*.*?\*/|\()+", re.DOTALL)
_CHANGES_TABLE = r"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?:[^\s(]+\.)?\"?{}\"?[\s(]"
_DATA = frozenset(["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "SHOW", "SET", "COPY", "LOCK"])
_CONTROL = frozenset(["SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "COMMIT", "START"])


def verb(statement: str) -> str:
    """Returns the first word of a statement, in capitals."""
    return _COMMENT.sub("", statement)[:20].replace("(", " ").split(None, 1)[0].upper() if statement.strip() else ""


def is_data(statement: str) -> bool:
    """Says whether a statement reads or writes rows and leaves the structure as it is."""
    return verb(statement) in _DATA


def plain(statement: str) -> str:
    """Returns a text without what differs by nature: bound values, numbers of rows, UUIDs, points in time, space."""
    text = _BOUND.sub("?", _BY_NATURE.sub("?", " ".join(statement.split())))
    return _ROWS.sub("(?)", _ROW.sub("(?)", text))


def form(statement: str) -> str:
    """Returns a text by which statements are told apart: of data without any literal, of structure with them."""
    text = plain(statement)
    return (
        _ROWS.sub("(?)", _ROW.sub("(?)", _LITERALS.sub("?", _LITERAL.sub("?", text)))) if is_data(statement) else text
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:24]


class Shapes:
    """The SQL of one revision after another.

    Args:
        rehearsed: revision -> what ``told`` gave for it on the rehearsal; None to collect only. A revision that is not
            in it is not compared.
    """

    def __init__(self, rehearsed: Optional[Mapping[str, Any]] = None) -> None:
        self._rehearsed = rehearsed or {}
        self._expected: Optional[Dict[str, Any]] = None
        self._found: Dict[str, Dict[str, Any]] = {}
        self._known: Dict[str, str] = {}
        self._revision = ""
        self._of_versions = re.compile(r"(?!)")
        self._failure: Optional[Failure] = None

    @property
    def is_compared(self) -> bool:
        """Says whether this revision was rehearsed."""
        return self._expected is not None

    def begin(self, revision: str, version_table: str) -> None:
        """Begins a revision, or an attempt at it; the version table by its bare name."""
        listed = self._rehearsed.get(revision)
        self._expected = None if listed is None else {each["form"]: each for each in listed}
        self._found.clear()
        self._known.clear()
        self._failure = None
        self._revision = revision
        self._of_versions = re.compile(_CHANGES_TABLE.format(re.escape(version_table)), re.IGNORECASE)

    def hear(self, statement: str) -> None:
        """Takes a statement before it is executed.

        Raises:
            Failure: "unrehearsed", the rehearsal did not see it. Once raised, it is raised for every further one: the
                project may have caught it.
        """
        if self._failure is not None:
            raise self._failure
        if statement in self._known or verb(statement) in _CONTROL:
            return
        name, text = _digest(form(statement)), _digest(plain(statement))
        if self._of_versions.match(statement):
            text = name
        if len(self._known) < _KEPT:
            self._known[statement] = name
        self._require(name, text, statement)
        first = {"form": name, "texts": [], "is_data": is_data(statement), "sql": " ".join(statement.split())[:_SHOWN]}
        seen = self._found.setdefault(name, first)
        if text not in seen["texts"] and len(seen["texts"]) < VARIANTS:
            seen["texts"].append(text)

    def _require(self, name: str, text: str, statement: str) -> None:
        if self._expected is None:
            return
        known = self._expected.get(name)
        if known is None:
            self._refuse("unrehearsed", "a statement is none of those rehearsed", statement)
        elif len(known["texts"]) < VARIANTS and text not in known["texts"]:
            self._refuse("unrehearsed", "a statement has other literals than the rehearsed one", statement)

    def finish(self) -> None:
        """Looks, before the commit, whether something that was rehearsed was not sent; rows may be gone since.

        Raises:
            Failure: "unsent", a statement about structure was left out; or what ``hear`` raised and the project caught.
        """
        if self._failure is not None:
            raise self._failure
        for name, each in (self._expected or {}).items():
            if name not in self._found and not each["is_data"]:
                self._refuse("unsent", "a rehearsed statement was not sent", each["sql"])

    def _refuse(self, kind: str, difference: str, statement: str) -> None:
        shown = " ".join(statement.split())[:_SHOWN]
        self._failure = Failure(
            kind, "The SQL differs.", revision=self._revision, difference=difference, statement=shown
        )
        raise self._failure

    def told(self) -> List[Dict[str, Any]]:
        """Returns each form that was sent: "form", "texts" (digests), "is_data", "sql" (its beginning)."""
        return list(self._found.values())

    def unsent(self) -> List[str]:
        """Returns the data statements that were rehearsed and not sent."""
        sent: Set[str] = set(self._found)
        return [each["sql"] for name, each in (self._expected or {}).items() if name not in sent and each["is_data"]]
