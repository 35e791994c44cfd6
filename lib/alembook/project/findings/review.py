"""The revisions of a plan as a reviewer reads them: source, SQL and findings of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg2 import sql

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements
from alembook.project import graph
from alembook.project.findings import linter, rules, whole
from alembook.project.findings.catalogue import Catalogue
from alembook.project.findings.finding import Finding
from alembook.project.findings.operation import Operation
from alembook.project.findings.rules import Place
from alembook.project.findings.source import Source

#: Returns (SQL, why it is not whole) for each revision that is asked for.
Render = Callable[[Sequence[str]], Mapping[str, tuple[str, str]]]

_REMOVES = frozenset({"delete", "truncate", "drop_table"})
_OWNERS = (whole.LOCKING - {"truncate"}) | {"create_index", "create_foreign_key"}
_OPAQUE = frozenset({"do", "sql"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One revision as a reviewer reads it.

    Attributes:
        id: of the revision.
        doc: first line of its docstring.
        source: its file.
        sql: what its upgrade sends, as far as it could be written without running it.
        note: why the SQL is missing or not whole; "" when it is.
        findings: what is to be said of it.
    """

    id: str
    doc: str
    source: str
    sql: str
    note: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """All of a plan's revisions.

    Attributes:
        revisions: in the order they are applied.
        unasked: why squawk was not asked; "" when it was.
        touched: tables that are there and that the revisions name, in words or in foreign keys.
        altered: those whose structure they surely change.
        creates_in: schemas they surely make tables in; "" = the first of the search_path.
    """

    revisions: tuple[Reviewed, ...]
    unasked: str = ""
    touched: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    creates_in: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Returns the findings of all revisions."""
        return tuple(finding for revision in self.revisions for finding in revision.findings)


def review(
    pending: Sequence[graph.Revision],
    connection: connections.Connection,
    *,
    version_table: tuple[str | None, str],
    server_version: str,
    render: Render,
    is_down: bool = False,
) -> Review:
    """Returns what is to be said of revisions before they are applied or taken back.

    Args:
        pending: in the order they are applied.
        connection: to the target, read-only, with the project's search_path and a statement_timeout.
        version_table: schema and name.
        server_version: "18.4".
        render: writes SQL; gets only revisions whose ``upgrade`` may be called without doing anything.
        is_down: their downgrades are judged.

    Raises:
        errors.ProjectFailed: a file is gone or is no Python.
        errors.QueryFailed: the catalogue cannot be read.
    """
    sources = {revision.id: _parse(revision, is_down=is_down) for revision in pending}
    names = {name for source in sources.values() for op in source.upgrade for name in (op.table, *op.referents)}
    catalogue = Catalogue(connection, names)
    places = _places(pending, sources, catalogue)
    texts = _texts(sources, render)
    alarms, unasked = _linted({name: text for name, (text, _) in texts.items()}, server_version)
    width = _width(connection, version_table)
    widens = any(version_table[1] in source.text for source in sources.values())
    reviewed = []
    for revision in pending:
        source, place = sources[revision.id], places[revision.id]
        text, note = texts[revision.id]
        found = [
            *whole.long_id(revision.id, width, may_be_widened=widens),
            *_judged(source, place),
            *linter.findings(text, alarms.get(revision.id, ()), source.upgrade, place),
        ]
        reviewed.append(_reviewed(revision, source.text, text, note, found))
    operations = [(op, places[name]) for name, source in sources.items() for op in source.upgrade]
    return Review(
        revisions=tuple(reviewed),
        unasked=unasked,
        touched=tuple(sorted(name for name in names if catalogue.table(name))),
        altered=tuple(sorted({op.table for op, place in operations if _alters(op, place)})),
        creates_in=tuple(sorted({_schema(op) for op, _ in operations if _creates(op)})),
    )


def _judged(source: Source, place: Place) -> Iterator[Finding]:
    for operation in source.upgrade:
        yield from rules.judge(operation, place)
    yield from whole.judge(source, place)


def _reviewed(revision: graph.Revision, source: str, text: str, note: str, found: Sequence[Finding]) -> Reviewed:
    findings = tuple(_distinct(found))
    return Reviewed(id=revision.id, doc=revision.doc, source=source, sql=text, note=note, findings=findings)


def _alters(operation: Operation, place: Place) -> bool:
    """Says whether an operation needs the owner of a table that is there, under every condition."""
    is_sure = "conditional" not in operation.traits and place.existing(operation.table) is not None
    return is_sure and operation.kind in _OWNERS


def _creates(operation: Operation) -> bool:
    return operation.kind == "create_table" and "conditional" not in operation.traits


def _schema(operation: Operation) -> str:
    return operation.table.rpartition(".")[0]


def _parse(revision: graph.Revision, *, is_down: bool) -> Source:
    """Returns what a file says; on the way back its downgrade stands where its upgrade was."""
    try:
        found = Source.parse(revision.file.read_text(encoding="utf-8"))
        if not is_down:
            return found
        return replace(found, upgrade=found.downgrade, downgrade=(), unsafe_to_render="it is taken back")
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        raise errors.ProjectFailed(
            f"The revision {revision.id} cannot be read.",
            why=f"{revision.file}: {error}.",
            next="Restore the file, then begin again.",
            state="unchanged: nothing was run.",
        ) from error


def _places(pending: Sequence[graph.Revision], sources: Mapping[str, Source], catalogue: Catalogue) -> dict[str, Place]:
    """Returns where each revision stands: what the plan makes and removes before and in it."""
    created: set[str] = set()
    changed: set[str] = set()
    places = {}
    for revision in pending:
        operations = sources[revision.id].upgrade
        created |= {op.table for op in operations if op.kind == "create_table" and catalogue.table(op.table) is None}
        changed |= set(_changed(operations, [op.table for source in sources.values() for op in source.upgrade]))
        places[revision.id] = Place(
            revision=revision.id, catalogue=catalogue, created=frozenset(created), changed=frozenset(changed)
        )
    return places


def _changed(operations: Sequence[Operation], tables: Sequence[str]) -> Iterator[str]:
    for operation in operations:
        if operation.kind in _REMOVES:
            yield from [operation.table] if operation.table else tables
        elif operation.kind in _OPAQUE:
            yield from (table for table in tables if table.rpartition(".")[2] in operation.sql)


def _texts(sources: Mapping[str, Source], render: Render) -> dict[str, tuple[str, str]]:
    """Returns the SQL of each revision, and why it is not whole."""
    rendered = render([name for name, source in sources.items() if not source.unsafe_to_render])
    found = {}
    for name, source in sources.items():
        text, error = rendered.get(name, ("", source.unsafe_to_render))
        if error:
            written = "\n".join(f"{operation.sql};" for operation in source.upgrade if operation.sql)
            text, error = written, f"not written offline: {error}; below is the SQL its source holds as text"
        found[name] = text, error
    return found


def _linted(texts: Mapping[str, str], server_version: str) -> tuple[Mapping[str, list[linter.Alarm]], str]:
    try:
        return linter.lint(texts, pg_version=server_version), ""
    except errors.ToolMissing as error:
        return {}, error.what
    except json.JSONDecodeError:
        return {}, "squawk gave no answer that can be read."


def _width(connection: connections.Connection, version_table: tuple[str | None, str]) -> int | None:
    """Returns how long an id may be: 0 = any length, None = there is no version table yet."""
    name = sql.Identifier(*filter(None, version_table)).as_string(connection)
    found = connections.rows(connection, statements.load(__package__, "version_width.sql"), {"name": name})
    return int(found[0]["width"]) if found else None


def _distinct(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yields findings once: the same statement in a loop, or said by two rules of squawk."""
    seen = set()
    for finding in findings:
        key = (finding.rule, finding.operation)
        if key not in seen:
            seen.add(key)
            yield finding
