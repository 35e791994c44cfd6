"""What a measurement costs, told before it is made: bytes to be read, and seconds by what was measured earlier."""

from __future__ import annotations

from dataclasses import dataclass

from alembook import display
from alembook.postgres import connection as connections
from alembook.snapshots import measurement
from alembook.steps import before
from alembook.steps.runbook import Book

#: Bytes per second of one connection, where this run has measured nothing yet: cautious, disks differ.
ASSUMED_PER_S = 100 * 1024**2
#: Below this many bytes a measured time says nothing about a larger one.
_TELLING_BYTES = 64 * 1024**2
#: Steps after which, or in which, is measured what was before the change -> when that is.
_BEFORE = {
    "inspect": "before the first revision, and once more when everything is done",
    "upgrade": "before the first revision",
    "backfill": "before the first batch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one measurement reads.

    Attributes:
        tables: how many.
        size_bytes: of their rows, TOAST included, indexes not.
        seconds: estimated.
        basis: what the estimate stands on.
    """

    tables: int
    size_bytes: int
    seconds: float
    basis: str


def estimate(book: Book) -> Cost:
    """Returns what measuring the tables in scope will cost. Reads the catalogue only.

    Raises:
        errors.QueryFailed: the catalogue cannot be read.
    """
    with connections.closing(book.connect()) as connection:
        sizes = measurement.sizes(connection, before.scope(book, connection))
    total = sum(sizes.values())
    per_s, basis = _rate(book)
    return Cost(tables=len(sizes), size_bytes=total, seconds=total / per_s, basis=basis)


def _rate(book: Book) -> tuple[float, str]:
    """Returns bytes per second, and where the number is from."""
    receipt = before.receipt(book)
    if receipt and receipt["read_bytes"] > _TELLING_BYTES:
        return receipt["read_bytes"] / max(receipt["seconds"], 0.001), "as fast as before the change"
    return ASSUMED_PER_S, f"at {ASSUMED_PER_S // 1024**2} MB/s, assumed: nothing large was measured yet"


def told(book: Book) -> display.Html:
    """Returns the estimate for a page, of the measurement that comes next in a run; nothing is measured.

    Raises:
        errors.ConfigurationError: a check cannot be used.
        errors.QueryFailed: the catalogue cannot be read.
    """
    kept, limit_s = before.receipt(book), before.limit_s(book)
    if kept and book.step in _BEFORE:
        return display.facts({"measured before": f"at {kept['taken_at']}, in {kept['seconds']:,.1f} s; not again"})
    found = estimate(book)
    return display.facts(
        {
            "will read": f"{display.size(found.size_bytes)} in {found.tables:,} tables, in one snapshot",
            "when": _BEFORE.get(book.step, "now"),
            "for about": f"{max(found.seconds, 1):,.0f} s ({found.basis})",
            "limit": f"{limit_s:,} s for 256 MB of a table, and for each query; what it cuts off is UNVERIFIED",
        }
    )
