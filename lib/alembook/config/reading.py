"""Reading a TOML table key by key: types, ranges and choices are checked, and what nobody asked for is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from alembook import errors

#: A URL's or connection string's password. A port is none (digits before "/" or "?"), nor is a placeholder, {password}.
_PASSWORDS = (
    re.compile(r"://[^\s:@/]*:(?!\d*[/?])(?!\$?\{\w+\}@)[^\s@]+@"),
    re.compile(r"[?&](ssl)?password=(?!\$?\{)."),
    re.compile(r"^\s*(\w+\s*=\s*\S+\s+)*(ssl)?password\s*=\s*(?!\$?\{)\S"),
)


def refuse_passwords(values: Mapping[str, Any], *, file: Path) -> None:
    """Does nothing when no text of the file carries a password.

    Raises:
        errors.ConfigurationError: one does; the key is named, the text is not repeated.
    """
    for key, text in _texts(values, ""):
        if any(pattern.search(text) for pattern in _PASSWORDS):
            raise errors.ConfigurationError(
                f"{file.name}: {key} carries a password.",
                why="the file is committed and archived; it holds references, never a password.",
                next="Move the whole value to a variable or a file and write env:NAME or file:PATH; in a template "
                "write {url} or {password}.",
            )


def _texts(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Yields every text below a value, with its dotted key (a list's own for its entries)."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _texts(entry, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry, key)


class Table:
    """One table of ``alembook.toml``. Every reader names the key; ``finish`` refuses the rest.

    Args:
        values: what TOML gave.
        file: the file, for messages.
        name: dotted name of the table ("targets.demo.limits"), "" for the top.
    """

    def __init__(self, values: Mapping[str, Any], *, file: Path, name: str = "") -> None:
        self._values = values
        self._file = file
        self._name = name
        self._asked: list[str] = []

    def _key(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def refuse(self, key: str, *, accepted: str, found: object = None) -> errors.ConfigurationError:
        """Returns the error for a key whose value cannot be used."""
        shown = f" is {found!r}, which" if found is not None else ""
        return errors.ConfigurationError(
            f"{self._file.name}: {self._key(key)}{shown} cannot be used.",
            why=f"accepted: {accepted}.",
            next=f"Correct {self._key(key)} in {self._file}.",
        )

    def has(self, key: str) -> bool:
        """Says whether the file sets this key."""
        return key in self._values

    def _take(self, key: str, kind: type | tuple[type, ...], accepted: str) -> Any:
        self._asked.append(key)
        if key not in self._values:
            return None
        value = self._values[key]
        is_flag = isinstance(value, bool)
        wants_flag = kind is bool or (isinstance(kind, tuple) and bool in kind)
        if not isinstance(value, kind) or (is_flag and not wants_flag):
            raise self.refuse(key, accepted=accepted, found=value if isinstance(value, int | float | bool) else None)
        return value

    def text(self, key: str, default: str | None = None, *, choices: Sequence[str] = ()) -> str | None:
        """Returns a string, one of ``choices`` when there are any."""
        accepted = " | ".join(choices) or "a string"
        value = self._take(key, str, accepted)
        if value is not None and choices and value not in choices:
            raise self.refuse(key, accepted=accepted, found=value)
        return default if value is None else str(value)

    def required(self, key: str, accepted: str) -> str:
        """Returns a string that must be there."""
        value = self._take(key, str, accepted)
        if not value:
            raise errors.ConfigurationError(
                f"{self._file.name}: {self._key(key)} is missing.",
                why=f"accepted: {accepted}.",
                next=f"Add {key} to [{self._name}] in {self._file}.",
            )
        return str(value)

    def number(self, key: str, default: int, *, at_least: int = 0) -> int:
        """Returns a whole number."""
        accepted = f"a whole number, {at_least} or more"
        value = self._take(key, int, accepted)
        if value is not None and value < at_least:
            raise self.refuse(key, accepted=accepted, found=value)
        return default if value is None else int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Returns true or false."""
        value = self._take(key, bool, "true | false")
        return default if value is None else bool(value)

    def text_or_false(self, key: str, default: str) -> str | None:
        """Returns a string; None where the file says ``false``."""
        accepted = "a string | false"
        value = self._take(key, (str, bool), accepted)
        if value is True or value == "":
            raise self.refuse(key, accepted=accepted, found=value)
        if value is None:
            return default
        return None if value is False else str(value)

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns a list of strings."""
        accepted = "a list of strings"
        value = self._take(key, list, accepted)
        if value is not None and not all(isinstance(entry, str) for entry in value):
            raise self.refuse(key, accepted=accepted)
        return tuple(default) if value is None else tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        """Returns a table of strings."""
        accepted = "a table of strings"
        value = self._take(key, dict, accepted)
        if value is not None and not all(isinstance(entry, str) for entry in value.values()):
            raise self.refuse(key, accepted=accepted)
        return dict(value or {})

    def table(self, key: str) -> Table:
        """Returns a table below this one, empty when it is not there."""
        value = self._take(key, dict, "a table")
        return Table(value or {}, file=self._file, name=self._key(key))

    def tables(self, key: str) -> dict[str, Table]:
        """Returns the tables below a key, by name."""
        value = self._take(key, dict, "a table of tables") or {}
        for name, entry in value.items():
            if not isinstance(entry, dict):
                raise self.refuse(f"{key}.{name}", accepted="a table")
        return {name: Table(entry, file=self._file, name=f"{key}.{name}") for name, entry in value.items()}

    def finish(self) -> None:
        """Refuses keys nobody asked for.

        Raises:
            errors.ConfigurationError: names the first such key, the nearest known one and all that are accepted.
        """
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                where = f"in [{self._name}]" if self._name else "at the top"
                raise errors.ConfigurationError(
                    f"{self._file.name}: {self._key(key)} is not a key Alembook knows.",
                    why=f"accepted {where}: {', '.join(dict.fromkeys(self._asked))}.",
                    next=f"Did you mean {near[0]}?" if near else f"Remove it from {self._file}.",
                )
