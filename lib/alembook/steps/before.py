"""The measurement before the change: what verification compares with, taken once per run and never again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from alembook import errors
from alembook.archive import atomic
from alembook.backfills import declaration
from alembook.postgres import connection as connections
from alembook.project.findings.source import Source
from alembook.snapshots import checks, crew, ends, evidence, measurement, orphans, partitions, sequences
from alembook.steps import models, touched
from alembook.steps.runbook import Book

_TABLE = "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was measured before the change, read back from the record.

    Attributes:
        tables: as ``measurement.Measurement.tables``.
        columns: as ``measurement.Measurement.columns``, keyed.
        sequences: as ``measurement.Measurement.sequences``.
        ends: as ``measurement.Measurement.ends``, hidden where they may be somebody's data.
        partitions: as ``measurement.Measurement.partitions``.
        wholes: as ``measurement.Measurement.wholes``, keyed.
        unread: "schema.table" -> why it has no checksums.
        values: what the declared checks need.
        models: as ``models.before``; None when they were not asked.
        scope: which tables were measured.
        there: "schema.table" of every table there was and could be measured.
        left_out: "schema.table" -> why it could not be, in scope or not.
        orphans: as ``orphans.count``.
    """

    tables: pd.DataFrame
    columns: pd.DataFrame
    sequences: pd.DataFrame
    ends: pd.DataFrame
    partitions: pd.DataFrame
    wholes: pd.DataFrame
    unread: Mapping[str, str]
    values: checks.BeforeValues
    models: Mapping[str, Any] | None
    scope: touched.Scope
    there: frozenset[str]
    left_out: Mapping[str, str]
    orphans: Mapping[str, Mapping[str, Any]]


def declared(book: Book) -> checks.Declared:
    """Returns the declared checks: ``checks.toml`` beside the versions, and those of the plan's backfills.

    None on the way back: they say what must be true after going forward.

    Raises:
        errors.ConfigurationError: the file or a backfill declares something that cannot be used.
    """
    plan = book.plan()
    folder = book.target.folder / plan.script_folder
    if plan.direction == "down":
        return checks.Declared()
    found = checks.load(folder / "checks.toml")
    used = {name for stage in plan.stages for name in stage.backfills}
    for each in declaration.load(folder / "backfills"):
        if each.name in used:
            entries = [(f"{each.name}.checks[{n}]", check) for n, check in enumerate(each.checks, start=1)]
            found += checks.declare(entries, path=folder / "backfills" / f"{each.name}.py")
    found.require_distinct()
    return found


def of_an_empty_database(rules: checks.Declared) -> checks.Declared:
    """Returns the rules that hold where no table was before: there was no number to keep and no value to survive."""
    return checks.Declared(none=rules.none)


def measure(
    book: Book,
    connection: connections.Connection,
    *,
    earlier: pd.DataFrame | None = None,
    connect: crew.Connect | None = None,
    only: Collection[str] | None = None,
) -> measurement.Measurement:
    """Measures the tables the target's policy includes, inside the transaction the caller opened.

    Args:
        book: with the policy.
        connection: to the target, or to any other database such as a restored copy.
        earlier: as ``measurement.measure``.
        connect: opens further connections to the same database; the target's when it is not given.
        only: "schema.table" of what is in scope; None is every table.
    """
    policy = book.target.verify
    return measurement.measure(
        connection,
        include=policy.include,
        exclude=policy.exclude,
        leave_out_schemas=[book.target.ledger] if book.target.ledger else [],
        only=only,
        earlier=earlier,
        is_textual=policy.equality == "text",
        connect=connect or book.connect,
        workers=policy.workers,
        timeout_s=limit_s(book),
        on_table=lambda done, total: book.event("table_counted", done=done, total=total) if done == total else None,
    )


def scope(book: Book, connection: connections.Connection) -> set[str]:
    """Returns "schema.table" of what is measured: as it was before the change, or as it would be now."""
    kept, (there, _) = receipt(book), outline(book, connection)
    if kept is None:
        chosen = touched.scope(book, connection, declared(book), there).tables
    else:
        chosen = None if kept["scope"]["tables"] is None else frozenset(kept["scope"]["tables"])
    return there if chosen is None else there & chosen


def receipt(book: Book) -> dict[str, Any] | None:
    """Returns what is kept of the measurement before the change, or None when there was none."""
    return book.folder.receipt(_TABLE)


def outline(book: Book, connection: connections.Connection) -> tuple[set[str], dict[str, str]]:
    """Returns "schema.table" of every table that the target's policy includes, whatever the scope.

    Returns:
        Those that can be measured, and the others with the reason.
    """
    policy = book.target.verify
    ledger = [book.target.ledger] if book.target.ledger else []
    found, left_out = measurement.outline(
        connection, include=policy.include, exclude=policy.exclude, leave_out_schemas=ledger
    )
    return set(found), left_out


def orphaned(
    book: Book, connection: connections.Connection, found: measurement.Measurement
) -> dict[str, dict[str, Any]]:
    """Returns the rows that point nowhere, for each foreign key of the measured tables. Raises as ``orphans.count``."""
    is_shown = book.target.verify.show_keys
    return orphans.count(connection, names(found), timeout_s=limit_s(book), with_values=is_shown)


def names(found: measurement.Measurement) -> set[str]:
    """Returns "schema.table" of every table that was measured."""
    return {f"{row['schema']}.{row['table']}" for row in found.tables.to_dict("records")}


def is_taken(book: Book) -> bool:
    """Says whether the run has its measurement."""
    return receipt(book) is not None


def take(book: Book) -> None:
    """Measures, unless the run has its measurement already: what came later must not be taken for before.

    Raises:
        errors.QueryFailed: a table could not be counted.
        errors.ArchiveFailed: the result could not be written.
    """
    if is_taken(book):
        return
    rules = declared(book)
    make_key(book)
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        there, left_out = outline(book, connection)
        scope = touched.scope(book, connection, rules, there)
        read_bytes, began = sum(measurement.sizes(connection, scope.tables or there).values()), time.monotonic()
        found = measure(book, connection, only=scope.tables)
        seconds = time.monotonic() - began
        if found.tables.empty:
            rules = of_an_empty_database(rules)
        values = checks.before(connection, rules, key(book), applied=applied(book), timeout_s=limit_s(book))
        lost = orphaned(book, connection, found)
    tables = write(book, _TABLE, found)
    book.folder.write_receipt(
        _TABLE,
        {
            "tables": tables,
            "taken_at": found.taken_at,
            "snapshot": found.snapshot,
            "left_out": left_out,
            "unread": found.unread,
            "scope": {"tables": None if scope.tables is None else sorted(scope.tables), "why": scope.why},
            "there": sorted(there),
            "read_bytes": read_bytes,
            "seconds": round(seconds, 3),
            "orphans": lost,
            "values": values.to_json(),
            "models": models.before(book) if models.is_asked(book) else None,
        },
    )
    book.event("measured_before", tables=len(found.tables), rows=int(found.tables["rows"].sum()))


def write(book: Book, name: str, found: measurement.Measurement) -> list[str]:
    """Writes a measurement into the record, checksums keyed; returns the files of tables, columns, sequences, ends.

    After them those of partitions and wholes, where a table is partitioned.
    """
    make_key(book)
    frames = {
        name: found.tables,
        f"{name}_columns": evidence.keyed(found.columns, key(book)),
        f"{name}_sequences": found.sequences,
        f"{name}_ends": found.ends if book.target.verify.show_keys else ends.hidden(found.ends, hiding(book)),
    }
    if len(found.partitions):
        frames[f"{name}_partitions"] = found.partitions
        frames[f"{name}_wholes"] = evidence.keyed(found.wholes, key(book))
    return [book.folder.write_table(each, frame).name for each, frame in frames.items()]


def taken(book: Book) -> Before:
    """Returns what was measured before the change.

    Raises:
        errors.UnknownRun: nothing was measured: no upgrade of this run began.
        errors.ArchiveFailed: a table of it is missing.
    """
    kept = receipt(book)
    if kept is None:
        raise errors.UnknownRun(
            f"Run {book.folder.run_id} has no measurement from before the change.",
            why="40_upgrade takes it right before its first revision.",
            next="Run 40_upgrade.s1.ipynb of this run first.",
        )
    values = checks.BeforeValues.from_json(kept["values"])
    if not key(book):
        values = replace(values, content={name: {"failed": lost_key(book)} for name in values.content})
    scope = kept["scope"]
    paths = [book.folder.path / "tables" / name for name in kept["tables"]]
    return Before(
        tables=measurement.read_csv(paths[0]),
        columns=measurement.read_csv(paths[1], measurement.COLUMN_DTYPES),
        sequences=measurement.read_csv(paths[2], sequences.DTYPES),
        ends=measurement.read_csv(paths[3], ends.DTYPES) if paths[3:] else ends.none(),
        partitions=measurement.read_csv(paths[4], partitions.DTYPES) if paths[4:] else partitions.none(),
        wholes=measurement.read_csv(paths[5], measurement.COLUMN_DTYPES) if paths[5:] else measurement.no_columns(),
        unread=kept["unread"],
        values=values,
        models=kept["models"],
        scope=touched.Scope(tables=None if scope["tables"] is None else frozenset(scope["tables"]), why=scope["why"]),
        there=frozenset(kept["there"]),
        left_out=kept["left_out"],
        orphans=kept["orphans"],
    )


def make_key(book: Book) -> None:
    """Makes the run's secret, unless it has one or what was measured before the change was keyed with one now lost."""
    if not is_taken(book) and not key(book):
        atomic.write_text(_key_path(book), secrets.token_hex(32))


def key(book: Book) -> bytes:
    """Returns the secret the run's content hashes are keyed with; it lies outside the archive, readable by us only.

    Returns:
        The secret; b"" when it was lost: values from before the change can then be compared with nothing.
    """
    path = _key_path(book)
    return bytes.fromhex(path.read_text(encoding="utf-8")) if path.exists() else b""


def hiding(book: Book) -> Callable[[str], str]:
    """Returns what hides a text with the run's secret."""
    secret = key(book)
    return lambda text: evidence.hidden(text, secret)


def lost_key(book: Book) -> str:
    """Returns why nothing keyed can be compared."""
    return f"the run's key is gone: {_key_path(book)}"


def _key_path(book: Book) -> Path:
    return book.target.state_folder / "keys" / book.folder.run_id


def applied(book: Book) -> list[str]:
    """Returns every revision the plan applies, in order."""
    return [revision for stage in book.plan().stages for revision in stage.revisions]


def dropped(book: Book) -> list[str]:
    """Returns the tables that the plan takes back, by the source of its downgrades; none on the way forward."""
    plan = book.plan()
    if plan.direction != "down":
        return []
    texts = [(book.target.folder / entry.file).read_text(encoding="utf-8") for entry in plan.revisions]
    operations = [operation for text in texts for operation in Source.parse(text).downgrade]
    return [operation.table for operation in operations if operation.kind == "drop_table"]


def limit_s(book: Book) -> int:
    """Returns how long one declared query may take, seconds."""
    return book.target.limits.check_timeout_s
