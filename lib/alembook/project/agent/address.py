"""Handing the target's address to a project's configuration, where its env.py looks for it."""

from __future__ import annotations

import contextlib
import importlib.util
import re
from typing import Any, List, Mapping, Optional

from alembic.config import Config

from .failure import Failure

_NAMED = re.compile(r"postgres(?:ql)?\+(\w+)://")
_ASYNC = re.compile(r"\b(async_engine_from_config|create_async_engine)\b")
#: Drivers in the order they are looked for, when neither the reference nor the project names one.
_USUAL = ("psycopg2", "psycopg", "pg8000", "asyncpg")
_FOR_ASYNC = ("asyncpg", "psycopg")


def point(config: Config, project: Mapping[str, Any], env_file: str) -> Optional[str]:
    """Writes the target's URL over the project's own; returns which of several databases is meant, None for the one.

    An ini of the multidb template lists its databases and has a section for each: only the chosen one stays listed, and
    its section gets the URL.

    Args:
        config: changed in memory only.
        project: "url", "driver" ("" when the reference names none), "bind" (or None).
        env_file: its env.py, which shows whether it is asynchronous.

    Raises:
        Failure: "binds", several databases are listed and none was chosen; "no_bind", another one was.
    """
    listed = _listed(config)
    bind = _chosen(listed, project["bind"])
    sections = [bind] if listed and bind else []
    driver = project["driver"] or _own_driver(config, [*sections, config.config_ini_section], env_file)
    url = _with_driver(project["url"], driver).replace("%", "%%")  # ConfigParser's own sign
    config.set_main_option("sqlalchemy.url", url)
    for section in sections:
        config.set_main_option("databases", section)
        config.set_section_option(section, "sqlalchemy.url", url)
    return bind


def _listed(config: Config) -> List[str]:
    return [name for name in re.split(r",\s*", (config.get_main_option("databases") or "").strip()) if name]


def _chosen(listed: List[str], bind: Optional[str]) -> Optional[str]:
    if not listed or bind in listed:
        return bind
    if bind is not None:
        raise Failure("no_bind", "It lists others.", bind=bind, names=listed)
    if len(listed) > 1:
        raise Failure("binds", "It lists several databases.", names=listed)
    return listed[0]


def _own_driver(config: Config, sections: List[str], env_file: str) -> str:
    """Returns the driver the project's own URL names, else one that fits its env.py and is installed here."""
    for section in sections:
        found = _NAMED.match(config.file_config.get(section, "sqlalchemy.url", raw=True, fallback=""))
        if found:
            return found.group(1)
    candidates = _FOR_ASYNC if _is_async(env_file) else _USUAL
    return next((name for name in candidates if importlib.util.find_spec(name)), candidates[0])


def _is_async(env_file: str) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError), open(env_file, encoding="utf-8") as file:
        return _ASYNC.search(file.read()) is not None
    return False


def _with_driver(url: str, driver: str) -> str:
    """Returns a URL for another driver; asyncpg's "ssl" is libpq's "sslmode"."""
    changed = re.sub(r"^[^:]+", "postgresql+" + driver, url, count=1)
    return re.sub(r"([?&])sslmode=", r"\1ssl=", changed) if driver == "asyncpg" else changed
