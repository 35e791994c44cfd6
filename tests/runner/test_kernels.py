"""Kernels booted ahead: quick to take, private, and none left over."""

from __future__ import annotations

import os
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from alembook import errors
from alembook.runner import kernels as kernels_module
from alembook.runner import notebook, nursery
from alembook.runner.kernels import Kernels
from tests.runner.conftest import Log, is_there, write_notebook

ENVIRONMENT = dict(os.environ)


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Gives each test a short folder of its own: other runs make and remove folders in the usual one."""
    with tempfile.TemporaryDirectory(prefix="ak-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


def folders() -> set[Path]:
    """Returns the private folders there are."""
    return set(Path(tempfile.gettempdir()).glob("alembook-kernels-*"))


def seconds_of_a_notebook(kernels: Kernels, folder: Path, name: str) -> float:
    """Returns how long a notebook of one cell takes, without booting another kernel."""
    source = write_notebook(folder / "source.ipynb", "1")
    began = time.monotonic()
    notebook.execute(source, folder / name, {}, events=Log(), kernels=kernels)
    return time.monotonic() - began


def test_every_kernel_ends_with_the_block_the_spare_too() -> None:
    """No process and no file is left."""
    before = folders()
    with Kernels() as kernels:
        kernels.warm(ENVIRONMENT)
        taken = kernels.take()
        kernels.warm_again()
        spare = kernels.take()
        assert taken.pid != spare.pid
        assert is_there(taken.pid)
        assert is_there(spare.pid)
        assert len(folders() - before) == 1
    assert not is_there(taken.pid)
    assert not is_there(spare.pid)
    assert folders() == before


def test_kernels_end_when_the_block_is_left_by_an_error() -> None:
    """An error on the way out changes nothing of it."""
    started: list[int] = []

    def leave() -> None:
        with Kernels() as kernels:
            kernels.warm(ENVIRONMENT)
            started.append(kernels.take().pid)
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert [pid for pid in started if is_there(pid)] == []


def test_a_warm_kernel_saves_the_boot(tmp_path: Path) -> None:
    """A notebook on a kernel that has booted takes a fraction of one that waits for it."""
    with Kernels(preload=("decimal", "no_such_module")) as kernels:
        kernels.warm(ENVIRONMENT)
        cold_s = seconds_of_a_notebook(kernels, tmp_path, "cold.ipynb")
        kernels.warm_again()
        time.sleep(2 * cold_s)
        warm_s = seconds_of_a_notebook(kernels, tmp_path, "warm.ipynb")
    assert warm_s < cold_s / 2


def test_modules_are_there_before_the_first_cell(tmp_path: Path) -> None:
    """What is preloaded is imported, what cannot be is left out, and neither is a name in the notebook."""
    source = write_notebook(
        tmp_path / "source.ipynb", "import sys\n'colorsys' in sys.modules, 'colorsys' in globals(), sys.flags.safe_path"
    )
    with Kernels(preload=("no_such_module", "colorsys")) as kernels:
        kernels.warm(ENVIRONMENT)
        notebook.execute(source, tmp_path / "out.ipynb", {}, events=Log(), kernels=kernels)
    nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert nb.cells[1].outputs[0].data["text/plain"] == "(True, False, True)"


def test_a_kernel_works_in_its_directory_and_imports_nothing_from_it(tmp_path: Path) -> None:
    """A project's own `secrets.py` cannot take the place of the real one."""
    (tmp_path / "colorsys.py").write_text("raise RuntimeError", encoding="utf-8")
    source = write_notebook(tmp_path / "source.ipynb", "import os, colorsys\nos.getcwd()")
    with Kernels() as kernels:
        kernels.warm(ENVIRONMENT, tmp_path)
        outcome = notebook.execute(source, tmp_path / "out.ipynb", {}, events=Log(), kernels=kernels)
    nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert outcome.exit_code == 0
    assert nb.cells[1].outputs[0].data["text/plain"] == repr(str(tmp_path))


def test_the_sockets_are_private() -> None:
    """Only this user can reach a kernel: unix sockets in a folder of mode 0700, no port."""
    before = folders()
    with Kernels() as kernels:
        kernels.warm(ENVIRONMENT)
        kernel = kernels.take()
        (folder,) = folders() - before
        assert stat.S_IMODE(folder.stat().st_mode) & 0o777 == 0o700
        assert kernel.manager.transport == "ipc"
        assert str(kernel.manager.ip).startswith(str(folder))


def test_warm_again_keeps_a_spare_that_fits_and_replaces_one_that_does_not() -> None:
    """One spare at a time; another environment makes another kernel; a dead one is replaced."""

    def spare() -> kernels_module.Kernel:
        kernels.end(kernels.take())  # the first one waits until everything is imported
        kernels.warm_again()
        assert kernels._spare is not None
        return kernels._spare

    with Kernels() as kernels:
        kernels.warm(ENVIRONMENT)
        first = spare()
        kernels.warm(ENVIRONMENT)
        assert kernels._spare is first
        kernels.warm({**ENVIRONMENT, "ALEMBOOK_TEST": "x"})
        assert not is_there(first.pid)
        second = spare()
        second.kill()
        while second.is_alive():
            time.sleep(0.01)
        third = kernels.take()
        assert third.pid != second.pid
        assert is_there(third.pid)


def test_kernels_are_forked_from_one_process_that_has_imported(tmp_path: Path) -> None:
    """Each is a child of this process and leads a session; modules are there, and none is shared afterwards."""
    marked = "was = getattr(colorsys, 'mark', None); colorsys.mark = 1"
    told = "was, os.getppid(), os.getsid(0) == os.getpid()"
    source = write_notebook(tmp_path / "source.ipynb", f"import colorsys, os\n{marked}\n{told}")
    with Kernels(preload=("colorsys",)) as kernels:
        kernels.warm(ENVIRONMENT)
        for name in ("first.ipynb", "second.ipynb"):
            notebook.execute(source, tmp_path / name, {}, events=Log(), kernels=kernels)
            found = nbformat.read(tmp_path / name, as_version=4).cells[1].outputs[0].data["text/plain"]
            assert found == f"(None, {os.getpid()}, True)"


def test_a_nursery_that_ended_is_replaced() -> None:
    """Whoever killed it: the next kernel comes from a new one."""
    with Kernels() as kernels:
        kernels.warm(ENVIRONMENT)
        first = kernels.take()
        assert kernels._nursery is not None
        os.kill(kernels._nursery._running.pid, signal.SIGKILL)
        second = kernels.take()
        assert is_there(first.pid)
        assert is_there(second.pid)


def test_a_kernel_that_cannot_be_imported_says_so(tmp_path: Path) -> None:
    """What was preloaded ended the process: its last words are the evidence."""
    (tmp_path / "broken_module.py").write_text("raise SystemExit('nothing works here')", encoding="utf-8")
    with Kernels(preload=("broken_module",)) as kernels:
        kernels.warm({**ENVIRONMENT, "PYTHONPATH": str(tmp_path)})
        with pytest.raises(errors.NotebookFailed) as caught:
            kernels.take()
    assert caught.value.what == "A kernel could not be started."
    assert caught.value.why == "the process it is forked from ended, or did not answer."
    assert caught.value.evidence["its last words"] == "nothing works here"


def test_without_adoption_each_kernel_is_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot let a grandchild be adopted, each kernel imports for itself."""
    monkeypatch.setattr(nursery, "IS_POSSIBLE", False)
    source = write_notebook(tmp_path / "source.ipynb", "import sys\n'colorsys' in sys.modules")
    with Kernels(preload=("no_such_module", "colorsys")) as kernels:
        kernels.warm(ENVIRONMENT)
        outcome = notebook.execute(source, tmp_path / "out.ipynb", {}, events=Log(), kernels=kernels)
    assert outcome.exit_code == 0
    assert nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[1].outputs[0].data["text/plain"] == "True"


def test_a_kernel_without_an_environment_is_a_mistake_of_ours() -> None:
    """take() before warm() has nothing to start with."""
    with Kernels() as kernels, pytest.raises(ValueError, match="a kernel needs an environment"):
        kernels.take()


def test_a_directory_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """The kernel could not be started, and the error names the folder."""
    with Kernels() as kernels, pytest.raises(errors.NotebookFailed) as caught:
        kernels.warm(ENVIRONMENT, tmp_path / "nowhere")
    assert caught.value.what == "A kernel could not be started."
    assert caught.value.why == f"No such file or directory: {tmp_path / 'nowhere'}."


def test_folders_of_killed_runners_are_cleared_and_living_ones_left() -> None:
    """A folder whose lock nobody holds belongs to nobody any more."""
    left = Path(tempfile.mkdtemp(prefix="alembook-kernels-"))
    (left / "lock").write_text("", encoding="utf-8")
    (left / "k1-ipc-1").write_text("", encoding="utf-8")
    unborn = Path(tempfile.mkdtemp(prefix="alembook-kernels-"))
    with Kernels():
        living = folders() - {left, unborn}
        with Kernels():
            assert not left.exists()
            assert unborn.exists()
            assert living <= folders()
    unborn.rmdir()


def test_a_long_temporary_folder_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unix socket's path holds 107 bytes; where TMPDIR is too long the folder goes elsewhere."""
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = kernels_module._private_folder()
    assert len(str(folder)) <= 90
    folder.rmdir()
