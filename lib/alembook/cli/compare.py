"""``alembook compare``: two databases, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from alembook import config, errors
from alembook.cli import options
from alembook.cli.terminal import console, error_console, show_json, show_table
from alembook.postgres import connection as connections
from alembook.postgres import reach
from alembook.snapshots import pair
from alembook.verdict import Outcome

_Side = Annotated[str, typer.Argument(help="A target's name, or a reference as in alembook.toml.", show_default=False)]
_EXITS = {Outcome.PASSED: 0, Outcome.FAILED: errors.CheckFailed.exit_code, Outcome.UNVERIFIED: 4}


def compare(
    left: _Side,
    right: _Side,
    tables: Annotated[list[str] | None, typer.Option(help="Only these: table or schema.table, *, ?, [...].")] = None,
    limit: Annotated[int, typer.Option(help="Rows found in each table that differs.", min=1, metavar="N")] = 100,
    show_keys: Annotated[bool, typer.Option("--show-keys", help="Show the keys of rows that differ.")] = False,
    timeout_s: Annotated[int, typer.Option(help="Limit for one pass over 64 MB; 0 is none.", min=0)] = 0,
    json: options.Json = False,
    config_file: options.Config = None,
) -> int:
    """Compare two databases table by table, and find the rows that differ.

    LEFT is what should be there: a row only there is "missing", one only in RIGHT is "extra". Only reads. Exit 0 equal,
    3 different, 4 when something could not be compared and nothing differs.
    """
    sides = [_database(side, config_file) for side in (left, right)]
    found = pair.compare(
        lambda: _connect(sides[0]),
        lambda: _connect(sides[1]),
        include=tables or ["*"],
        limit=limit,
        with_keys=show_keys,
        timeout_s=timeout_s,
        on_table=_tell,
    )
    if json:
        show_json(_as_json(found))
    else:
        _show(found, limit=limit, show_keys=show_keys)
    return _EXITS[found.outcome]


def _database(text: str, config_file: Path | None) -> connections.Database:
    """Returns the database a target's name or a reference stands for."""
    if ":" in text:
        return reach.referred(config.reference(text), Path.cwd())
    return reach.database(config.load(config_file).target(text))


def _connect(database: connections.Database) -> connections.Connection:
    settings = {"idle_in_transaction_session_timeout": "0", "statement_timeout": "0"}
    return connections.connect(database, application_name="alembook compare", read_only=True, settings=settings)


def _tell(what: str, done: int, total: int) -> None:
    """Shows how far it is, where somebody looks."""
    if error_console().is_terminal:
        error_console().print(f"{what}: {done:,} of {total:,}", end="\r" if done < total else "\n", markup=False)


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


def _show(found: pair.Compared, *, limit: int, show_keys: bool) -> None:
    columns = ["table", "left", "right", "verdict", "columns", "reason"]
    show_table(_named(found.tables), columns=columns, empty="no table on either side")
    if found.rows.empty:
        return
    console().print()
    if show_keys:
        show_table(_named(found.rows), columns=["table", "kind", "key", "columns"], empty="")
    else:
        grouped = found.rows.groupby(["schema", "table", "kind", "columns"], sort=False).size().reset_index(name="rows")
        show_table(_named(grouped), columns=["table", "kind", "rows", "columns"], empty="")
        console().print("\n--show-keys names them.")
    if not found.is_whole:
        console().print(f"\nThere are more: {limit:,} rows of a table are shown; --limit N raises that.")
