"""What people say: who must type what before a protected target is changed. Texts are pinned whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from alembook import archive, config, errors
from alembook.runner import words
from alembook.runner.sitting import Asked


def target(folder: Path, *, protected: bool = True) -> config.Target:
    """Returns the target "production" of an alembook.toml."""
    text = f'[targets.production]\ndatabase = "embedded:"\nproject = "."\nprotected = {str(protected).lower()}\n'
    (folder / "alembook.toml").write_text(text, encoding="utf-8")
    return config.load(folder / "alembook.toml").target("production")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            Asked(target="production"),
            "production is protected, and its name was not confirmed.\n"
            "  why:  nothing may change it before somebody typed its name.\n"
            "  next: Prepare: `alembook run -t production --through rehearse`. "
            "In the window: `alembook run --run RUN --confirm production`.",
        ),
        (
            Asked(target="production", confirm="production"),
            "production is protected: its run is prepared first.\n"
            "  why:  people look at the plan and at its rehearsal before anything is changed.\n"
            "  next: Prepare: `alembook run -t production --through rehearse`. "
            "In the window: `alembook run --run RUN --confirm production`. Or give --emergency REASON.",
        ),
        (
            Asked(target="production", run="R", confirm="prod"),
            "--confirm prod is not the name of the target.\n"
            "  why:  this would change production, and its name is what confirms that.\n"
            "  next: Type --confirm production if that is the database you mean.",
        ),
    ],
)
def test_a_protected_target_asks_for_its_name(tmp_path: Path, asked: Asked, said: str) -> None:
    """Exit 2, with what to type."""
    with pytest.raises(errors.ProtectedTarget) as caught:
        words.require_confirmed(target(tmp_path), asked)
    assert caught.value.exit_code == 2
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "asked",
    [
        Asked(target="production", last="rehearse"),
        Asked(target="production", dry_run=True),
        Asked(target="production", run="R", confirm="production"),
        Asked(target="production", confirm="production", emergency="the disk fills up"),
    ],
)
def test_what_needs_no_more(tmp_path: Path, asked: Asked) -> None:
    """Preparing and looking need no name; a run that was prepared needs it, and an emergency needs no preparation."""
    words.require_confirmed(target(tmp_path), asked)


def test_another_target_needs_no_name(tmp_path: Path) -> None:
    """It is not asked for; a wrong one is refused all the same."""
    words.require_confirmed(target(tmp_path, protected=False), Asked(target="production"))
    with pytest.raises(errors.ProtectedTarget):
        words.require_confirmed(target(tmp_path, protected=False), Asked(target="production", confirm="x"))


def test_an_emergency_is_recorded(tmp_path: Path) -> None:
    """Who, when and why stand in a file of their own, chained to the one before it."""
    folder = archive.begin(tmp_path, "production", to="head")
    words.record(folder, Asked(target="production", emergency="the disk fills up"))
    words.record(folder, Asked(target="production", emergency="still"))
    first, second = folder.stated(archive.EMERGENCY)
    assert (first["reason"], second["reason"]) == ("the disk fills up", "still")
    assert first["previous"] == ""
    assert len(second["previous"]) == 64
