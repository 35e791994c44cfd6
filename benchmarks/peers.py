"""reladiff, and pandas with datacompy, on the question that benchmarks/verification.py asks.

Run by that script with an interpreter of their own: what they need (the dependency group ``benchmarks``) is no part of
the environment Alembook runs in. Reads from stdin {"peer", "left", "right" (libpq parameters), "table", "key",
"columns"}, and writes to stdout {"seconds", "keys" (of the rows that differ), "rss_mb"}. Imports are not timed.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

Asked = dict[str, Any]


def reladiff(asked: Asked) -> Callable[[], list[str]]:
    """Returns reladiff's diff of two tables: hashes, recursively, two threads, as its own README runs it."""
    from reladiff import connect_to_table, diff_tables  # noqa: PLC0415 - one peer is imported, and is not timed

    def work() -> list[str]:
        sides = [
            connect_to_table({"driver": "postgresql", **asked[side]}, asked["table"], asked["key"], thread_count=2)
            for side in ("left", "right")
        ]
        found = diff_tables(*sides, extra_columns=tuple(asked["columns"]), threaded=True, max_threadpool_size=2)
        return sorted({str(row[0]) for _, row in found})

    return work


def datacompy(asked: Asked) -> Callable[[], list[str]]:
    """Returns pandas' reading of both tables, and datacompy's comparison of them."""
    import datacompy as peer  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    import psycopg2  # noqa: PLC0415

    named = ", ".join([asked["key"], *asked["columns"]])

    def read(side: str) -> Any:
        with psycopg2.connect(**asked[side]) as connection:
            return pd.read_sql(f"SELECT {named} FROM {asked['table']}", connection)  # noqa: S608 - names of our own

    def work() -> list[str]:
        compared = peer.PandasCompare(read("left"), read("right"), join_columns=asked["key"])
        found = [] if compared.matches() else [compared.all_mismatch(), compared.df1_unq_rows, compared.df2_unq_rows]
        return sorted({str(key) for frame in found for key in frame[asked["key"]]})

    return work


def main() -> None:
    """Answers the question on stdin."""
    warnings.simplefilter("ignore")
    asked: Asked = json.load(sys.stdin)
    work = {"reladiff": reladiff, "datacompy": datacompy}[asked["peer"]](asked)
    began = time.perf_counter()
    keys = work()
    took = time.perf_counter() - began
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": took, "keys": keys, "rss_mb": rss_mb}, sys.stdout)


if __name__ == "__main__":
    main()
