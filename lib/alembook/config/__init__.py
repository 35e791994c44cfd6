"""``alembook.toml`` and the process's environment, as typed values. The only reader of either."""

from alembook.config.environment import child_environment, session_keys, write_session_keys
from alembook.config.file import Archive, Configuration, load
from alembook.config.target import Backfill, Backup, Limits, Reference, Target, Verify, reference, resolve
from alembook.config.window import Window

__all__ = [
    "Archive",
    "Backfill",
    "Backup",
    "Configuration",
    "Limits",
    "Reference",
    "Target",
    "Verify",
    "Window",
    "child_environment",
    "load",
    "reference",
    "resolve",
    "session_keys",
    "write_session_keys",
]
