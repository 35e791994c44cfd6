"""How large the next batch is: time decides, not rows.

A batch holds locks for as long as it lasts, so its duration is what others feel. The size follows it in bounded steps;
one batch far over its time shrinks the next at once (rules after spirit's chunker and pt-online-schema-change's
chunk-time; throughput hardly changes between 1,000 and 50,000 rows, measured).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The rule for batch sizes.

    Attributes:
        target_ms: how long a batch should last.
        first: rows of the first batch.
        smallest: no batch is asked to be smaller.
        largest: no batch is asked to be larger.
    """

    target_ms: float = 200
    first: int = 1_000
    smallest: int = 100
    largest: int = 50_000

    def after(self, size: int, milliseconds: float) -> int:
        """Returns the size of the next batch.

        Args:
            size: rows the last one was asked for; it was full.
            milliseconds: how long it lasted, commit included.
        """
        factor = min(max(self.target_ms / max(milliseconds, 0.001), 0.5), 1.5)
        return self._clamped(size * (0.2 if milliseconds > 5 * self.target_ms else factor))

    def after_refusal(self, size: int) -> int:
        """Returns the size of the next try of a batch that waited for a lock in vain or lost a deadlock."""
        return self._clamped(size * 0.5)

    def _clamped(self, size: float) -> int:
        return int(min(max(size, self.smallest), self.largest))
