"""``alembook compare``: two databases, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from alembook import config, errors
from alembook.cli import options
from alembook.cli.terminal import console, error_console, show_json, show_table
from alembook.postgres import connection as connections
from alembook.postgres import reach
from alembook.runner import signals
from alembook.snapshots import details, pair
from alembook.snapshots.details import MayShow
from alembook.verdict import Outcome

_Side = Annotated[str, typer.Argument(help="A target's name, or a reference as in alembook.toml.", show_default=False)]
#: A value is shown on the terminal up to so many characters; --json has more of it.
_CHARACTERS = 60
_EXITS = {Outcome.PASSED: 0, Outcome.FAILED: errors.CheckFailed.exit_code, Outcome.UNVERIFIED: 4}


def compare(
    left: _Side,
    right: _Side,
    tables: Annotated[list[str] | None, typer.Option(help="Only these: table or schema.table, *, ?, [...].")] = None,
    limit: Annotated[int, typer.Option(help="Rows found in each table that differs.", min=1, metavar="N")] = 100,
    show_keys: Annotated[bool, typer.Option("--show-keys", help="Show the keys of rows that differ.")] = False,
    show_values: Annotated[bool, typer.Option("--show-values", help="Show keys, and the values that differ.")] = False,
    workers: Annotated[int, typer.Option(help="Connections that read each side at once.", min=1, metavar="N")] = 1,
    timeout_s: Annotated[int, typer.Option(help="Limit for one pass over 256 MB; 0 is none.", min=0)] = 0,
    json: options.Json = False,
    config_file: options.Config = None,
) -> int:
    """Compare two databases table by table, and find the rows that differ.

    LEFT is what should be there: a row only there is "missing", one only in RIGHT is "extra". Only reads. Exit 0 equal,
    3 different, 4 when something could not be compared and nothing differs.
    """
    sides = [_database(side, config_file) for side in (left, right)]
    may_show = MayShow(keys=show_keys or show_values, values=show_values)
    with _stoppable(), _progress() as on_pages:
        found = pair.compare(
            lambda: _connect(sides[0]),
            lambda: _connect(sides[1]),
            include=tables or ["*"],
            limit=limit,
            may_show=may_show,
            workers=workers,
            timeout_s=timeout_s,
            on_pages=on_pages,
        )
    if json:
        show_json(_as_json(found))
    else:
        _show(found, limit=limit, may_show=may_show)
    return _EXITS[found.outcome]


def _database(text: str, config_file: Path | None) -> connections.Database:
    """Returns the database a target's name or a reference stands for."""
    if ":" in text:
        return reach.referred(config.reference(text), Path.cwd())
    return reach.database(config.load(config_file).target(text))


def _connect(database: connections.Database) -> connections.Connection:
    return connections.connect(database, application_name="alembook compare", read_only=True)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ends what runs on the servers when a signal comes, rather than leave it there."""
    connections.interruptible()
    try:
        with signals.trapped():
            yield
    except errors.Stopped as stopped:
        raise errors.Stopped(
            "The comparison was stopped by a signal.",
            next="Compare again: it only reads, and keeps nothing.",
            exit_code=stopped.exit_code,
        ) from stopped


@contextmanager
def _progress() -> Iterator[pair.OnPages]:
    """Shows how far it is, where somebody looks: a line for each side, and for each table whose rows are looked for."""
    shown = error_console()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        lines: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in lines:
                lines[what] = progress.add_task(escape(what), total=total)
            progress.update(lines[what], completed=done)

        yield tell


def _as_json(found: pair.Compared) -> dict[str, Any]:
    return {
        "outcome": found.outcome.value,
        "tables": _plain(found.tables),
        "rows": _plain(found.rows),
        "is_whole": found.is_whole,
    }


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows of a frame as JSON has them: None where nothing is."""
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]


def _named(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows of a frame with tables named "schema.table"."""
    return [{**row, "table": f"{row['schema']}.{row['table']}"} for row in _plain(frame)]


def _show(found: pair.Compared, *, limit: int, may_show: MayShow) -> None:
    columns = ["table", "left", "right", "verdict", "columns", "reason"]
    show_table(_named(found.tables), columns=columns, empty="no table on either side")
    if found.rows.empty:
        return
    console().print()
    if may_show.values:
        columns = ["table", "kind", "key", "column", "left", "right"]
        show_table([_quoted(row) for row in _named(found.rows)], columns=columns, empty="")
    elif may_show.keys:
        show_table(_by_row(found.rows), columns=["table", "kind", "key", "columns"], empty="")
    else:
        rows = pd.DataFrame(_by_row(found.rows))
        grouped = rows.groupby(["table", "kind", "columns"], sort=False).size().reset_index(name="rows")
        show_table(_plain(grouped), columns=["table", "kind", "rows", "columns"], empty="")
        console().print("\n--show-keys names them; --show-values shows what differs.")
    if not found.is_whole:
        console().print(f"\nThere are more: {limit:,} rows of a table are shown; --limit N raises that.")


def _by_row(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns one row for each row that differs, with the columns that changed in one text."""
    by = rows.groupby(["schema", "table", "row", "kind", "key"], sort=False)["column"]
    return _named(by.agg(", ".join).reset_index(name="columns"))


def _quoted(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row with its values as one tells them apart: NULL from a text, a space at an end, and not too long."""
    return {**row, **{side: _quote(row[side], row["kind"], side) for side in details.VALUES}}


def _quote(value: str | None, kind: str, side: str) -> str:
    if value is None:
        is_absent = (kind, side) in {("missing", "right"), ("extra", "left")}
        return "" if is_absent else "NULL"
    cut = value if len(value) <= _CHARACTERS else f"{value[:_CHARACTERS]}..."
    return f"'{cut}'"
