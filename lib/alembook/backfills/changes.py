"""What a batch changed, table by table, counted by the server in the batch's own transaction.

What other sessions write meanwhile is not in it. It is not known where the server does not count, or a statement
truncates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from alembook.postgres import connection as connections
from alembook.postgres import statements

_TRUNCATE = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)
_NAMES = ("inserted", "updated", "deleted")
#: "schema.table" -> rows inserted, updated, deleted.
Counts = Mapping[str, Mapping[str, int]]


def read(connection: connections.Connection, declared: Sequence[str]) -> Counts | None:
    """Returns what the transaction has changed so far, and what the session has not handed on of earlier ones.

    Args:
        connection: inside the transaction.
        declared: the statements of its backfill.

    Returns:
        The counts; None where they cannot be known.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    if any(_TRUNCATE.search(statement) for statement in declared):
        return None
    found = connections.rows(connection, statements.load(__package__, "changes.sql"))
    counts = {row["table"]: {name: int(row[name]) for name in _NAMES} for row in found}
    return None if None in counts else counts


def since(then: Counts | None, now: Counts | None) -> dict[str, dict[str, int]] | None:
    """Returns what was changed between two moments of one transaction; None where one of them is not known."""
    if then is None or now is None:
        return None
    nothing = dict.fromkeys(_NAMES, 0)
    differences = {
        table: {name: counts[name] - then.get(table, nothing)[name] for name in _NAMES} for table, counts in now.items()
    }
    return {table: counts for table, counts in differences.items() if any(counts.values())}
