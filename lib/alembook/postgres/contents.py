"""A dump's table of contents, as ``pg_restore --list`` writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

#: Kinds of entries with more than one word (pg_dump.c, 18); any other is one word.
_LONG_KINDS = (
    "ACCESS METHOD",
    "BLOB METADATA",
    "CHECK CONSTRAINT",
    "DATABASE PROPERTIES",
    "DEFAULT ACL",
    "EVENT TRIGGER",
    "FK CONSTRAINT",
    "FOREIGN DATA WRAPPER",
    "FOREIGN SERVER",
    "FOREIGN TABLE",
    "INDEX ATTACH",
    "LARGE OBJECT",
    "MATERIALIZED VIEW DATA",
    "MATERIALIZED VIEW",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PUBLICATION TABLES IN SCHEMA",
    "PUBLICATION TABLE",
    "ROW SECURITY",
    "SECURITY LABEL",
    "SEQUENCE OWNED BY",
    "SEQUENCE SET",
    "SHELL TYPE",
    "STATISTICS DATA",
    "SUBSCRIPTION TABLE",
    "TABLE ATTACH",
    "TABLE DATA",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "USER MAPPING",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a dump's table of contents.

    Attributes:
        id: of the entry, unique in the dump; what ``pg_restore --use-list`` goes by.
        oid: of what it stands for in the dumped database, for TABLE DATA the table's; 0 for what has none.
        kind: "TABLE", "TABLE DATA", "FK CONSTRAINT", ...
        schema: "" for what lies in none.
        name: as pg_restore writes it: "orders", "f(integer, text)", "orders orders_pkey".
        owner: "" for what has none.
        line: as pg_restore wrote it.
    """

    id: int
    oid: int
    kind: str
    schema: str
    name: str
    owner: str
    line: str


def parse(lines: Collection[str]) -> tuple[Entry, ...]:
    """Returns the entries that lines of ``pg_restore --list`` stand for, comments left out before.

    A line is ``id; oid oid KIND schema name owner``, with nothing to tell a space in a name from one between names. A
    schema whose name has a space is recognised by its own entry; an owner's name is taken to have none. Names are for
    people: what must not be mistaken goes by ``oid``.
    """
    first_pass = [_entry(line, ()) for line in lines]
    spaced = [entry.name for entry in first_pass if entry.kind == "SCHEMA" and " " in entry.name]
    return tuple(_entry(line, spaced) for line in lines) if spaced else tuple(first_pass)


def _entry(line: str, spaced_schemas: Iterable[str]) -> Entry:
    number, _, rest = line.partition("; ")
    _, oid, text = rest.split(" ", 2)
    kind = next((kind for kind in _LONG_KINDS if text.startswith(f"{kind} ")), text.partition(" ")[0])
    text = text[len(kind) + 1 :]
    schema = next((name for name in spaced_schemas if text.startswith(f"{name} ")), text.partition(" ")[0])
    name, _, owner = text[len(schema) + 1 :].rpartition(" ")
    place = "" if schema == "-" else schema
    return Entry(id=int(number), oid=int(oid), kind=kind, schema=place, name=name, owner=owner, line=line)
