"""Declared checks: what a project states about its data, read from ``checks.toml`` or from a backfill.

Five kinds (DESIGN.md 3.5): ``rows`` gives a table's count after the change, ``changes`` names columns whose values the
change means to alter, ``content`` follows a value by its key through the change, ``none`` is a query that must return
no row afterwards, ``census`` compares which values a column holds.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from alembook import errors
from alembook.config.reading import Table
from alembook.verdict import Grade

KINDS = ("rows", "changes", "content", "none", "census")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsRule:
    """A table's row count after the change.

    Attributes:
        table: "schema.table", or "table" where only one schema has it.
        expected: a query of one number, evaluated before the change.
        from_revision: the rule holds for a plan that applies this revision; "" for every plan.
    """

    name: str
    table: str
    expected: str
    from_revision: str = ""
    grade: Grade = Grade.MUST


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesRule:
    """Columns whose values a revision or a backfill means to alter: their checksums are not compared.

    Attributes:
        table: as in ``RowsRule``.
        columns: their names; "*" is every column.
        from_revision: as in ``RowsRule``.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    from_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRule:
    """A value that must come through the change unaltered, whatever table it ends in.

    Attributes:
        before: a query with the columns ``key`` and ``value``, evaluated before the change.
        after: its counterpart afterwards.
        from_revision: as in ``RowsRule``.
    """

    name: str
    before: str
    after: str
    from_revision: str = ""
    grade: Grade = Grade.MUST


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneRule:
    """A query that must return no row after the change."""

    name: str
    query: str
    from_revision: str = ""
    grade: Grade = Grade.MUST


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusRule:
    """Columns of few values, which must be the same values afterwards; they enter the record.

    Attributes:
        allowed: the only values there may be afterwards, whatever there was; () = those of before. NULL is "NULL".
    """

    name: str
    table: str
    columns: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    from_revision: str = ""
    grade: Grade = Grade.MUST


Rule: TypeAlias = RowsRule | ChangesRule | ContentRule | NoneRule | CensusRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """All rules of a project, in the order they are written."""

    rows: tuple[RowsRule, ...] = ()
    changes: tuple[ChangesRule, ...] = ()
    content: tuple[ContentRule, ...] = ()
    none: tuple[NoneRule, ...] = ()
    census: tuple[CensusRule, ...] = ()

    def __add__(self, other: Declared) -> Declared:
        """Returns the rules of both. Names that meet are the caller's to refuse: see ``require_distinct``."""
        return Declared(
            rows=self.rows + other.rows,
            changes=self.changes + other.changes,
            content=self.content + other.content,
            none=self.none + other.none,
            census=self.census + other.census,
        )

    def all(self) -> tuple[Rule, ...]:
        """Returns every rule."""
        return (*self.rows, *self.changes, *self.content, *self.none, *self.census)

    def require_distinct(self) -> None:
        """Does nothing when no two rules share a name and no two ``rows`` rules speak of one table for one revision.

        Raises:
            errors.ConfigurationError: names the first that does.
        """
        for what, found in (
            ("named", [rule.name for rule in self.all() if not isinstance(rule, ChangesRule)]),
            ("for the table", [f"{r.table} from {r.from_revision}" if r.from_revision else r.table for r in self.rows]),
        ):
            doubles = sorted({text for text in found if found.count(text) > 1})
            if doubles:
                raise errors.ConfigurationError(
                    f"Two checks are {what} {doubles[0]}.",
                    why="a verdict names its check, so a name stands for one of them.",
                    next="Rename or remove one, in checks.toml or in the backfill that declares it.",
                )


def load(path: Path) -> Declared:
    """Returns the rules of a ``checks.toml``; none when the file does not exist.

    Raises:
        errors.ConfigurationError: not TOML, an unknown key, a wrong type, a grade or query that cannot be used; says
            file, key and what is accepted.
    """
    if not path.exists():
        return Declared()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise errors.ConfigurationError(
            f"{path.name} cannot be read.",
            why=str(error),
            next=f"Correct {path}; it is TOML, see docs/writing-checks.md.",
        ) from error
    _refuse_unknown_kinds(values, path)
    entries = [(kind, number, entry) for kind in KINDS for number, entry in enumerate(values.get(kind, []), start=1)]
    declared = declare(((f"{kind}[{number}]", {**entry, "kind": kind}) for kind, number, entry in entries), path=path)
    declared.require_distinct()
    return declared


def _refuse_unknown_kinds(values: Mapping[str, Any], path: Path) -> None:
    top = Table(values, file=path)
    for key, value in values.items():
        if key not in KINDS:
            raise top.refuse(key, accepted=" | ".join(f"[[{kind}]]" for kind in KINDS))
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise top.refuse(key, accepted=f"tables written as [[{key}]]")


def declare(entries: Iterable[tuple[str, Mapping[str, Any]]], *, path: Path) -> Declared:
    """Returns the rules that plain mappings stand for.

    Args:
        entries: (place for messages such as "rows[1]", the keys of checks.toml plus ``kind``); a backfill's ``checks``
            have this form.
        path: the file they stand in, for messages.

    Raises:
        errors.ConfigurationError: as ``load``.
    """
    found: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for place, entry in entries:
        table = Table(entry, file=path, name=place)
        kind = table.text("kind", choices=KINDS)
        if kind is None:
            raise table.refuse("kind", accepted=" | ".join(KINDS))
        found[kind].append(_READERS[kind](table))
        table.finish()
    return Declared(**{kind: tuple(rules) for kind, rules in found.items()})


def _read_rows(table: Table) -> RowsRule:
    name = table.required("table", "a table, schema.table or table")
    title = table.text("name") or f"rows of {name}"
    return RowsRule(name=title, table=name, expected=_query(table, "expected"), **_common(table))


def _read_changes(table: Table) -> ChangesRule:
    name = table.required("table", "a table, schema.table or table")
    columns = table.texts("columns")
    if not columns:
        raise table.refuse("columns", accepted='the columns that change, such as ["status"], or ["*"] for all')
    revision = table.text("from_revision") or ""
    return ChangesRule(name=f"changes of {name}", table=name, columns=columns, from_revision=revision)


def _read_content(table: Table) -> ContentRule:
    name = table.required("name", "a sentence that names what survives")
    return ContentRule(name=name, before=_query(table, "before"), after=_query(table, "after"), **_common(table))


def _read_none(table: Table) -> NoneRule:
    name = table.required("name", "a sentence that is true when the query returns no row")
    return NoneRule(name=name, query=_query(table, "query"), **_common(table))


def _read_census(table: Table) -> CensusRule:
    name = table.required("table", "a table, schema.table or table")
    columns, allowed = table.texts("columns"), table.texts("allowed")
    if not columns:
        raise table.refuse("columns", accepted='columns of few values, such as ["status"]')
    title = table.text("name") or f"values of {', '.join(columns)} in {name}"
    return CensusRule(name=title, table=name, columns=columns, allowed=allowed, **_common(table))


_READERS: Mapping[str, Callable[[Table], Rule]] = {
    "rows": _read_rows,
    "changes": _read_changes,
    "content": _read_content,
    "none": _read_none,
    "census": _read_census,
}


def _query(table: Table, key: str) -> str:
    """Returns a query without the semicolon at its end; whether it is one query is the server's to say."""
    return table.required(key, "one SQL query").strip().rstrip(";").rstrip()


def _common(table: Table) -> dict[str, Any]:
    grade = Grade(table.text("grade", choices=[grade.value for grade in Grade]) or Grade.MUST)
    return {"from_revision": table.text("from_revision") or "", "grade": grade}
