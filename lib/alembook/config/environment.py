"""The process's environment: what a child may inherit, and what a reference names."""

from __future__ import annotations

import os
from collections.abc import Mapping

from alembook import errors

#: What a child process may inherit. Nothing else reaches a project or a dump, so no credential does by accident.
_INHERITED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM", "COLUMNS", "NO_COLOR",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
        "PGPASSFILE", "PGSERVICEFILE", "PGSSLROOTCERT", "PGSYSCONFDIR", "VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH",
        "PYTHONDONTWRITEBYTECODE", "PYTHONUTF8", "COVERAGE_PROCESS_START", "CI",
    }
)  # fmt: skip
_SESSION = "ALEMBOOK_SESSION"


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the whole environment of a child: an allow-list of ours, every LC_* variable, and ``extra``."""
    kept = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}
    return {**kept, **(extra or {})}


def kernel_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns the environment of a kernel we start: ours, whole, since references (env:NAME) resolve there."""
    return {**os.environ, **(extra or {})}


def variable(name: str) -> str:
    """Returns what ``env:NAME`` stands for.

    Raises:
        errors.ConfigurationError: the variable is not set, or empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise errors.ConfigurationError(
            f"The environment variable {name} is not set.",
            why=f"a reference in alembook.toml says env:{name}.",
            next=f"Set {name} where this command runs; its value never enters the archive.",
        )
    return value


def is_set(name: str) -> bool:
    """Says whether a variable is set and not empty."""
    return bool(os.environ.get(name))


def search_path() -> str:
    """Returns PATH, for finding programs."""
    return os.environ.get("PATH", os.defpath)


def session_keys() -> tuple[int, int] | None:
    """Returns mutex and nonce that a runner holds for this kernel, or None when the kernel works alone."""
    text = os.environ.get(_SESSION, "")
    if not text:
        return None
    mutex, _, nonce = text.partition(":")
    return int(mutex), int(nonce)


def write_session_keys(mutex: int, nonce: int) -> dict[str, str]:
    """Returns the variable by which a runner tells its kernels which keys it holds."""
    return {_SESSION: f"{mutex}:{nonce}"}
