"""What a revision changed, table by table, counted by the server in the revision's own transaction.

The counters are the transaction's: what other sessions write meanwhile is not in them. Where they do not say what
became of a table, that is told as not known:

- of every table, where the revision committed in its middle, worked on another connection, or took back to a savepoint:
  its rows stay in the counters (PostgreSQL manual 27.2.2);
- of one table, where another one bears its name afterwards, or a TRUNCATE emptied it and set the counters back.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .door import rows

#: Returns: transaction id (NULL: none assigned), track_counts, then per changed table: oid, schema, table, rows
#: inserted, updated, deleted so far by this transaction (with what earlier ones have not handed on yet); one row at
#: least. Reads catalogues only.
COUNTS = """SELECT pg_current_xact_id_if_assigned()::text, current_setting('track_counts'), t.*
  FROM (SELECT 1) AS one LEFT JOIN (
    SELECT c.oid::bigint, n.nspname, c.relname, pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
           pg_stat_get_xact_tuples_updated(c.oid) AS updated, pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  ) AS t ON t.inserted + t.updated + t.deleted > 0"""
#: Returns, per table: name, oid, where its rows lie, and its columns as lines of "number type name". Reads catalogues.
PLACES = """SELECT (n.nspname || '.' || c.relname)::text, c.oid::bigint, c.relfilenode::bigint,
       coalesce((SELECT string_agg(a.attnum || ' ' || a.atttypid || ' ' || a.attname, E'\\n' ORDER BY a.attnum)
                   FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '')
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"""
#: Returns whether a function that is no part of PostgreSQL has the word TRUNCATE. Reads catalogues.
TRUNCATING = r"""SELECT EXISTS (SELECT FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prosrc ~* E'\\mtruncate\\M')"""
_TRUNCATE = re.compile(r"\bTRUNCATE\b", re.IGNORECASE)
_REWRITE = re.compile(r"\b(ALTER|CLUSTER|REFRESH|VACUUM)\b", re.IGNORECASE)
_TAKES_BACK = re.compile(r"\bROLLBACK\s+((WORK|TRANSACTION)\s+)?TO\b|\bEXCEPTION\s+WHEN\b", re.IGNORECASE)

Counts = Dict[str, Optional[Dict[str, int]]]
_Row = Tuple[int, int, int]
_NAMES = ("inserted", "updated", "deleted")


class Heard:
    """What a revision's statements say of its counters.

    Attributes:
        is_blind: the counters say nothing: rows were taken back, or written on another connection.
        has_truncated: a statement has the word TRUNCATE.
        may_rewrite: a statement has a word of those that write a table anew and keep its rows.
    """

    def __init__(self) -> None:
        self.is_blind = False
        self.has_truncated = False
        self.may_rewrite = False

    def hear(self, statement: str, *, is_own: bool) -> None:
        """Takes a statement of the revision, on its own connection or another one."""
        self.is_blind = self.is_blind or not is_own or bool(_TAKES_BACK.search(statement))
        self.has_truncated = self.has_truncated or bool(_TRUNCATE.search(statement))
        self.may_rewrite = self.may_rewrite or bool(_REWRITE.search(statement))


class Counted(NamedTuple):
    """What one revision changed.

    Attributes:
        changes: "schema.table" -> rows inserted, updated, deleted; None for a table of which it is not known, and for
            all of it where the server did not count everything.
        rewritten: tables of which no counter says what their values are: their rows lie elsewhere than before, another
            table bears the name, or a column's name belongs to another column or type.
    """

    changes: Optional[Counts]
    rewritten: List[str]


class _Place(NamedTuple):
    oid: int
    place: int
    columns: str

    def keeps(self, other: _Place) -> bool:
        """Says whether the rows lie where they lay, and each name of both means the column it meant."""
        if (self.oid, self.place) != (other.oid, other.place):
            return False
        then, now = _columns(self.columns), _columns(other.columns)
        return self.columns == other.columns or all(now[name] == then[name] for name in then if name in now)


class Changes:
    """Counts what one revision changes.

    Args:
        dbapi: the driver's connection, inside the revision's transaction, before its first statement.
    """

    def __init__(self, dbapi: Any) -> None:
        self._transaction, _, self._before, _ = _read(dbapi)
        self._places = _places(dbapi)

    def counted(self, dbapi: Any, heard: Heard) -> Counted:
        """Returns what the revision changed so far."""
        transaction, is_on, after, names = _read(dbapi)
        places = _places(dbapi)
        rewritten = [
            name for name, each in places.items() if name in self._places and not self._places[name].keeps(each)
        ]
        if transaction != self._transaction or not is_on or heard.is_blind:
            return Counted(None, rewritten)
        found: Counts = {}
        for table, counts in after.items():
            before = self._before.get(table, (0, 0, 0))
            difference = [now - then for now, then in zip(counts, before)]
            if any(difference):
                found[names[table]] = dict(zip(_NAMES, difference))
        found.update(dict.fromkeys(self._unknown(dbapi, places, heard)))
        return Counted(found, rewritten)

    def _unknown(self, dbapi: Any, places: Dict[str, _Place], heard: Heard) -> List[str]:
        """Returns the tables whose counters are another table's, or were set back."""
        bearers = {each.oid: name for name, each in self._places.items()}
        moved = [n for n, each in places.items() if n in self._places and each.place != self._places[n].place]
        is_said = heard.has_truncated or not heard.may_rewrite
        is_emptied = bool(moved) and (is_said or bool(rows(dbapi, TRUNCATING)[0][0]))
        others = [
            name
            for name, each in places.items()
            if bearers.get(each.oid, name) != name or (name in self._places and self._places[name].oid != each.oid)
        ]
        return others + (moved if is_emptied else [])


def _read(dbapi: Any) -> Tuple[Optional[str], bool, Dict[int, _Row], Dict[int, str]]:
    found = rows(dbapi, COUNTS)
    tables = [row[2:] for row in found if row[2] is not None]
    counts = {int(oid): (int(ins), int(upd), int(gone)) for oid, _, _, ins, upd, gone in tables}
    names = {int(oid): "{}.{}".format(schema, table) for oid, schema, table, _, _, _ in tables}
    return found[0][0], found[0][1] == "on", counts, names


def _places(dbapi: Any) -> Dict[str, _Place]:
    return {str(name): _Place(int(oid), int(place), str(columns)) for name, oid, place, columns in rows(dbapi, PLACES)}


def _columns(lines: str) -> Dict[str, Tuple[str, str]]:
    found = (line.split(" ", 2) for line in lines.split("\n") if line.count(" ") > 1)
    return {name: (number, kind) for number, kind, name in found}
