"""How much room is left: where a dump goes, and, where it can be known, where the server keeps its data."""

from __future__ import annotations

import shutil
from pathlib import Path

from alembook import errors
from alembook.postgres import connection as connections
from alembook.postgres import statements


def free_bytes(folder: Path) -> int:
    """Returns the bytes that can be written below a folder, which need not be there yet.

    Raises:
        OSError: the file system does not say.
    """
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    return shutil.disk_usage(there).free


def database_bytes(connection: connections.Connection) -> int:
    """Returns the size of the connection's database on disk. Raises ``errors.QueryFailed``."""
    return int(connections.scalar(connection, "SELECT pg_database_size(current_database())"))


def of_server(connection: connections.Connection) -> tuple[int | None, str]:
    """Returns the bytes left where the server keeps its data, and why that cannot be known.

    It is known only for a server on this machine, to a role that may see the settings and a user who may read the data
    folder; its ``postmaster.pid`` proves that the folder is the server's (PostgreSQL manual 66.1).

    Returns:
        (bytes, "") or (None, why).
    """
    try:
        [found] = connections.rows(connection, statements.load(__package__, "disk.sql"))
    except errors.QueryFailed:
        return None, "the role may not see where the server keeps its data (pg_read_all_settings)"
    folder = Path(found["data_directory"])
    try:
        lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        if int(lines[2]) != found["started_at"]:
            return None, "the server is on another machine"
        return shutil.disk_usage(folder).free, ""
    except (OSError, ValueError, IndexError):
        return None, "the server is on another machine, or its data folder cannot be read here"
