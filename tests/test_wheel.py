"""The wheel holds all that an operator needs, and nothing of how it is made."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message

import pytest
from packaging.requirements import Requirement

from tests.test_frame import PYPROJECT, ROOT

SHIPPED = {
    "lib/alembook": "alembook",
    "runbooks": "alembook/shipped/runbooks",
    "migrations": "alembook/shipped/migrations",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Returns the wheel of this tree, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Returns what the wheel says of itself."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def sources() -> set[str]:
    """Returns where each file of the three shipped folders belongs in the wheel."""
    made = {"__pycache__", ".ipynb_checkpoints"}
    return {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, place in SHIPPED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and made.isdisjoint(path.parts)
    }


def test_the_wheel_ships_package_runbooks_and_reference_project(wheel: zipfile.ZipFile) -> None:
    """Every file of package, runbooks and migrations is in the wheel, and no other."""
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == sources()


@pytest.mark.parametrize(
    "name",
    [
        "alembook/py.typed",
        "alembook/postgres/identity.sql",
        "alembook/shipped/runbooks/10_inspect.ipynb",
        "alembook/shipped/runbooks/60_verify.ipynb",
        "alembook/shipped/migrations/env.py",
        "alembook/shipped/migrations/alembic.ini",
    ],
)
def test_the_wheel_ships_what_is_not_python(wheel: zipfile.ZipFile, name: str) -> None:
    """Types marker, SQL, runbooks and the reference project are where the package looks for them."""
    assert name in wheel.namelist()


def test_the_wheel_asks_for_what_pyproject_declares(metadata: Message) -> None:
    """The wheel's requirements are pyproject's runtime dependencies; those of development stay at home."""
    asked = {str(Requirement(line)) for line in metadata.get_all("Requires-Dist", [])}
    assert asked == {str(Requirement(line)) for line in PYPROJECT["project"]["dependencies"]}
    assert metadata["Requires-Python"] == PYPROJECT["project"]["requires-python"]


def test_the_wheel_carries_the_licence(wheel: zipfile.ZipFile, metadata: Message) -> None:
    """The wheel names its licence and has the text with it."""
    assert metadata["License-Expression"] == "Apache-2.0"
    (name,) = (name for name in wheel.namelist() if name.endswith("/licenses/LICENSE"))
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_command_is_alembook(wheel: zipfile.ZipFile) -> None:
    """Installing the wheel puts `alembook` on the PATH."""
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert wheel.read(name).decode().split() == ["[console_scripts]", "alembook", "=", "alembook.cli:main"]
