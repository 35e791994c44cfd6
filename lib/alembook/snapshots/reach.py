"""Which tables words lead to: those they name, and those the database itself would change along with them.

A relation is named when its name, without its schema, stands among the words. What then follows without being named:
the parts of a partitioned table, the tables under a view, what the functions of triggers and called functions name, the
tables whose foreign keys follow (CASCADE). Last, one step along every other foreign key: its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from alembook.postgres import connection as connections
from alembook.postgres import statements

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How the relations and functions of a database lead to one another, names "schema.name".

    Attributes:
        tables: those that hold rows.
        others: partitioned tables and views.
        functions: name -> words of its text.
        edges: kind -> source -> goals, kinds as in ``reach_edges.sql``.
    """

    tables: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    functions: dict[str, frozenset[str]] = field(default_factory=dict)
    edges: dict[str, dict[str, set[str]]] = field(default_factory=dict)

    def named(self, said: Collection[str]) -> set[str]:
        """Returns the tables that words lead to, without neighbours.

        Args:
            said: words, as ``words`` finds them.
        """
        known, heard = set(said), 0
        found: set[str] = set()
        waiting: set[str] = set()
        while waiting or len(known) > heard:
            if len(known) > heard:
                heard = len(known)
                waiting |= self._bearing(known) - found
                continue
            name = waiting.pop()
            found.add(name)
            known |= self.functions.get(name, frozenset())
            waiting |= {*self._following(name)} - found
        return found & self.tables

    def with_neighbours(self, found: Collection[str]) -> set[str]:
        """Returns tables with those that a foreign key connects to them, partitioned ones by their parts."""
        parents = {source for source, goals in self._of("part").items() if goals & set(found)}
        beside = {goal for name in {*found, *parents} for goal in self._of("key").get(name, ())}
        waiting, parts = set(beside), set(beside)
        while waiting:
            new = self._of("part").get(waiting.pop(), set()) - parts
            parts |= new
            waiting |= new
        return {*found, *(parts & self.tables)}

    def _of(self, kind: str) -> dict[str, set[str]]:
        return self.edges.get(kind, {})

    def _following(self, name: str) -> Iterator[str]:
        for kind in ("part", "view", "trigger", "cascade"):
            yield from self._of(kind).get(name, ())

    def _bearing(self, said: set[str]) -> set[str]:
        """Returns the relations and functions whose names stand among the words."""
        names = {*self.tables, *self.others, *self.functions}
        return {name for name in names if said.issuperset(_WORD.findall(name.partition(".")[2]))}


def words(text: str) -> set[str]:
    """Returns the words of a text, as they stand and in small letters, as SQL reads a name without quotes."""
    return set(_WORD.findall(text)) | set(_WORD.findall(text.lower()))


def read(connection: connections.Connection) -> Reach:
    """Returns how the relations of a database lead to one another. Raises as ``connections.rows``."""
    relations = connections.rows(connection, statements.load(__package__, "reach_relations.sql"))
    functions: dict[str, frozenset[str]] = {}
    for row in connections.rows(connection, statements.load(__package__, "reach_functions.sql")):
        functions[row["name"]] = functions.get(row["name"], frozenset()) | words(row["text"])
    edges: dict[str, dict[str, set[str]]] = {}
    for row in connections.rows(connection, statements.load(__package__, "reach_edges.sql")):
        edges.setdefault(row["kind"], {}).setdefault(row["source"], set()).add(row["goal"])
    return Reach(
        tables=frozenset(row["name"] for row in relations if row["is_table"]),
        others=frozenset(row["name"] for row in relations if not row["is_table"]),
        functions=functions,
        edges=edges,
    )
