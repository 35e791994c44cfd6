"""Tables and short texts as HTML. Every value is escaped: it may come from somebody's database."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from alembook.verdict import Check, Outcome, worst_first

_CLASSES = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.UNVERIFIED: "unverified"}


class Html:
    """Text that a notebook shows as HTML, and a terminal as plain text."""

    def __init__(self, markup: str, plain: str) -> None:
        self.markup = markup
        self.plain = plain

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        """Returns the plain text."""
        return self.plain


def text_of(value: Any) -> str:
    """Returns a value as a person reads it: separators in numbers, "-" for nothing, seconds in times."""
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return ", ".join(text_of(part) for part in value) or "-"
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Number):
        return _number(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return str(value)


def _number(value: Any) -> str:
    if not math.isfinite(value):
        return str(value).lower()
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 1 else f"{value:,.2f}"


def size(size_bytes: float) -> str:
    """Returns bytes in the unit a person would use (1 kB = 1024 bytes, as PostgreSQL counts)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size_bytes) < 1024:
            return f"{size_bytes:,.0f} {unit}" if unit in {"B", "kB"} else f"{size_bytes:,.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:,.1f} TB"


def table(frame: pd.DataFrame, *, limit: int = 60, verdict: str | None = None, empty: str = "nothing") -> Html:
    """Returns a frame as a table, first ``limit`` rows.

    Args:
        frame: any; a column named ``*_bytes`` is shown in units, underscores in names become spaces.
        limit: how many rows are shown; what is cut off is said.
        verdict: the column whose value (PASSED, FAILED, UNVERIFIED) colours the row.
        empty: what to say when there is no row.
    """
    if frame.empty:
        return nothing(empty)
    shown = frame.head(limit)
    names = [str(name) for name in shown.columns]
    cells = [[_cell(name, value) for name, value in zip(names, row, strict=True)] for row in _records(shown)]
    marks = [_mark(value) for value in shown[verdict]] if verdict else [""] * len(shown)
    numeric = [is_numeric_dtype(kind) and not is_bool_dtype(kind) for kind in shown.dtypes]
    note = f"{len(frame) - limit:,} more rows are in the archive." if len(frame) > limit else ""
    titles = [name.removesuffix("_bytes").replace("_", " ") for name in names]
    return Html(_markup(titles, cells, marks, numeric, note), shown.to_string(index=False))


def nothing(text: str) -> Html:
    """Returns the sentence that stands where there is nothing to show."""
    return Html(f'<p class="alembook-empty">{html.escape(text)}</p>', text)


def _records(frame: pd.DataFrame) -> list[list[Any]]:
    return [list(row) for row in frame.itertuples(index=False, name=None)]


def _cell(name: str, value: Any) -> str:
    if name.endswith("_bytes") and not pd.isna(value) and isinstance(value, Number):
        return size(float(str(value)))
    return text_of(value)


def _mark(value: object) -> str:
    return _CLASSES[Outcome(str(value))] if str(value) in set(Outcome) else ""


def _markup(
    titles: Sequence[str],
    cells: Sequence[Sequence[str]],
    marks: Sequence[str],
    numeric: Sequence[bool],
    note: str,
) -> str:
    head = "".join(
        f"<th{_align(right)}>{html.escape(title)}</th>" for title, right in zip(titles, numeric, strict=True)
    )
    rows = "".join(
        f'<tr class="{mark}">'
        + "".join(f"<td{_align(right)}>{html.escape(cell)}</td>" for cell, right in zip(row, numeric, strict=True))
        + "</tr>"
        for row, mark in zip(cells, marks, strict=True)
    )
    foot = f'<p class="alembook-note">{html.escape(note)}</p>' if note else ""
    return f'<table class="alembook-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{foot}'


def _align(right: bool) -> str:
    return ' class="number"' if right else ""


def facts(values: Mapping[str, object]) -> Html:
    """Returns name -> value as a two-column table, in the given order."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text_of(value))}</td></tr>" for name, value in values.items()
    )
    plain = "\n".join(f"{name}: {text_of(value)}" for name, value in values.items())
    return Html(f'<table class="alembook-table alembook-facts"><tbody>{rows}</tbody></table>', plain)


def folded(sections: Iterable[tuple[str, str]], *, empty: str = "nothing") -> Html:
    """Returns titled texts, each closed until it is clicked. Plain, they stand below one another."""
    shown = list(sections)
    if not shown:
        return nothing(empty)
    markup = "".join(
        f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"
        for title, text in shown
    )
    return Html(
        f'<div class="alembook-folded">{markup}</div>', "\n\n".join(f"{title}\n{text}" for title, text in shown)
    )


def banner(outcome: Outcome, text: str) -> Html:
    """Returns a verdict as one coloured line."""
    markup = f'<p class="alembook-banner {_CLASSES[outcome]}"><b>{outcome}</b> {html.escape(text)}</p>'
    return Html(markup, f"{outcome} {text}")


def checks(found: Iterable[Check]) -> Html:
    """Returns checks as a table, the failing ones first, with what to do next."""
    rows = [
        {
            "outcome": check.outcome.value,
            "grade": check.grade.value,
            "check": check.name,
            "expected": check.expected,
            "found": check.found,
            "why / next": f"Waived: {check.waived}"
            if check.waived
            else " ".join(part for part in (check.why, check.next) if part),
        }
        for check in worst_first(found)
    ]
    return table(pd.DataFrame(rows), verdict="outcome", limit=200, empty="no checks")


def explained(found: Sequence[tuple[Check, Mapping[str, str]]], *, empty: str) -> Html:
    """Returns checks one below the other, each with all there is to say of it, the worst first.

    Args:
        found: a check, and further facts by their name.
        empty: what to say when there is none.
    """
    facts_of = {id(check): more for check, more in found}
    parts = [_explained(check, facts_of[id(check)]) for check in worst_first([check for check, _ in found])]
    return together(*parts) if parts else nothing(empty)


def _explained(check: Check, more: Mapping[str, str]) -> Html:
    said = {
        "grade": check.grade.value,
        "expected": check.expected,
        "found": check.found,
        "why": check.why,
        **more,
        "what to do": check.next,
        "waived": check.waived,
    }
    query = [("query", check.query)] if check.query else []
    parts = [banner(check.outcome, check.name), facts({name: text for name, text in said.items() if text})]
    return together(*parts, *([folded(query)] if query else []))


def together(*parts: Html) -> Html:
    """Returns several texts below one another."""
    return Html("".join(part.markup for part in parts), "\n\n".join(part.plain for part in parts))
