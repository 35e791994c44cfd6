"""A plan was made, then something changed: upgrade refuses, by the name of what changed, and applies nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alembook import archive, errors
from alembook.steps import inspection, upgrade
from tests.steps.conftest import Desk

LAST = "2b0000000042"
LATER = '''"""Later."""
revision = "3c0000000043"
down_revision = "2b0000000042"


def upgrade():
    pass
'''


@pytest.fixture
def planned(desk: Desk) -> Desk:
    """Returns a desk under git, whose pending revision imports one module at its top and one when it runs."""
    (desk.folder / "project/beside.py").write_text("WIDTH = 1\n", encoding="utf-8")
    (desk.folder / "project/lazy.py").write_text("WIDTH = 1\n", encoding="utf-8")
    file = desk.folder / f"project/migrations/versions/{LAST}.py"
    text = file.read_text(encoding="utf-8").replace(
        "import sqlalchemy as sa\n", "import beside\nimport sqlalchemy as sa\n"
    )
    file.write_text(text.replace("def upgrade():\n", "def upgrade():\n    import lazy\n"), encoding="utf-8")
    (desk.folder / ".gitignore").write_text("runs\n.alembook\n", encoding="utf-8")
    git = ["git", "-C", str(desk.folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    begun = archive.begin(desk.folder / "runs", "demo", to="head")
    with desk.book("inspect", folder=begun) as book:
        inspection.inspect(book, to="head").require()
    return desk


def refused(desk: Desk) -> str:
    """Returns what upgrade and its preview say; nothing may be applied."""
    with desk.book("upgrade", stage=1) as book, pytest.raises(errors.PlanChanged) as caught:
        upgrade.apply(book)
    assert desk.ask("SELECT string_agg(version_num, ' ') FROM alembic_version") == "1a0000000041"
    assert caught.value.exit_code == 5
    assert "begin a new run" in caught.value.next
    return str(caught.value)


def changed_by_one_byte(path: Path) -> str:
    """Appends a byte to a file and returns what it was."""
    before = path.read_text(encoding="utf-8")
    path.write_text(before + "\n", encoding="utf-8")
    return before


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (f"project/migrations/versions/{LAST}.py", f"project/migrations/versions/{LAST}.py: changed"),
        ("project/migrations/versions/1a0000000041.py", "project/migrations/versions/1a0000000041.py: changed"),
        ("project/migrations/env.py", "project/migrations/env.py: changed"),
        ("project/alembic.ini", "project/alembic.ini: changed"),
        ("project/beside.py", "project/beside.py: changed"),
        ("project/lazy.py", "file project/lazy.py is not what it was, by git."),
    ],
)
def test_one_byte_is_refused_by_name(planned: Desk, file: str, said: str) -> None:
    """A revision, one that is applied already, env.py, the ini, a module imported at a revision's top, or later."""
    changed_by_one_byte(planned.folder / file)
    assert said in refused(planned)


def test_whatever_else_differs_is_refused_by_name(planned: Desk) -> None:
    """A revision more, a limit, an argument, the target's protection: each has its sentence; put back, all is well."""
    added = planned.folder / "project/migrations/versions/3c0000000043.py"
    added.write_text(LATER, encoding="utf-8")
    said = refused(planned)
    assert "revision 3c0000000043 was added." in said
    assert "file project/migrations/versions/3c0000000043.py was added." in said
    added.unlink()
    toml = planned.folder / "alembook.toml"
    for more, sentence in (
        ("[targets.demo.limits]\nlock_timeout_ms = 900\n", "policy limits: "),
        ("[targets.demo.backup]\njobs = 3\n", "policy backup_jobs: "),
    ):
        before = toml.read_text(encoding="utf-8")
        toml.write_text(before + more, encoding="utf-8")
        assert sentence in refused(planned)
        toml.write_text(before, encoding="utf-8")
    before = toml.read_text(encoding="utf-8")
    toml.write_text(before.replace("writers =", 'alembic_args = ["tenant=acme"]\nwriters ='), encoding="utf-8")
    assert "policy alembic_args: [] became ['tenant=acme']." in refused(planned)
    toml.write_text(before, encoding="utf-8")
    with planned.book("upgrade", stage=1) as book:
        upgrade.apply(book).require()


def test_a_database_moved_by_hand_is_refused_by_name(planned: Desk) -> None:
    """Another row than the plan's beginning, one of the plan itself, and one that is no point of it."""
    planned.execute(f"UPDATE alembic_version SET version_num = '{LAST}'")
    with planned.book("upgrade", stage=1) as book, pytest.raises(errors.PlanChanged) as caught:
        upgrade.apply(book)
    assert caught.value.what == f"The database was moved by hand: {LAST} is done, and not by this run."
    planned.execute("UPDATE alembic_version SET version_num = 'elsewhere'")
    with planned.book("upgrade", stage=1) as book, pytest.raises(errors.PlanChanged) as caught:
        upgrade.preview(book)
    assert caught.value.what == "The database is at elsewhere, which is no point of the plan."


def test_the_dry_run_shows_the_very_list(planned: Desk) -> None:
    """What preview shows is what apply applies: the same ids, in the same order."""
    with planned.book("upgrade", stage=1) as book:
        shown = upgrade.preview(book)._repr_html_()
        assert LAST in shown
        assert "1a0000000041" not in shown
        assert upgrade.apply(book).facts["applied_now"] == [LAST]
        assert "every revision of this stage is applied already" in upgrade.preview(book)._repr_html_()
