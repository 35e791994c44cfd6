"""Files that are either there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alembook import errors

#: A byte of a file's name that is no UTF-8 reaches us as half a character; it is written as "\\udcff".
UNENCODABLE = "backslashreplace"


def write_text(path: Path, text: str) -> Path:
    """Writes a file so that no reader ever sees a part of it: temporary file, fsync, rename, fsync of the folder.

    Raises:
        errors.ArchiveFailed: no right to write, disk full; the file that was there before is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with temporary.open("x", encoding="utf-8", errors=UNENCODABLE) as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise failed(path, error) from error
    return path


def write_json(path: Path, value: Mapping[str, Any]) -> Path:
    """Writes a mapping as JSON, keys in the given order, times as ISO 8601. Raises as ``write_text``."""
    return write_text(path, as_json(value))


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal; memory stays flat."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def as_json(value: Mapping[str, Any]) -> str:
    """Returns a mapping as the archive writes it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def failed(path: Path, error: OSError) -> errors.ArchiveFailed:
    """Returns our error for the system's."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return errors.ArchiveFailed(
            f"The archive cannot be written: the disk of {path.parent} is full.",
            why=f"writing {path.name} gave: {error.strerror}.",
            next="Free space, then go on with `alembook run --run RUN`; what was recorded is intact.",
            state="the record ends before this file; the database is as the last event says.",
        )
    return errors.ArchiveFailed(
        f"The archive cannot be written: {path.parent}.",
        why=f"writing {path.name} gave: {error.strerror}.",
        next="Correct archive.path in alembook.toml or the rights of that folder.",
        state="the record ends before this file.",
    )
