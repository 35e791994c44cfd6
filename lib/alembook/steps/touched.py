"""Which tables a run works on: before the change by the texts of its plan, afterwards by the statements it executed.

A table counts when its name stands in a text as a word, and when the database changes it along with such a table
(``snapshots.reach``). That errs on one side: a table taken for touched is measured, and judged more strictly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from alembook.backfills import SQL, Backfill, declaration, ledger
from alembook.postgres import connection as connections
from alembook.project.findings import hidden
from alembook.snapshots import checks, reach
from alembook.steps.runbook import Book, notebook_stem


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which tables are measured.

    Attributes:
        tables: "schema.table"; None is every table.
        why: in words, for the record.
    """

    tables: frozenset[str] | None
    why: str

    def holds(self, table: str) -> bool:
        """Says whether a table is in it."""
        return self.tables is None or table in self.tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the run itself did to tables, "schema.table".

    Attributes:
        rows: table -> rows it added, those it removed taken off; tables that are not here: not known.
        worked_on: tables whose rows or values it may have changed: it wrote to them, or wrote them anew, or that is not
            known. Of every other table it left each value as it was.
    """

    rows: Mapping[str, int]
    worked_on: frozenset[str]


def scope(book: Book, connection: connections.Connection, rules: checks.Declared, there: Collection[str]) -> Scope:
    """Returns what is measured, by the target's policy and the texts of the plan.

    With ``verify.scope = "touched"``: what the plan's revisions, its backfills, the declared checks, and a rehearsal's
    statements lead to, and their neighbours by foreign keys. Where a revision's text cannot say which tables it works
    on, every table.

    Args:
        book: with a plan.
        connection: to the database before the change.
        rules: the declared checks.
        there: "schema.table" of every table that the target's policy includes.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    if book.target.verify.scope == "all":
        return Scope(tables=None, why="every table: verify.scope is all")
    if reason := next(_hidden(book), ""):
        return Scope(tables=None, why=f"every table: {reason}")
    found = reach.read(connection)
    said = {word for text in [*_planned(book), *_declared(rules), *_executed(book)] for word in reach.words(text)}
    named = found.named(said)
    whole = found.with_neighbours(named)
    counts = len(named & set(there)), len(there), len((whole - named) & set(there))
    why = "{:,} of {:,} tables named by the plan, {:,} beside them by foreign keys".format(*counts)
    return Scope(tables=frozenset(whole), why=why)


def executed(book: Book, connection: connections.Connection, *, gone: Collection[str] = ()) -> set[str]:
    """Returns the tables that the statements this run executed, and its backfills, lead to, or the server says so.

    The server counts the rows a revision or a batch changes, in whatever table: a name that was put together in a
    function stands in no statement.

    Args:
        book: with a plan.
        connection: to the database after the change.
        gone: "schema.table" of further ones, which may not be there any more.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    found = reach.read(connection)
    said = {word for text in _executed(book) for word in reach.words(text)}
    named = replace(found, tables=found.tables.union(gone)).named(said)
    told = _committed(book).values()
    counted = (*(event.get("changes") for event in told), *(_batches(book, connection) or ()))
    rewritten = {table for event in told for table in event.get("rewritten", ())}
    return named | rewritten | {table for changes in counted for table in changes or ()}


def backfilled(book: Book, connection: connections.Connection) -> set[str]:
    """Returns the tables that the plan's backfills lead to. Raises as ``executed``."""
    return reach.read(connection).named({word for text in _backfilled(book) for word in reach.words(text)})


def own(
    book: Book,
    connection: connections.Connection,
    tables: Collection[str],
    *,
    backfilled: Collection[str],
    executed: Collection[str],
) -> Own:
    """Returns what the run itself did to tables.

    The server counts rows in the transaction of each revision and each batch, so what others write meanwhile is not in
    them. Not known: see ``project.agent.changes`` of revisions, and of one that was not told to its end; of a
    backfill's tables where its statements truncate, or a kill came between a batch's commit and its event: the ledger
    has more batches then.

    Args:
        book: with a plan.
        connection: to the database, for the ledger.
        tables: "schema.table" of what is asked for.
        backfilled: those that backfills lead to.
        executed: those that any statement of the run leads to: it did nothing to the others.
    """
    told = _committed(book)
    changes = [event.get("changes") for event in told.values()]
    is_counted = told.keys() >= set(book.plan().order()) and None not in changes
    counts = [count for each in changes for count in (each or {}).items()]
    unclear = {name for name, count in counts if count is None} | set(() if is_counted else executed)
    sums: dict[str, int] = {}
    batches = _batches(book, connection) if backfilled else []
    for name, count in (*counts, *(count for each in batches or () for count in each.items())):
        sums[name] = sums.get(name, 0) + (count["inserted"] - count["deleted"] if count else 0)
    rewritten = {name for event in told.values() for name in event.get("rewritten", ())}
    unclear |= set(backfilled if batches is None else ())
    return Own(
        rows={name: sums.get(name, 0) for name in tables if name not in executed or name not in unclear},
        worked_on=frozenset(executed) & {*unclear, *sums, *rewritten, *backfilled},
    )


def _committed(book: Book) -> dict[str, Mapping[str, Any]]:
    """Returns what the agent told of each committed revision."""
    stems = [f"{notebook_stem('upgrade', stage.number)}.agent" for stage in book.plan().stages]
    told = [event for stem in stems for event in book.folder.events_of(stem) if event["event"] == "revision_committed"]
    return {event["revision"]: event for event in told}


def _batches(book: Book, connection: connections.Connection) -> list[Mapping[str, Mapping[str, int]]] | None:
    """Returns what each batch of the plan's backfills changed; None where that of any committed one is not known."""
    plan = book.plan()
    stems = [f"{notebook_stem('backfill', stage.number)}.kernel" for stage in plan.stages]
    told = [event for stem in stems for event in book.folder.events_of(stem) if event["event"] == "backfill_batch"]
    changes = [event.get("changes") for event in told]
    kept = ledger.batches(connection, book.target.ledger, book.folder.run_id)
    counts = Counter(event["name"] for event in told)
    is_whole = all(counts[name] == kept.get(name) for stage in plan.stages for name in stage.backfills)
    return [each for each in changes if each is not None] if is_whole and None not in changes else None


def _hidden(book: Book) -> Iterator[str]:
    """Yields why texts of the plan do not name every table they work on."""
    for entry in book.plan().revisions:
        text = (book.target.folder / entry.file).read_text(encoding="utf-8")
        if reason := hidden.tables(text):
            yield f"revision {entry.id} may work on tables its text does not name, {reason}"
    for each in _backfills(book):
        if not isinstance(each.apply, SQL):
            yield f"backfill {each.name} calls code of the project"


def _planned(book: Book) -> Iterator[str]:
    """Yields the texts of what the plan will do."""
    plan = book.plan()
    yield plan.version_table
    for entry in plan.revisions:
        yield (book.target.folder / entry.file).read_text(encoding="utf-8")


def _declared(rules: checks.Declared) -> Iterator[str]:
    """Yields the tables and queries of the declared checks."""
    for rule in rules.all():
        yield from (str(getattr(rule, name, "")) for name in ("table", "expected", "before", "after", "query"))


def _executed(book: Book) -> Iterator[str]:
    """Yields the statements in the record, a rehearsal's too, and those of the plan's backfills."""
    yield book.plan().version_table
    for path in (book.folder.path / "sql").rglob("*.sql"):
        yield path.read_text(encoding="utf-8")
    yield from _backfilled(book)


def _backfilled(book: Book) -> Iterator[str]:
    """Yields tables and statements of the plan's backfills."""
    for each in _backfills(book):
        yield each.table
        if isinstance(each.apply, SQL):
            yield from each.apply.statements


def _backfills(book: Book) -> list[Backfill]:
    plan = book.plan()
    used = {name for stage in plan.stages for name in stage.backfills}
    declared = declaration.load(book.target.folder / plan.script_folder / "backfills")
    return [each for each in declared if each.name in used]
