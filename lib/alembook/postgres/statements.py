"""The fixed SQL statements that live in ``.sql`` files beside their modules."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(package: str, name: str) -> str:
    """Returns the text of a statement, header included (the server ignores comments).

    Args:
        package: the dotted package the file lies in, ``__package__`` of the caller.
        name: the file's name, ``.sql`` included.

    Raises:
        FileNotFoundError: when the package holds no such file.
    """
    return (files(package) / name).read_text(encoding="utf-8")
