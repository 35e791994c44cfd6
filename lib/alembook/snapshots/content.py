"""Keyed fingerprints of values by their key: small enough to keep in a run's folder, saying nothing about the values.

For each of 256 groups of keys: how many rows, and the sum of a hash over secret, key and value. Two fingerprints made
with one secret are equal when the queries returned the same pairs, each as often, in any order. A difference that goes
unseen has a chance of about 2^-64 for each group. The secret belongs to the plan and never to the archive: without it
the sums cannot be tried against guessed values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.snapshots import question

BUCKETS = 256
_COLUMNS = {"key", "value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a query's pairs come to.

    Attributes:
        buckets: group of keys (0 to 255) -> (rows, sum of hashes); groups without rows are left out.
    """

    buckets: Mapping[int, tuple[int, int]]

    @property
    def rows(self) -> int:
        """Returns how many pairs there were."""
        return sum(rows for rows, _ in self.buckets.values())

    def differing(self, other: Fingerprint) -> int:
        """Returns how many groups of keys differ: at least so many pairs do."""
        return sum(self.buckets.get(bucket) != other.buckets.get(bucket) for bucket in range(BUCKETS))

    def to_json(self) -> dict[str, Any]:
        """Returns it as a receipt holds it; sums are text, for they exceed what JSON readers keep exact."""
        return {"rows": self.rows, "buckets": {str(b): [rows, str(total)] for b, (rows, total) in self.buckets.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fingerprint:
        """Returns what ``to_json`` gave."""
        return cls(buckets={int(b): (int(rows), int(total)) for b, (rows, total) in value["buckets"].items()})


def fingerprint(connection: connections.Connection, query: str, *, key: bytes, timeout_s: float) -> Fingerprint:
    """Returns the fingerprint of a query's columns ``key`` and ``value``, computed on the server.

    Args:
        connection: inside a read-only transaction.
        query: one statement; further columns are refused, so that nobody believes them compared.
        key: the plan's secret, 32 bytes.
        timeout_s: limit, seconds.

    Raises:
        errors.QueryFailed: the server refused the query or ended it.
        errors.ConfigurationError: the query's columns are not key and value.
    """
    with question.ask(connection, query, timeout_s=timeout_s) as answers:
        if len(answers.columns) != len(_COLUMNS) or set(answers.columns) != _COLUMNS:
            raise errors.ConfigurationError(
                f"A content check returns the columns {', '.join(answers.columns)}.",
                why="it is compared by two columns: key and value.",
                next="Write SELECT ... AS key, ... AS value.",
            )
    whole = sql.SQL(statements.load(__package__, "content.sql")).format(query=sql.SQL(query)).as_string(connection)
    with question.ask(connection, whole, timeout_s=timeout_s, secret=key.hex()) as answers:
        return Fingerprint(buckets={bucket: (rows, int(total)) for bucket, rows, total in answers.fetch(BUCKETS)})
