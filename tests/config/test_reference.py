"""References on the command line."""

from __future__ import annotations

import pytest

from alembook import config, errors


def test_a_word_is_read_as_alembook_toml_reads_it() -> None:
    """Each of the accepted forms."""
    assert config.reference("env:X") == config.Reference(kind="env", value="X")
    assert config.reference("embedded:demo@16").embedded_major == 16


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("postgresql://u:secret@h/d", "A reference on the command line carries a password."),
        ("oracle:x", "oracle: is no reference to a database."),
    ],
)
def test_what_is_no_reference_is_refused(text: str, what: str) -> None:
    """A password is never repeated."""
    with pytest.raises(errors.UsageError) as caught:
        config.reference(text)
    assert caught.value.what == what
    assert "secret" not in str(caught.value)
