"""What a database is made of: every object of its schemas with its definition, to be compared with a later one.

In it: tables with their partitioning, columns, indexes and whether they are valid, constraints and whether they are
validated and fire, sequences, views, functions, aggregates, operators, casts, triggers and whether they fire, types,
collations, policies, text search, foreign servers and tables with their options, publications, extensions.

Not in it: rows, positions of sequences, owners, rights, comments, the order of columns; what only plans and places
depend on (statistics targets, options of columns, CLUSTER, tablespaces); user mappings, and the values of options
whose names speak of a secret; connections of subscriptions; operator classes and families, languages, access methods,
conversions, transforms, base types, parsers and templates of text search, versions of collations; settings of the
database and of roles.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from alembook.postgres import connection as connections
from alembook.postgres import statements

#: Kinds that a restored copy lacks on purpose: there they would act on other servers (see ``restoring``).
NOT_RESTORED = ("event trigger", "publication", "subscription")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One object that is not the same.

    Attributes:
        kind: "table", "column", "index", ... as PostgreSQL names it.
        name: with its schema, "public.orders.id" for a column.
        before: its definition; None when it was not there.
        after: its definition; None when it is gone.
    """

    kind: str
    name: str
    before: str | None
    after: str | None

    def sentence(self) -> str:
        """Returns what became of the object, in one line."""
        if self.before is None:
            return f"{self.kind} {self.name}: new" + (f" ({_short(self.after)})" if self.after else "")
        if self.after is None:
            return f"{self.kind} {self.name}: gone"
        return f"{self.kind} {self.name}: {_short(self.before)} -> {_short(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The objects of a database at one instant.

    Attributes:
        objects: "kind name" -> definition, by name: "column public.orders.id" -> "bigint NOT NULL".
    """

    objects: Mapping[str, str]

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Returns the fingerprint that ``to_json`` wrote."""
        return cls(objects=dict(record["objects"]))

    def to_json(self) -> dict[str, Any]:
        """Returns what is kept in a run's folder."""
        return {"digest": self.digest, "objects": dict(self.objects)}

    @property
    def digest(self) -> str:
        """Returns the SHA-256 over all objects: equal exactly when there is no difference."""
        lines = (f"{name}\0{definition}\0" for name, definition in sorted(self.objects.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def differences(self, other: Fingerprint, *, without: Collection[str] = ()) -> tuple[Difference, ...]:
        """Returns what is not the same in a later or another database, by kind and name.

        Args:
            other: what is compared with this one: an object only there is new.
            without: kinds that are not compared, such as ``NOT_RESTORED``.
        """
        found = (
            Difference(kind=kind, name=name, before=self.objects.get(whole), after=other.objects.get(whole))
            for whole in sorted({*self.objects, *other.objects})
            for kind, name in [_parted(whole)]
            if kind not in without
        )
        return tuple(each for each in found if each.before != each.after)


#: A list of varchar literals, as PostgreSQL writes it for a check; having read that text again (from a
#: dump) it writes each literal with a cast of its own. SQLAlchemy's Enum and ``IN`` over a varchar make such checks.
_LISTED = re.compile(r"\(ARRAY\[((?:E?'(?:[^'\\]|''|\\.)*'::character varying(?:, )?)+)\]\)::text\[\]")
_LITERAL = re.compile(r"E?'(?:[^'\\]|''|\\.)*'::character varying")

_PARTITION = re.compile(r"(?:^|; )partition (?:FOR VALUES|DEFAULT)")
#: Kinds of more than one word, so that "materialized view public.v" can be told apart again.
_LONG_KINDS = (
    "materialized view",
    "foreign server",
    "foreign data wrapper",
    "event trigger",
    "text search configuration",
    "text search dictionary",
)
_SHOWN = 200


def read(connection: connections.Connection, *, leave_out_schemas: Collection[str] = ()) -> Fingerprint:
    """Returns the fingerprint of a database. Reads the catalogue only; takes no lock on a table.

    Args:
        connection: to the database. Its search_path is emptied for the query and put back.
        leave_out_schemas: schemas that are not the user's, such as Alembook's own.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    with _without_search_path(connection):
        query = statements.load(__package__, "fingerprint.sql")
        found = connections.tuples(connection, query, {"leave_out": list(leave_out_schemas)})
    return Fingerprint(objects={f"{kind} {name}": _settled(definition) for kind, name, definition in sorted(found)})


def is_partition(definition: str) -> bool:
    """Says whether a table of this definition is a partition: such tables time makes, or a job, and no revision."""
    return bool(_PARTITION.search(definition))


def _settled(definition: str) -> str:
    """Returns a definition as the server writes it once it has read its own text again: a restored copy's."""

    def each_cast(match: re.Match[str]) -> str:
        return f"ARRAY[{_LITERAL.sub(lambda literal: f'({literal[0]})::text', match[1])}]"

    return _LISTED.sub(each_cast, definition)


@contextmanager
def _without_search_path(connection: connections.Connection) -> Iterator[None]:
    """Lets the server write every name with its schema."""
    pin = "SELECT set_config('search_path', %(path)s, false)"
    path = connections.scalar(connection, "SELECT current_setting('search_path')")
    connections.scalar(connection, pin, {"path": ""})
    yield
    connections.scalar(connection, pin, {"path": path})


def _parted(whole: str) -> tuple[str, str]:
    for kind in _LONG_KINDS:
        if whole.startswith(f"{kind} "):
            return kind, whole[len(kind) + 1 :]
    kind, _, name = whole.partition(" ")
    return kind, name


def _short(definition: str | None) -> str:
    text = " ".join((definition or "").split()) or "plain"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
