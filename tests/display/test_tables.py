"""Cells as HTML: every value is escaped and reads as a person would write it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from alembook import display
from alembook.display.tables import nothing, size, text_of
from alembook.verdict import Check, Grade, Outcome

HOSTILE = "<script>alert(\"1\")</script> & 'x'"
ESCAPED = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#x27;x&#x27;"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (pd.NA, "-"),
        (pd.NaT, "-"),
        (float("nan"), "-"),
        (Decimal("NaN"), "-"),
        (np.float64("nan"), "-"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (0, "0"),
        (1_234_567, "1,234,567"),
        (-1_234_567, "-1,234,567"),
        (np.int64(1_234_567), "1,234,567"),
        (np.float64(1_234_567), "1,234,567"),
        (1234.5678, "1,234.57"),
        (0.12345, "0.123"),
        (Decimal("1234.50"), "1,234.50"),
        (float("inf"), "inf"),
        (Decimal("-Infinity"), "-infinity"),
        (datetime(2026, 11, 22, 12, 3, 1, 987_654, tzinfo=UTC), "2026-11-22 12:03:01+00:00"),
        (pd.Timestamp("2026-11-22 12:03:01.9"), "2026-11-22 12:03:01"),
        (date(2026, 11, 22), "2026-11-22"),
        ([1, None, "a"], "1, -, a"),
        (np.array([1000, 2]), "1,000, 2"),
        ((), "-"),
        ({"a": 1}, "{'a': 1}"),
        (Outcome.FAILED, "FAILED"),
        ("1234", "1234"),
        ("", ""),
    ],
    ids=repr,
)
def test_a_value_as_text(value: object, text: str) -> None:
    """Nothing is "-", numbers have separators, times seconds."""
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 kB"),
        (8192, "8 kB"),
        (1024**2, "1.0 MB"),
        (1.5 * 1024**3, "1.5 GB"),
        (5_000 * 1024**4, "5,000.0 TB"),
        (-2048, "-2 kB"),
    ],
)
def test_bytes_have_a_unit(size_bytes: float, text: str) -> None:
    """1 kB is 1024 bytes, as PostgreSQL counts."""
    assert size(size_bytes) == text


def markup(shown: display.Html) -> str:
    """Returns what a notebook is given."""
    return shown._repr_html_()


def test_every_value_is_escaped() -> None:
    """Names, titles, values, facts, banners: nothing from a database is markup."""
    frame = pd.DataFrame({HOSTILE: [HOSTILE]})
    check = Check(name=HOSTILE, outcome=Outcome.FAILED, expected=HOSTILE, found=HOSTILE, why=HOSTILE, next=HOSTILE)
    for shown in (
        display.table(frame),
        display.table(frame.head(0), empty=HOSTILE),
        display.facts({HOSTILE: HOSTILE}),
        display.banner(Outcome.PASSED, HOSTILE),
        display.checks([check]),
        nothing(HOSTILE),
    ):
        assert "<script" not in markup(shown)
        assert ESCAPED in markup(shown)


def test_a_table() -> None:
    """Titles without underscores and units, numbers to the right, bytes in units."""
    frame = pd.DataFrame({"table_name": ["a"], "size_bytes": [8192], "rows": [1_234_567], "ok": [True]})
    assert markup(display.table(frame)) == (
        '<table class="alembook-table"><thead><tr>'
        '<th>table name</th><th class="number">size</th><th class="number">rows</th><th>ok</th>'
        '</tr></thead><tbody><tr class="">'
        '<td>a</td><td class="number">8 kB</td><td class="number">1,234,567</td><td>yes</td>'
        "</tr></tbody></table>"
    )


def test_numbers_that_are_missing() -> None:
    """A column of whole numbers with holes shows whole numbers and "-"."""
    frame = pd.DataFrame({"before": [1_000_000, None], "size_bytes": [None, Decimal(1024)]})
    assert [part.partition("<")[0] for part in markup(display.table(frame)).split("<td")[1:]] == [
        ' class="number">1,000,000', ">-", ' class="number">-', ">1 kB"
    ]  # fmt: skip


def test_rows_are_marked_by_their_verdict() -> None:
    """FAILED, UNVERIFIED and PASSED have a class each; what is none of them has none."""
    frame = pd.DataFrame({"table": list("abcd"), "verdict": ["PASSED", "FAILED", "UNVERIFIED", "else"]})
    found = markup(display.table(frame, verdict="verdict"))
    assert [part.partition('"')[0] for part in found.split('<tr class="')[1:]] == ["passed", "failed", "unverified", ""]


def test_what_is_cut_off_is_said() -> None:
    """The first rows, and how many more there are."""
    found = markup(display.table(pd.DataFrame({"a": range(1300)}), limit=60))
    assert found.count("<tr") == 61
    assert found.endswith('<p class="alembook-note">1,240 more rows are in the archive.</p>')


@pytest.mark.parametrize("frame", [pd.DataFrame(), pd.DataFrame(columns=["verdict", "rows"])])
def test_an_empty_table(frame: pd.DataFrame) -> None:
    """Nothing to show is a sentence, with or without columns."""
    shown = display.table(frame, verdict="verdict", empty="no table")
    assert (markup(shown), repr(shown)) == ('<p class="alembook-empty">no table</p>', "no table")


def test_a_terminal_shows_plain_text() -> None:
    """Where there is no HTML the same is there as text."""
    assert repr(display.facts({"rows": 1000, "state": None})) == "rows: 1,000\nstate: -"
    assert repr(display.banner(Outcome.FAILED, "rows of providers")) == "FAILED rows of providers"
    assert "providers" in repr(display.table(pd.DataFrame({"table": ["providers"]})))


def test_checks_stand_worst_first() -> None:
    """FAILED before PASSED, with reason and advice in one cell."""
    found = markup(
        display.checks(
            [
                Check(name="rows of a", outcome=Outcome.PASSED, expected="1", found="1"),
                Check(name="rows of b", grade=Grade.SHOULD, outcome=Outcome.FAILED, why="one is gone", next="Look."),
            ]
        )
    )
    assert found.index("rows of b") < found.index("rows of a")
    assert "<td>one is gone Look.</td>" in found
    assert '<tr class="failed"><td>FAILED</td><td>should</td>' in found
    assert repr(display.checks([])) == "no checks"


def test_checks_are_explained_one_below_the_other_the_worst_first() -> None:
    """All there is to say of each: what is empty is left out, the query is folded, every value is escaped."""
    should = Check(name="a should", grade=Grade.SHOULD, outcome=Outcome.FAILED, found="7")
    must = Check(
        name=HOSTILE, outcome=Outcome.FAILED, expected="1", found="2", why="because", next="do", query="SELECT <1>"
    )
    unseen = Check(name="unseen", outcome=Outcome.UNVERIFIED, waived="so be it")
    found = display.explained(
        [(should, {}), (unseen, {}), (must, {"rows that differ": "1 missing: <7>"})], empty="none"
    )
    assert found.plain == (
        f"FAILED {HOSTILE}\n\n"
        "grade: must\nexpected: 1\nfound: 2\nwhy: because\nrows that differ: 1 missing: <7>\nwhat to do: do\n\n"
        "query\nSELECT <1>\n\n"
        "FAILED a should\n\ngrade: should\nfound: 7\n\n"
        "UNVERIFIED unseen\n\ngrade: must\nwaived: so be it"
    )
    assert ESCAPED in found.markup
    assert HOSTILE not in found.markup
    assert "<details><summary>query</summary><pre>SELECT &lt;1&gt;</pre></details>" in found.markup
    assert "<td>1 missing: &lt;7&gt;</td>" in found.markup
    assert found.markup.count("<details>") == 1


def test_nothing_to_explain_says_so() -> None:
    """In the words of the page."""
    assert display.explained([], empty="every check is PASSED").plain == "every check is PASSED"


def test_texts_stand_together_in_their_order() -> None:
    """As HTML without anything between, as plain text a blank line apart."""
    found = display.together(display.Html("<p>a</p>", "a"), display.Html("<p>b</p>", "b"))
    assert (found.markup, found.plain) == ("<p>a</p><p>b</p>", "a\n\nb")
    assert display.together().plain == ""
