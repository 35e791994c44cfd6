"""What changing a column's type means: nothing, room, or rows that do not fit (PostgreSQL manual, ALTER TABLE)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SIZED = re.compile(r"(?P<name>[a-z ]+?)\s*(?:\((?P<numbers>[\d, ]+)\))?")
_NAMES = {
    "varchar": "character varying",
    "char": "character",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "decimal": "numeric",
    "bool": "boolean",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
}
_INTEGERS = {"smallint": 15, "integer": 31, "bigint": 63}
_TEXTS = frozenset({"text", "character varying", "character"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a column.

    Attributes:
        kind: "same", "widens" (neither rewrite nor scan), "narrows" (rows may not fit) or "rewrites".
        misfit: SQL condition of a row that does not fit, {column} to be filled in; "" where none can be said.
        rounded: likewise, of a row whose value is rounded without an error.
    """

    kind: str
    misfit: str = ""
    rounded: str = ""


def change(old: str, new: str) -> Change:
    """Returns what ``ALTER COLUMN ... TYPE`` means.

    Args:
        old: as ``format_type`` writes it: "character varying(40)".
        new: as the revision has it; aliases are known.
    """
    before, after = _read(old), _read(new)
    if before == after:
        return Change(kind="same")
    if before[0] in _TEXTS and after[0] in _TEXTS:
        return _text(before, after)
    if before[0] in _INTEGERS and after[0] in _INTEGERS:
        return _integer(before[0], after[0])
    if before[0] == after[0] == "numeric":
        return _numeric(before[1], after[1])
    return Change(kind="rewrites")


def _read(text: str) -> tuple[str, tuple[int, ...]]:
    found = _SIZED.fullmatch(text.strip().lower())
    if found is None:
        return text.strip().lower(), ()
    numbers = tuple(int(number) for number in (found["numbers"] or "").split(",") if number.strip())
    return _NAMES.get(found["name"], found["name"]), numbers


def _text(before: tuple[str, tuple[int, ...]], after: tuple[str, tuple[int, ...]]) -> Change:
    if "character" in {before[0], after[0]}:
        return Change(kind="rewrites")
    if not after[1]:
        return Change(kind="widens")
    if before[1] and before[1] <= after[1]:
        return Change(kind="widens")
    return Change(kind="narrows", misfit=f"length({{column}}) > {after[1][0]}")


def _integer(before: str, after: str) -> Change:
    if _INTEGERS[after] > _INTEGERS[before]:
        return Change(kind="rewrites")
    top = 2 ** _INTEGERS[after]
    return Change(kind="narrows", misfit=f"{{column}} NOT BETWEEN {-top} AND {top - 1}")


def _numeric(before: tuple[int, ...], after: tuple[int, ...]) -> Change:
    if not after:
        return Change(kind="widens")
    precision, scale = (*after, 0)[:2]
    if before and (*before, 0)[1] == scale and before[0] <= precision:
        return Change(kind="widens")
    rounded = f"round({{column}}, {scale})"
    misfit = f"abs({rounded}) >= 10::numeric ^ {precision - scale}"
    return Change(kind="narrows", misfit=misfit, rounded=f"{{column}} <> {rounded}")
