"""What a database holds beside the rows of its tables: where its sequences stand, and its large objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeObjects:
    """The large objects of a database.

    Attributes:
        objects: how many.
        checksum: of their oids and contents; "" without any.
        unread: why there is none; "" when there is.
    """

    objects: int = 0
    checksum: str = ""
    unread: str = ""


def large_objects(connection: connections.Connection) -> LargeObjects:
    """Returns what the large objects come to, inside the transaction the caller opened.

    One that the role may not read, or of more than 1 GB, leaves all of them unread.
    """
    connections.execute(connection, "SAVEPOINT alembook_large_objects")
    try:
        row = connections.rows(connection, statements.load(__package__, "large_objects.sql"))[0]
    except errors.QueryFailed as error:
        if connection.closed:
            raise
        connections.execute(connection, "ROLLBACK TO SAVEPOINT alembook_large_objects")
        return LargeObjects(unread=error.what)
    return LargeObjects(objects=row["objects"], checksum=row["checksum"] or "")


def positions(connection: connections.Connection) -> dict[str, Mapping[str, Any]]:
    """Returns "schema.sequence" -> row of ``positions.sql``: where every sequence stands now."""
    found = connections.rows(connection, statements.load(__package__, "positions.sql"))
    return {row["sequence"]: row for row in found}


def misplaced(
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    copy: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Returns the sequences of a copy that do not stand where the original's stood, in words.

    While others write, a sequence goes on during the dump: the copy's must stand between where the original's stood
    before the dump and after it. One that begins again at its end may stand anywhere.

    Args:
        before: positions of the original before the dump.
        after: positions of the original after it.
        copy: positions of the copy.
    """
    return [
        f"{name}: {_shown(copy.get(name))} instead of {_shown(before[name])}"
        for name in before
        if not _is_between(before[name], after.get(name, before[name]), copy.get(name))
    ]


def _is_between(before: Mapping[str, Any], after: Mapping[str, Any], copy: Mapping[str, Any] | None) -> bool:
    if copy is None:
        return False
    values = [before["position"], copy["position"], after["position"]]
    if before["position"] == after["position"] or copy["position"] is None:
        return bool(copy["position"] == before["position"])
    if before["cycles"]:
        return True
    known = [value for value in values if value is not None]  # before is NULL: none was given yet
    return known == sorted(known, reverse=not before["ascends"])


def _shown(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "missing"
    return "unused" if row["position"] is None else f"{row['position']:,}"
