"""What cannot be done: each refusal says what, why and what next, has its exit code, and leaves nothing half done."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.conftest import TOML, Workplace, environment


def rewrite(place: Workplace, text: str) -> None:
    """Replaces alembook.toml."""
    (place.folder / "alembook.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TOML + "wait = 3\n", "alembook.toml: targets.demo.wait is not a key Alembook knows."),
        (TOML + "approvals = 'two'\n", "alembook.toml: targets.demo.approvals cannot be used."),
        (TOML + TOML, "alembook.toml is not valid TOML."),
        (TOML + "protected = true\n", "demo is protected, and its name was not confirmed."),
        (TOML + "approvals = 1\n", "demo sets approvals, which this version understands and cannot do yet."),
        (TOML.replace("demo]", "other]"), "alembook.toml has no target 'demo'."),
        (
            TOML.replace("file:database-url", "env:NOT_SET_ANYWHERE"),
            "The environment variable NOT_SET_ANYWHERE is not set.",
        ),
        (
            TOML.replace("file:database-url", "postgresql://u:hunter22@h/d"),
            "alembook.toml: targets.demo.database carries a password.",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used(workplace: Workplace, text: str, said: str) -> None:
    """Exit 2, before anything is created."""
    rewrite(workplace, text)
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith(said)
    assert "hunter22" not in done.stderr
    assert not workplace.runs()


def test_a_server_that_is_down(workplace: Workplace) -> None:
    """Exit 5: nothing was begun, and the text says that no server answered."""
    (workplace.folder / "database-url").write_text("postgresql://nobody@127.0.0.1:1/x", encoding="utf-8")
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("No server answered for nobody@127.0.0.1:1/x.\n  left: unchanged")
    assert not workplace.runs()


def test_an_unknown_role(workplace: Workplace) -> None:
    """Exit 2: the server answered and said no."""
    path = workplace.folder / "database-url"
    path.write_text(path.read_text(encoding="utf-8").replace("postgres@", "stranger@"), encoding="utf-8")
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 2, done.stderr
    assert "The server refused the connection" in done.stderr
    assert "the server has no such role or database" in done.stderr


def test_a_revision_that_does_not_exist(workplace: Workplace) -> None:
    """Exit 2 through the notebook, with the record of the attempt."""
    done = workplace.alembook("run", "-t", "demo", "--to", "deadbeef")
    assert done.returncode == 2, done.stderr
    assert "\nThe project has no revision 'deadbeef'.\n  why:  it has 13 of them." in done.stderr
    assert workplace.receipt("manifest.json")["exit_code"] == 2


def test_no_pg_dump(workplace: Workplace) -> None:
    """Inspect already misses it: the gate is closed, exit 3, before anything is changed."""
    (workplace.folder / "bin").mkdir()
    rewrite(workplace, TOML + 'postgres_bin = "bin"\n')
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 3, done.stderr
    assert "FAILED  pg_dump fits the server" in done.stderr
    assert workplace.ask("SELECT version_num FROM alembic_version") == "fa8b0fa6f407"


def test_a_check_that_cannot_be_judged(workplace: Workplace) -> None:
    """A query that fails is UNVERIFIED: exit 4, with the server's reason, after everything else was judged."""
    checks = workplace.folder / "migrations" / "checks.toml"
    text = '\n[[none]]\nname = "cannot be asked"\nquery = "SELECT no_such_column FROM tenants"\n'
    checks.write_text(checks.read_text(encoding="utf-8") + text, encoding="utf-8")
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "UNVERIFIED  cannot be asked" in done.stderr
    assert "42703" in done.stderr


def test_what_differs_from_the_plan_is_named(workplace: Workplace) -> None:
    """env.py, a module it imports, a revision more, a database moved by hand: each is refused; nothing is applied."""
    planned = workplace.alembook("run", "-t", "demo", "--through", "backup")
    assert planned.returncode == 0, planned.stderr
    migrations = workplace.folder / "migrations"

    def refused(*said: str) -> None:
        done = workplace.alembook("run", "--run", workplace.runs()[-1].name)
        assert done.returncode == 5, done.stdout + done.stderr
        assert [text for text in said if text not in done.stderr] == [], done.stderr

    for name in ("env.py", "models.py"):
        before = (migrations / name).read_text(encoding="utf-8")
        (migrations / name).write_text(before + "\n", encoding="utf-8")
        refused(f"migrations/{name}: changed")
        (migrations / name).write_text(before, encoding="utf-8")
    added = migrations / "versions" / "later.py"
    added.write_text(
        "revision = 'aaaaaaaaaaaa'\ndown_revision = 'f922b94e3bae'\n\n\ndef upgrade():\n    pass\n", encoding="utf-8"
    )
    refused("revision aaaaaaaaaaaa was added.", "file migrations/versions/later.py was added.")
    added.unlink()
    assert workplace.ask("SELECT version_num FROM alembic_version") == "fa8b0fa6f407"
    url = f"url={workplace.database.url()}"
    command = [sys.executable, "-m", "alembic", "-c", "migrations/alembic.ini", "-x", url, "upgrade", "+1"]
    subprocess.run(command, cwd=workplace.folder, env=environment(), check=True, capture_output=True)
    refused("The database was moved by hand: e8446f481c1e is done, and not by this run.")
    assert workplace.ask("SELECT version_num FROM alembic_version") == "e8446f481c1e"


def test_an_archive_that_cannot_be_made(workplace: Workplace) -> None:
    """Where a file stands in the way of the folder: exit 5, nothing was begun."""
    (workplace.folder / "runs").write_text("a file", encoding="utf-8")
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("The archive cannot be written: ")


def test_a_full_disk(workplace: Workplace) -> None:
    """When a save does not fit, the run stops with exit 5 and says so; what was there before is whole."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = workplace.alembook("run", "-t", "demo", preexec_fn=small)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "The archive cannot be written: the disk of " in done.stderr
    assert not [path for path in workplace.runs()[-1].rglob("*") if path.name.startswith(".")]
    assert workplace.ask("SELECT version_num FROM alembic_version") == "fa8b0fa6f407"


def test_a_project_that_is_not_there(workplace: Workplace) -> None:
    """Exit 2: where the ini was looked for."""
    shutil.rmtree(workplace.folder / "migrations")
    done = workplace.alembook("run", "-t", "demo")
    assert done.returncode == 2, done.stderr
    assert str(Path("migrations")) in done.stderr
