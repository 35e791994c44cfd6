"""A run's folder: written while the run goes on, read by everyone afterwards."""

from alembook.archive.events import Events
from alembook.archive.folder import EMERGENCY, RELEASE, ROLLED_BACK, WAIVER, RunFolder, begin, find, read_json, runs
from alembook.archive.manifest import Ending, close, is_ended, open_runs, unresolved

__all__ = [
    "EMERGENCY",
    "RELEASE",
    "ROLLED_BACK",
    "WAIVER",
    "Ending",
    "Events",
    "RunFolder",
    "begin",
    "close",
    "find",
    "is_ended",
    "open_runs",
    "read_json",
    "runs",
    "unresolved",
]
