"""Plots: a PNG with a sentence for who cannot see it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pandas as pd
import pytest
from matplotlib import image

from alembook import display
from alembook.display import Html, Plot

NAMES = ["providers", "pay$\\frac$", "<b>x</b>", "_hidden", "a b", "a.very.long.name_" * 4]
SIZES = pd.DataFrame(
    {"table": NAMES, "size_bytes": [10**6, 10**5, 10**4, 10**3, 0, 1], "rows": [10**6, 0, -1, 5, 6, 7]}
)
SPANS = pd.DataFrame(
    {
        "label": ["e8446f481c1e", "e8446f481c1e", "pay$\\frac$", "0e154742a5fa"],
        "start_s": [0.0, 1.0, 2.0, 2.5],
        "seconds": [1.0, 0.5, 0.0, 60.0],
        "outcome": ["retried", "committed", "failed", "else"],
    }
)
BATCHES = pd.DataFrame({"at_s": [0.1, 0.3, 0.5], "rows": [500, 600, 0], "ms": [200.0, 210.0, 1.5]})
COUNTS = pd.DataFrame(
    {
        "table": NAMES,
        "before": [10.0, 5.0, float("nan"), 0.0, 1e9, 1.0],
        "after": [10.0, 4.0, 3.0, float("nan"), 1e9, 1.0],
        "verdict": ["PASSED", "FAILED", "PASSED", "PASSED", "PASSED", "UNVERIFIED"],
    }
)
PLOTS: list[tuple[Callable[[pd.DataFrame], Plot | Html], pd.DataFrame, str, str]] = [
    (display.sizes, SIZES, "Size of the 6 largest tables.", "no table"),
    (display.timeline, SPANS, "Timeline of 3 revisions.", "nothing ran"),
    (display.throughput, BATCHES, "1,100 rows in 3 batches.", "no batch ran"),
    (display.counts, COUNTS, "Rows before and after in 6 tables.", "no table"),
]
each = pytest.mark.parametrize(("draw", "frame", "says", "empty"), PLOTS, ids=[plot[0].__name__ for plot in PLOTS])


@each
def test_a_plot_is_a_png_with_words(
    draw: Callable[[pd.DataFrame], Plot | Html], frame: pd.DataFrame, says: str, empty: str
) -> None:
    """The picture opens, has the notebook's width and something on it; the sentence is its alternative text."""
    shown = draw(frame)
    assert isinstance(shown, Plot)
    png, metadata = shown._repr_png_()
    pixels = image.imread(io.BytesIO(png))
    assert pixels.shape[1] == 990
    assert pixels.std() > 0
    assert (metadata, repr(shown)) == ({"alt": says, "width": 864}, says)


@each
def test_nothing_to_draw(
    draw: Callable[[pd.DataFrame], Plot | Html], frame: pd.DataFrame, says: str, empty: str
) -> None:
    """An empty frame is a sentence, not a picture of nothing."""
    shown = draw(frame.head(0))
    assert isinstance(shown, Html)
    assert shown._repr_html_() == f'<p class="alembook-empty">{empty}</p>'


@each
def test_one_row_is_enough(
    draw: Callable[[pd.DataFrame], Plot | Html], frame: pd.DataFrame, says: str, empty: str
) -> None:
    """A single bar or point is drawn."""
    assert isinstance(draw(frame.head(1)), Plot)


def test_only_the_largest_are_drawn() -> None:
    """The sentence says how many."""
    assert repr(display.sizes(SIZES, limit=2)) == "Size of the 2 largest tables."
    assert repr(display.counts(COUNTS, limit=2)) == "Rows before and after in 2 tables."


def test_tables_of_one_name_have_a_bar_each() -> None:
    """Two schemas may have a table of one name: the picture is as high as for two names."""
    twins = pd.DataFrame({"table": ["log", "log"], "size_bytes": [10**6, 5 * 10**5], "rows": [1, 2]})
    others = twins.assign(table=["log", "gol"])
    first, second = display.sizes(twins), display.sizes(others)
    assert isinstance(first, Plot)
    assert isinstance(second, Plot)
    bars = [image.imread(io.BytesIO(plot.png))[:, :, :3] for plot in (first, second)]
    blue = [(abs(pixels - (0x2B / 255, 0x6C / 255, 0xB0 / 255)).max(axis=2) < 0.02).sum() for pixels in bars]
    assert blue[0] == pytest.approx(blue[1], rel=0.02)


def test_a_kernel_keeps_no_state_of_plots() -> None:
    """Drawn without pyplot, which would hold every figure until the kernel ends."""
    display.sizes(SIZES)
    assert "matplotlib.pyplot" not in sys.modules
