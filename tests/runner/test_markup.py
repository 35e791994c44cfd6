"""HTML of unknown origin made safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook.runner import markup
from alembook.runner.markup import Cleaner

PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("<script>alert(1)</script>a", "a"),
        ("<SCRIPT src=//x></SCRIPT>a", "a"),
        ("<style>@import 'http://x'</style>a", "a"),
        ("<iframe src='http://x'>b</iframe>a", "a"),
        ("<svg onload=alert(1)><circle/></svg>a", "a"),
        ("<link rel=stylesheet href=http://x>a", "a"),
        ("<meta http-equiv=refresh content='0;url=http://x'>a", "a"),
        ("<form action=http://x><input></form>a", "a"),
        ('<p onclick="x()">a</p>', "<p>a</p>"),
        ('<img src="http://x/y.png">', "<img>"),
        ('<img src="//x/y.png" onerror="x()">', "<img>"),
        ('<img src="data:text/html;base64,AAAA">', "<img>"),
        ('<img src="data:image/svg+xml;base64,AAAA">', "<img>"),
        (f'<img src="{PIXEL}" alt="a" width="9">', f'<img alt="a" src="{PIXEL}" width="9">'),
        ('<p style="background: url(http://x)">a</p>', '<p style="">a</p>'),
        ('<p style="text-align: right; position: fixed">a</p>', '<p style="text-align: right;">a</p>'),
        ('<p id="top" name="x">a</p>', "<p>a</p>"),
        ('<a href="javascript:alert(1)">a</a>', "a (javascript:alert(1))"),
        ('<a href="https://example.org/x">manual</a>', "manual (https://example.org/x)"),
        ('<a href="https://example.org">https://example.org</a>', "https://example.org"),
        ('<a href="//example.org">a</a>', "a (//example.org)"),
        ('<a href="/etc/passwd">a</a>', "a (/etc/passwd)"),
        ('<a href="../../../etc/passwd">a</a>', "a"),
        ('<a href="#gate">a</a>', '<a href="#gate">a</a>'),
        ("<!-- <script>x</script> -->a", "a"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<b><i>unclosed", "<b><i>unclosed</i></b>"),
        ("<table><tr class='failed'><td>FAILED</td><td>x</td></tr></table>",
         '<table><tbody><tr class="failed"><td class="outcome failed">FAILED</td><td>x</td></tr></tbody></table>'),
        ("<custom-thing>a</custom-thing>", "a"),
    ],
)  # fmt: skip
def test_only_what_shows_is_left(tmp_path: Path, given: str, left: str) -> None:
    """No script, no handler, nothing that is loaded; tables, classes and pictures stay."""
    assert Cleaner(folder=tmp_path).clean(given) == left


def test_a_link_to_a_notebook_leads_to_its_page(tmp_path: Path) -> None:
    """A page that is there is linked; one that is not is plain words; nothing outside the archive is linked."""
    (tmp_path / "20_backup.html").write_text("", encoding="utf-8")
    cleaner = Cleaner(folder=tmp_path)
    assert cleaner.clean('<a href="20_backup.ipynb">back</a>') == '<a href="20_backup.html">back</a>'
    assert cleaner.clean('<a href="50_backfill.ipynb">next</a>') == "next"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("run `alembook show` <now>", "run <code>alembook show</code> &lt;now&gt;"),
        ("one ` alone", "one ` alone"),
        ("`<b>`", "<code>&lt;b&gt;</code>"),
    ],
)
def test_ticked_sets_code_and_escapes_the_rest(given: str, left: str) -> None:
    """Text of an error, as HTML."""
    assert markup.ticked(given) == left
