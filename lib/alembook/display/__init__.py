"""How cells show values: tables a person compares, plots a person would rather look at than read."""

from alembook.display.plots import Plot, counts, sizes, throughput, timeline
from alembook.display.tables import Html, banner, checks, facts, folded, table

__all__ = ["Html", "Plot", "banner", "checks", "counts", "facts", "folded", "sizes", "table", "throughput", "timeline"]
