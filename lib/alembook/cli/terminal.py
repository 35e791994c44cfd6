"""How the terminal shows things: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_STYLES = {
    "PASSED": "green",
    "FAILED": "bold red",
    "UNVERIFIED": "yellow",
    "STOPPED": "yellow",
    "done": "green",
    "done before": "dim",
}


#: Columns where there is no terminal: what is piped to a file or a program must not be cut in two.
_WIDTH = 240


def console() -> Console:
    """Returns where results go."""
    return _wide(Console(highlight=False))


def error_console() -> Console:
    """Returns where errors go."""
    return _wide(Console(stderr=True, highlight=False))


def _wide(found: Console) -> Console:
    if not found.file.isatty():
        found.width = _WIDTH
    return found


def show_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Prints a value for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_table(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], empty: str) -> None:
    """Prints rows for people; words that are verdicts have their colour, numbers are right-aligned."""
    if not rows:
        console().print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_number = all(_is_number(row.get(column)) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console().print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> Text:
    text = _text(value)
    return Text(text, style=_STYLES.get(text, ""))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def show_facts(values: Mapping[str, object]) -> None:
    """Prints name and value, a pair a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in values.items():
        table.add_row(Text(name, style="dim"), _cell(value))
    console().print(table)
