"""How large the next batch is."""

from __future__ import annotations

import pytest

from alembook.backfills.pace import Pace

PACE = Pace(target_ms=200)


@pytest.mark.parametrize(
    ("size", "milliseconds", "following"),
    [
        (1_000, 200, 1_000),
        (1_000, 160, 1_250),
        (1_000, 1, 1_500),
        (1_000, 0, 1_500),
        (1_000, 300, 666),
        (1_000, 900, 500),
        (1_000, 1_001, 200),
        (150, 900, 100),
        (49_000, 10, 50_000),
    ],
)
def test_the_size_follows_the_time_in_bounded_steps(size: int, milliseconds: float, following: int) -> None:
    """A step is between half and one and a half; far over the target it is a fifth; 100 and 50,000 are the ends."""
    assert PACE.after(size, milliseconds) == following


def test_a_refused_batch_is_halved() -> None:
    """A batch that waited for a lock in vain holds half as many rows the next time."""
    assert PACE.after_refusal(1_000) == 500
    assert PACE.after_refusal(120) == 100


@pytest.mark.parametrize("rows_per_ms", [0.6, 5.0, 30.0, 200.0])
def test_the_size_settles_where_a_batch_takes_its_time(rows_per_ms: float) -> None:
    """From any speed the server has, twenty batches are enough to come within a tenth of the target."""
    size = PACE.first
    for _ in range(20):
        size = PACE.after(size, size / rows_per_ms)
    assert size == pytest.approx(200 * rows_per_ms, rel=0.1)
