"""How cells show values: tables a person compares, plots a person would rather look at than read."""

from alembook.display.plots import Plot, counts, locks, sizes, throughput, timeline
from alembook.display.tables import Html, banner, checks, explained, facts, folded, nothing, size, table, together

__all__ = [
    "Html",
    "Plot",
    "banner",
    "checks",
    "counts",
    "explained",
    "facts",
    "folded",
    "locks",
    "nothing",
    "size",
    "sizes",
    "table",
    "throughput",
    "timeline",
    "together",
]
