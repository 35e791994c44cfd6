"""The streams of an agent, cut into lines."""

from __future__ import annotations

from alembook.project.conversation import _Lines


def test_lines_come_whole() -> None:
    """A line, and a character of two bytes, may come in pieces."""
    lines = _Lines("stdout")
    assert lines.feed(b"one\ntw") == ["one"]
    assert lines.feed(b"o \xc3") == []
    assert lines.feed(b"\xbc\n") == ["two ü"]


def test_the_end_completes_text_only() -> None:
    """What a project printed last counts without its newline; an event cut short by a kill does not."""
    text, events = _Lines("stderr"), _Lines("events")
    assert (text.feed(b"last words"), events.feed(b'{"event": "fin')) == ([], [])
    assert (text.feed(b""), events.feed(b"")) == (["last words"], [])


def test_a_line_without_end_comes_in_pieces() -> None:
    """Memory is bounded, whatever a project prints."""
    assert _Lines("stdout").feed(b"x" * 70_000) == ["x" * 70_000]
