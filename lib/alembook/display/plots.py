"""Plots of a run, drawn without pyplot so that a kernel keeps no state of them.

Matplotlib is imported when the first one is drawn: most commands draw none, and it takes a quarter of a second.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

from alembook.display.tables import Html, nothing

_BLUE, _ORANGE, _GREY, _RED, _GREEN = "#2b6cb0", "#dd6b20", "#a0aec0", "#c53030", "#2f855a"
_WIDTH_IN, _DPI = 9.0, 110


class Plot:
    """A PNG with the sentence that says what it shows."""

    def __init__(self, png: bytes, says: str) -> None:
        self.png = png
        self.says = says

    def _repr_png_(self) -> tuple[bytes, dict[str, object]]:
        return self.png, {"alt": self.says, "width": int(_WIDTH_IN * 96)}

    def __repr__(self) -> str:
        """Returns what the plot shows, in words."""
        return self.says


def _draw(height_in: float, says: str, draw: Callable[[Axes], None]) -> Plot:
    from matplotlib import rc_context  # noqa: PLC0415 - see above
    from matplotlib.figure import Figure  # noqa: PLC0415 - see above

    stream = io.BytesIO()
    with rc_context({"text.parse_math": False}):  # a "$" in a table's name is a dollar
        figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.tick_params(labelsize=9)
        draw(axes)
        figure.savefig(stream, format="png")
    return Plot(stream.getvalue(), says)


def _height(bars: int) -> float:
    return min(1.0 + 0.28 * max(bars, 2), 9.0)


def _legend(axes: Axes) -> None:
    """Says what the colours mean, above the bars: inside it would cover some."""
    axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)


def _thousands(value: float, _: object) -> str:
    return f"{value:,.0f}"


def sizes(frame: pd.DataFrame, *, limit: int = 15) -> Plot | Html:
    """Draws the largest tables.

    Args:
        frame: one row per table; columns table (str), size_bytes (int), rows (int, exact or estimated; -1 = unknown).
        limit: how many tables.
    """
    if frame.empty:
        return nothing("no table")
    largest = frame.nlargest(limit, "size_bytes").iloc[::-1]
    megabytes = largest["size_bytes"] / 1024**2

    def draw(axes: Axes) -> None:
        bars = axes.barh(range(len(largest)), megabytes, color=_BLUE)
        axes.set_yticks(range(len(largest)), largest["table"])
        known = [f" {rows:,.0f} rows" if rows >= 0 else " never analysed" for rows in largest["rows"]]
        axes.bar_label(bars, known, fontsize=8, color="#4a5568")
        axes.set_xlabel("size with indexes, MB", fontsize=9)
        axes.margins(x=0.18)

    return _draw(_height(len(largest)), f"Size of the {len(largest)} largest tables.", draw)


def timeline(frame: pd.DataFrame) -> Plot | Html:
    """Draws what ran when.

    Args:
        frame: one row per attempt, in order; columns label (str), start_s, seconds (float, s since the step began),
            outcome ("committed", "failed" or "retried").
    """
    if frame.empty:
        return nothing("nothing ran")
    colours = {"committed": _GREEN, "failed": _RED, "retried": _ORANGE}
    upside = frame.iloc[::-1]

    def draw(axes: Axes) -> None:
        axes.set_yticks(range(len(upside)), upside["label"])
        axes.barh(
            range(len(upside)),
            upside["seconds"].clip(lower=frame["seconds"].sum() / 400),
            left=upside["start_s"],
            color=[colours.get(outcome, _GREY) for outcome in upside["outcome"]],
        )
        for place, (start, seconds) in enumerate(zip(upside["start_s"], upside["seconds"], strict=True)):
            axes.text(start + seconds, place, f"  {seconds * 1000:,.0f} ms", va="center", fontsize=8, color="#4a5568")
        axes.set_xlabel("seconds since the upgrade began", fontsize=9)
        axes.margins(x=0.12)
        axes.set_xlim(left=0)

    return _draw(_height(len(frame)), f"Timeline of {frame['label'].nunique()} revisions.", draw)


#: Whom a lock keeps waiting: colour, words. A mode that is not here keeps no reader and no writer waiting.
_WAITING = {
    "ACCESS EXCLUSIVE": (_RED, "readers and writers wait"),
    "EXCLUSIVE": (_ORANGE, "writers wait"),
    "SHARE ROW EXCLUSIVE": (_ORANGE, "writers wait"),
    "SHARE": (_ORANGE, "writers wait"),
}
_NOBODY = (_BLUE, "neither waits")


def locks(frame: pd.DataFrame, *, limit: int = 60) -> Plot | Html:
    """Draws revisions one after another, and below each the locks it held.

    Args:
        frame: in order, each revision followed by its locks; columns label (str: revision or table), lock (str: its
            mode, "" for a revision), start_s, seconds (float, s since the first revision began).
        limit: how many bars; the shortest locks are left out first.
    """
    if frame.empty:
        return nothing("nothing ran")
    kept = frame.assign(rank=frame["seconds"].where(frame["lock"] != "", float("inf"))).nlargest(limit, "rank")
    shown = frame.loc[sorted(kept.index)].iloc[::-1].reset_index(drop=True)
    narrowest = (frame["start_s"] + frame["seconds"]).max() / 400
    kinds = [_WAITING.get(lock, _NOBODY) if lock else (_GREY, "the revision") for lock in shown["lock"]]

    def draw(axes: Axes) -> None:
        for colour, words in dict.fromkeys(reversed(kinds)):
            places = [place for place, kind in enumerate(kinds) if kind == (colour, words)]
            bars = shown.iloc[places]
            axes.barh(places, bars["seconds"].clip(lower=narrowest), left=bars["start_s"], color=colour, label=words)
        named = zip(shown["label"], shown["lock"], shown["start_s"], shown["seconds"], strict=True)
        for place, (_, lock, start, seconds) in enumerate(named):
            said = f"  {lock} {seconds * 1000:,.0f} ms"
            axes.text(start + seconds, place, said, va="center", fontsize=7, color="#4a5568")
        axes.set_yticks(range(len(shown)), shown["label"])
        axes.set_xlabel("seconds since the first revision began, on the copy", fontsize=9)
        axes.margins(x=0.25)
        axes.set_xlim(left=0)
        _legend(axes)

    left_out = f" ({len(frame) - len(shown)} short locks are left out)" if len(frame) > len(shown) else ""
    revisions = int((frame["lock"] == "").sum())
    return _draw(_height(len(shown)), f"Timeline of {revisions} revisions with the locks they held{left_out}.", draw)


def throughput(frame: pd.DataFrame) -> Plot | Html:
    """Draws how fast a backfill went and how long each batch took.

    Args:
        frame: one row per batch; columns at_s (float, s since the start), rows (int), ms (float).
    """
    if frame.empty:
        return nothing("no batch ran")

    def draw(axes: Axes) -> None:
        axes.step(frame["at_s"], frame["rows"].cumsum(), where="post", color=_BLUE)
        axes.set_ylabel("rows done", fontsize=9, color=_BLUE)
        axes.yaxis.set_major_formatter(_thousands)
        axes.set_xlabel("seconds since the backfill began", fontsize=9)
        axes.set_ylim(bottom=0)
        beside = axes.twinx()
        beside.spines["top"].set_visible(False)
        beside.scatter(frame["at_s"], frame["ms"], s=14, color=_ORANGE)
        beside.set_ylabel("ms per batch", fontsize=9, color=_ORANGE)
        beside.set_ylim(bottom=0)

    return _draw(3.2, f"{int(frame['rows'].sum()):,} rows in {len(frame)} batches.", draw)


def counts(frame: pd.DataFrame, *, limit: int = 20) -> Plot | Html:
    """Draws rows before and after, tables that differ first.

    Args:
        frame: one row per table; columns table (str), before, after (float, NaN where the table is absent), verdict.
        limit: how many tables.
    """
    if frame.empty:
        return nothing("no table")
    shown = frame.head(limit).iloc[::-1].reset_index(drop=True)

    def draw(axes: Axes) -> None:
        places = shown.index.to_numpy(dtype=float)
        axes.barh(places + 0.2, shown["before"].fillna(0), height=0.38, color=_GREY, label="before")
        after = [_RED if verdict == "FAILED" else _BLUE for verdict in shown["verdict"]]
        axes.barh(places - 0.2, shown["after"].fillna(0), height=0.38, color=after, label="after")
        axes.set_yticks(places, shown["table"])
        axes.set_xlabel("rows", fontsize=9)
        _legend(axes)
        axes.xaxis.set_major_formatter(_thousands)

    return _draw(_height(len(shown)), f"Rows before and after in {len(shown)} tables.", draw)
