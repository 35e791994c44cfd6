"""What single statements of a rehearsal did, and what became of the sizes, as its page shows it."""

from __future__ import annotations

import pandas as pd

from alembook.snapshots.measurement import DTYPES
from alembook.steps import traces


def measured(**bytes_of: int) -> pd.DataFrame:
    """Returns a measurement of tables of these sizes."""
    rows = [{"schema": "public", "table": name, "rows": 1, "size_bytes": size} for name, size in bytes_of.items()]
    return pd.DataFrame(rows, columns=list(DTYPES)).astype(DTYPES)


def test_sizes_are_those_that_changed() -> None:
    """The whole first, then the largest change, shrunk or grown; what came or went is 0 on one side."""
    found = traces.sizes(measured(a=8, b=16, gone=32), measured(a=8, b=24, made=4), (100, 90))
    assert list(found.itertuples(index=False, name=None)) == [
        ("the whole copy", 100, 90, -10),
        ("public.gone", 32, 0, -32),
        ("public.b", 16, 24, 8),
        ("public.made", 0, 4, 4),
    ]


def test_what_is_written_anew_is_read_first() -> None:
    """Then the slowest; the statement of a loop is one row, with the lock it took first."""
    sent = [
        ("a", 1.0, "", ""),
        ("b", 9.0, "", ""),
        ("c", 0.5, "", "table t"),
        ("a", 2.0, "SHARE t", ""),
        ("d", 1.0, "", ""),
    ]
    frame = pd.DataFrame(
        [
            {
                "stage": 1,
                "revision": "r",
                "statement": text,
                "times": 1,
                "ms": ms,
                "rows": 2,
                "wal_bytes": 3,
                "locks taken": locks,
                "written anew": anew,
            }
            for text, ms, locks, anew in sent
        ]
    )
    shown = traces.slowest(frame)
    assert list(shown.columns) == traces.STATEMENTS
    assert shown["statement"].tolist() == ["c", "b", "a", "d"]
    loop = shown[shown["statement"] == "a"].to_dict("records")[0]
    assert (loop["times"], loop["ms"], loop["rows"], loop["wal_bytes"], loop["locks taken"]) == (
        2,
        3.0,
        4,
        6,
        "SHARE t",
    )
    assert traces.slowest(frame.head(0)).empty
