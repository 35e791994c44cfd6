"""What was written since a run into what its downgrades drop: no rehearsal could see that, so it is looked at now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg2 import sql

from alembook import archive
from alembook.postgres import connection as connections
from alembook.postgres import writes
from alembook.postgres.fingerprint import Fingerprint
from alembook.project.plan import Plan
from alembook.snapshots import measurement
from alembook.snapshots.comparison import rows_text
from alembook.steps import drift
from alembook.steps.losses import Loss
from alembook.steps.rolled import Rolled
from alembook.steps.runbook import Book, receipt_stem


@dataclass(frozen=True, slots=True, kw_only=True)
class _Added:
    """What a run added to a table, and is there still.

    Attributes:
        schema: of the table.
        table: its name.
        columns: the new ones; none where the table itself is new.
    """

    schema: str
    table: str
    columns: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Returns "schema.table"."""
        return f"{self.schema}.{self.table}"


def written(book: Book, taken: Rolled) -> list[Loss]:
    """Returns what was written, since the run was verified, into tables and columns that it added.

    Without a verification nobody knows what the run itself left there: new tables with rows are named, and need a word
    while others write.

    Args:
        book: of the rollback.
        taken: the run that is taken back.

    Raises:
        errors.QueryFailed: a table cannot be read.
    """
    snapshot = _verified(taken.book.folder, taken.plan)
    with connections.closing(book.connect()) as connection, measurement.snapshot(connection):
        added = _added(taken, drift.read(book, connection))
        there = measurement.outline(connection)[0]
        counted = [(each, _count(connection, each, snapshot)) for each in added if each.name in there]
    is_running = book.target.writers == "running"
    found = [_loss(each, count, is_verified=bool(snapshot), is_running=is_running) for each, count in counted]
    return [each for each in found if each]


def _verified(folder: archive.RunFolder, plan: Plan) -> str:
    """Returns the snapshot of the first verification after the run's last change; "" without one.

    A later one would take for the run's what others wrote between the two.
    """
    stems = [receipt_stem(step, stage.number) for stage in plan.stages for step in ("upgrade", "backfill")]
    changes = [archive.read_json(path)["ended_at"] for stem in stems for path in folder.attempts(stem, ".json")]
    verified = [archive.read_json(path) for path in folder.attempts(receipt_stem("verify"), ".json")]
    later = [each for each in verified if each["started_at"] >= max(changes, default="")]
    return str(later[0].get("snapshot", "")) if later else ""


def _count(connection: connections.Connection, added: _Added, snapshot: str) -> int:
    """Returns the rows written since the snapshot; without one, those of a new table."""
    table = sql.Identifier(added.schema, added.table)
    if snapshot:
        return writes.since(connection, table, snapshot)
    count = sql.SQL("SELECT count(*) FROM ONLY {}").format(table)
    return 0 if added.columns else int(connections.scalar(connection, count))


def _loss(added: _Added, count: int, *, is_verified: bool, is_running: bool) -> Loss | None:
    if not count:
        return None
    gone = ", ".join(added.columns) or "the table"
    told = "written since verification" if is_verified else "in it, and nobody verified whose"
    what = f"{rows_text(count)} {told}; its downgrade drops {gone}"
    by = "others" if is_verified else "the run or others"
    return Loss(table=added.name, written=count, by=by, what=what, needs_a_word=is_verified or is_running)


def _added(taken: Rolled, now: Fingerprint) -> list[_Added]:
    tables: set[tuple[str, str]] = set()
    columns: dict[tuple[str, str], list[str]] = {}
    for each in drift.judge(drift.recorded(taken.book.folder), now).changes:
        what = each.what
        is_there = f"{what.kind} {what.name}" in now.objects
        if each.by != "the run" or what.before is not None or not is_there or what.kind not in {"table", "column"}:
            continue
        schema, table, *column = _unquoted(what.name)
        if what.kind == "column":
            columns.setdefault((schema, table), []).extend(column)
        elif table != taken.plan.version_table:
            tables.add((schema, table))
    wholes = [_Added(schema=schema, table=table) for schema, table in tables]
    parts = [
        _Added(schema=schema, table=table, columns=names)
        for (schema, table), names in columns.items()
        if (schema, table) not in tables
    ]
    return sorted([*wholes, *parts], key=lambda each: each.name)


def _unquoted(name: str) -> list[str]:
    """Returns the parts of a name as they are; a fingerprint has them as SQL would."""
    parts = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', name)
    return [quoted.replace('""', '"') or bare for quoted, bare in parts]
