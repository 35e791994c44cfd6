"""squawk over the SQL of revisions: what it knows and we do not say ourselves, its false alarms left out."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembook import config, process
from alembook.project.findings import statement
from alembook.project.findings.finding import NONE, Finding
from alembook.project.findings.operation import Operation
from alembook.project.findings.rules import Place
from alembook.verdict import Grade

_TIMEOUT_S = 60.0
#: Style, and what Alembook answers for itself: it sets lock_timeout and opens the transactions.
_LEFT_OUT = (
    *"prefer-bigint-over-int prefer-bigint-over-smallint prefer-identity prefer-robust-stmts prefer-text-field".split(),
    *"prefer-timestamp-tz prefer-repack ban-char-field identifier-too-long require-enum-value-ordering".split(),
    *"require-lock-timeout require-statement-timeout require-timeout-settings require-table-schema".split(),
    *"transaction-nesting ban-uncommitted-transaction".split(),
)
#: Rule of squawk -> kinds of operations that our own rules judge, with the catalogue's knowledge.
_OURS: Mapping[str, frozenset[str]] = {
    "ban-drop-column": frozenset({"drop_column"}),
    "ban-drop-table": frozenset({"drop_table"}),
    "changing-column-type": frozenset({"alter_column"}),
    "adding-not-nullable-field": frozenset({"alter_column", "add_column"}),
    "adding-required-field": frozenset({"add_column"}),
    "adding-field-with-default": frozenset({"add_column"}),
    "adding-serial-primary-key-field": frozenset({"add_column"}),
    "require-concurrent-index-creation": frozenset({"create_index"}),
    "ban-concurrent-index-creation-in-transaction": frozenset({"create_index"}),
    "adding-foreign-key-constraint": frozenset({"create_foreign_key", "add_column"}),
    "constraint-missing-not-valid": frozenset(
        {"create_foreign_key", "create_check_constraint", "create_unique_constraint"}
    ),
    "disallowed-unique-constraint": frozenset({"create_unique_constraint", "add_column"}),
    "renaming-column": frozenset({"alter_column"}),
    "renaming-table": frozenset({"rename_table", "alter_column"}),
    "renaming-object": frozenset({"rename_table", "alter_column"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One warning of squawk.

    Attributes:
        rule: its name there.
        line: in the SQL, from 1 (squawk's JSON counts from 0).
        message: what it says.
        help: the way out it names.
    """

    rule: str
    line: int
    message: str
    help: str


def lint(texts: Mapping[str, str], *, pg_version: str) -> dict[str, list[Alarm]]:
    """Returns squawk's warnings for each text of SQL, by the text's name.

    Args:
        texts: name -> SQL.
        pg_version: of the server: "18.4".

    Raises:
        errors.ToolMissing: squawk is not installed.
        ValueError: it gave no JSON.
    """
    filled = {name: text for name, text in texts.items() if text.strip()}
    if not filled:
        return {}
    with tempfile.TemporaryDirectory(prefix="alembook-sql-") as folder:
        files = {f"{number}.sql": name for number, name in enumerate(filled)}
        for file, name in files.items():
            (Path(folder) / file).write_text(filled[name], encoding="utf-8")
        excluded = [f"--exclude={','.join(_LEFT_OUT)}"]
        done = process.run(
            [_program(), "--reporter=json", f"--pg-version={pg_version}", *excluded, *files],
            environment=config.child_environment(),
            directory=Path(folder),
            timeout_s=_TIMEOUT_S,
            kept_lines=100_000,
        )
    found: dict[str, list[Alarm]] = {name: [] for name in filled}
    for entry in json.loads(done.stdout):
        found[files[entry["file"]]].append(_alarm(entry))
    return found


def _program() -> str:
    """Returns where the package squawk-cli put its program; the bare name where it is installed otherwise."""
    try:
        files = importlib.metadata.files("squawk-cli") or []
    except importlib.metadata.PackageNotFoundError:
        return "squawk"
    return next((str(Path(str(f.locate())).resolve()) for f in files if f.name in {"squawk", "squawk.exe"}), "squawk")


def _alarm(entry: Mapping[str, Any]) -> Alarm:
    message, advice = entry["message"], entry.get("help") or ""
    return Alarm(rule=entry["rule_name"], line=int(entry["line"]) + 1, message=message, help=advice)


def findings(sql: str, alarms: Sequence[Alarm], known: Sequence[Operation], place: Place) -> Iterator[Finding]:
    """Yields what squawk adds: nothing on tables of the plan's own, nothing our rules have judged already.

    Args:
        sql: the text it read.
        alarms: what it said.
        known: the operations our rules have judged in this revision.
        place: of the revision.
    """
    judged = {(operation.kind, operation.table) for operation in known}
    for alarm in alarms:
        text = _statement_at(sql, alarm.line)
        about = list(statement.operations(text, alarm.line))
        tables = [operation.table for operation in about if operation.table]
        table = tables[0] if tables else ""
        is_ours = any((kind, table) in judged for kind in _OURS.get(alarm.rule, ()))
        if not is_ours and not (table and place.existing(table) is None):
            yield _finding(alarm, text, table, place)


def _finding(alarm: Alarm, text: str, table: str, place: Place) -> Finding:
    found = place.existing(table)
    return Finding(
        revision=place.revision,
        rule=f"squawk {alarm.rule}",
        operation=" ".join(text.split())[:160],
        line=0,
        table=table,
        rows=found.rows if found else None,
        size_bytes=found.size_bytes if found else None,
        lock=NONE,
        found=f"line {alarm.line} of its SQL",
        why=alarm.message,
        next=alarm.help or "See the rule of this name in squawk's documentation.",
        grade=Grade.SHOULD if found is None or found.is_large else Grade.MAY,
    )


def _statement_at(sql: str, line: int) -> str:
    return next((text for first, last, text in statement.split(sql) if first <= line <= last), "")
