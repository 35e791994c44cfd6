"""Which rows a revision failed on, on the copy: what its statement asked of them, asked of each.

What the revision itself had done before is rolled back by then: rows it made are not there to be found, and that is
said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from alembook.postgres import connection as connections
from alembook.project.findings import statement as reading
from alembook.snapshots import misfits
from alembook.snapshots.comparison import rows_text
from alembook.snapshots.misfits import Alike, Misfits, Orphans, Suspicion, Unfit, Wrong
from alembook.steps.rehearsing import Copy

#: Of so many rows the keys are shown.
SHOWN = 20
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_QUALIFIED = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
_UNIQUE_INDEX = re.compile(
    rf"CREATE\s+UNIQUE\s+INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?:{_NAME}\s+)?"
    rf"ON\s+(?:ONLY\s+)?(?P<table>{_QUALIFIED})",
    re.IGNORECASE,
)
_ADD = re.compile(
    rf"ADD\s+(?:CONSTRAINT\s+{_NAME}\s+)?(?P<kind>UNIQUE|PRIMARY\s+KEY|CHECK|FOREIGN\s+KEY)\b(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_VALIDATE = re.compile(rf"VALIDATE\s+CONSTRAINT\s+(?P<name>{_NAME})", re.IGNORECASE)
_NOT_NULL = re.compile(rf"ALTER\s+(?:COLUMN\s+)?(?P<column>{_NAME})\s+SET\s+NOT\s+NULL", re.IGNORECASE)
_NEW_COLUMN = re.compile(r"ADD\s+(?!CONSTRAINT\b)(?:COLUMN\s+)?.*\bNOT\s+NULL\b", re.IGNORECASE | re.DOTALL)
_TYPE = re.compile(
    rf"ALTER\s+(?:COLUMN\s+)?(?P<column>{_NAME})\s+(?:SET\s+DATA\s+)?TYPE\s+(?P<type>.+?)"
    rf"(?:\s+COLLATE\s+{_QUALIFIED})?(?:\s+USING\s+(?P<value>.+))?$",
    re.IGNORECASE | re.DOTALL,
)
_REFERENCES = re.compile(rf"\s*REFERENCES\s+(?P<parent>{_QUALIFIED})(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_WHERE = re.compile(r"\bWHERE\b(?P<condition>.*)$", re.IGNORECASE | re.DOTALL)
_ALIKE = re.compile(r"\bNULLS\s+NOT\s+DISTINCT\b", re.IGNORECASE)
_COLLATION = re.compile(rf"\s*COLLATE\s+{_QUALIFIED}", re.IGNORECASE)
_EVERY = "TRUE"
#: An env.py may have set another search_path: the table's own schema comes first.
_NEAREST = "SELECT set_config('search_path', quote_ident(%(schema)s) || ', ' || current_setting('search_path'), true)"


def find(copy: Copy, failed: Mapping[str, Any]) -> Misfits | None:
    """Returns the rows of the copy that a revision failed on; None where that is no matter of rows.

    Args:
        copy: the copy, after the failure.
        failed: the agent's event.

    Raises:
        errors.Unreachable, errors.QueryFailed: the copy is gone.
    """
    sqlstate, statement = str(failed.get("sqlstate") or ""), str(failed.get("statement") or "")
    if _reader(sqlstate) is None:
        return None
    target = copy.book.target
    how = {"timeout_s": target.limits.check_timeout_s, "keys": SHOWN if target.verify.show_keys else 0}
    opened = connections.connect(copy.scratch.database, application_name=copy.book.application_name, read_only=True)
    with connections.closing(opened) as connection:
        connections.execute(connection, "BEGIN READ ONLY")
        if failed.get("schema"):
            connections.execute(connection, _NEAREST, {"schema": failed["schema"]})
        found = None
        for suspicion in suspicions(sqlstate, _validated(connection, statement)):
            found = misfits.find(connection, suspicion, **how)
            if found.rows:
                break
    return found or Misfits(why="the statement asks nothing of the rows that were there before")


def suspicions(sqlstate: str, statement: str) -> list[Suspicion]:
    """Returns what to ask for the rows that a statement failed on.

    Args:
        sqlstate: the server's word for it.
        statement: as it was sent; with bound values, and "%" doubled where the driver has it so.
    """
    read = _reader(sqlstate)
    texts = [text for _, _, text in reading.split(statement.replace("%%", "%"))] if read else []
    return [found for text in texts for action in reading.actions(text) for found in (read(action) if read else ())]


def counted(found: Misfits) -> str:
    """Returns how many rows do not fit, in words; "" when that is not known."""
    if not found.rows:
        return ""
    more = found.rows > misfits.COUNTED_ROWS
    return f"more than {misfits.COUNTED_ROWS:,} rows" if more else rows_text(found.rows)


def named(found: Misfits, *, may_show: bool) -> str:
    """Returns which rows do not fit: their keys, or why there are none."""
    if found.why:
        return f"which rows could not be found: {found.why}"
    if not found.rows:
        return "no row of the copy is so before the revision: its own statements make them"
    if not found.is_keyed:
        return "the table has no key to name them by"
    if not may_show:
        return "keys are left out (verify.show_keys)"
    left = found.rows - len(found.keys)
    return f"keys: {', '.join(found.keys)}" + (f" and {left:,} more" if left else "")


def _reader(sqlstate: str) -> _Reader | None:
    """Returns what reads a statement that failed so; class 22 are data exceptions (PostgreSQL manual, appendix A)."""
    return _unfit if sqlstate.startswith("22") else _READERS.get(sqlstate)


def _validated(connection: connections.Connection, statement: str) -> str:
    """Returns a statement, with the definition of a constraint it validates in the place of its name."""
    table, rest = reading.altered(statement)
    found = _VALIDATE.match(rest)
    if found is None:
        return statement
    return f"ALTER TABLE {table} ADD {misfits.definition(connection, table, _bare(found['name']))}"


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _added(action: str) -> tuple[str, str, str]:
    """Returns table, kind in capitals and the rest of a constraint that is added; kind "" for any other action."""
    table, rest = reading.altered(action)
    found = _ADD.match(rest)
    return (table, " ".join(found["kind"].upper().split()), found["rest"]) if found else (table, "", rest)


def _alike(action: str) -> Iterator[Suspicion]:
    index = _UNIQUE_INDEX.match(action)
    table, kind, rest = (index["table"], "INDEX", action[index.end() :]) if index else _added(action)
    if kind not in {"INDEX", "UNIQUE", "PRIMARY KEY"}:
        return
    elements, after = reading.inside(rest)
    where = _WHERE.search(after)
    if elements:
        yield Alike(
            table=table,
            values=tuple(_expression(element) for element in reading.cut(elements)),
            condition=where["condition"].strip() if where else "",
            are_nulls_alike=_ALIKE.search(rest) is not None,
        )


def _expression(element: str) -> str:
    """Returns an element of an index without operator class and order."""
    found = re.match(rf"{_NAME}(?:\s*\.\s*{_NAME})*", element)
    begin = found[0] if found else ""
    rest = element[len(begin) :]
    if rest.lstrip().startswith("("):
        parts, rest = reading.inside(rest)
        begin += f"({parts})"
    collation = _COLLATION.match(rest)
    return begin + (f" {collation[0].strip()}" if collation else "")


def _without_value(action: str) -> Iterator[Suspicion]:
    table, kind, rest = _added(action)
    if kind == "PRIMARY KEY":
        for column in reading.cut(reading.inside(rest)[0]):
            yield Wrong(table=table, condition=f"{column} IS NULL")
    found = _NOT_NULL.match(rest)
    if found:
        yield Wrong(table=table, condition=f"{found['column']} IS NULL")
    elif table and not kind and _NEW_COLUMN.match(rest):
        yield Wrong(table=table, condition=_EVERY)


def _violating(action: str) -> Iterator[Suspicion]:
    table, kind, rest = _added(action)
    if kind == "CHECK":
        yield Wrong(table=table, condition=f"NOT ({reading.inside(rest)[0]})")


def _orphaned(action: str) -> Iterator[Suspicion]:
    table, kind, rest = _added(action)
    columns, after = reading.inside(rest)
    found = _REFERENCES.match(after)
    if kind == "FOREIGN KEY" and found:
        referenced = reading.inside(found["rest"])[0] if found["rest"].lstrip().startswith("(") else ""
        yield Orphans(
            table=table,
            columns=tuple(reading.cut(columns)),
            parent=found["parent"],
            referenced=tuple(reading.cut(referenced)),
        )


def _unfit(action: str) -> Iterator[Suspicion]:
    table, rest = reading.altered(action)
    found = _TYPE.match(rest)
    if found:
        column = found["column"]
        yield Unfit(table=table, column=_bare(column), value=found["value"] or column, type=found["type"])


_Reader = Callable[[str], Iterable[Suspicion]]
_READERS: Mapping[str, _Reader] = {
    "23505": _alike,
    "23502": _without_value,
    "23514": _violating,
    "23503": _orphaned,
}
