"""How cells show values: tables a person compares, plots a person would rather look at than read."""

from alembook.display.plots import Plot, counts, locks, sizes, throughput, timeline
from alembook.display.tables import Html, banner, checks, facts, folded, nothing, table

__all__ = [
    "Html",
    "Plot",
    "banner",
    "checks",
    "counts",
    "facts",
    "folded",
    "locks",
    "nothing",
    "sizes",
    "table",
    "throughput",
    "timeline",
]
